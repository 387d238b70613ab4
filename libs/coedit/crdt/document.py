"""A Yjs document that commits are folded into.

Folding is deterministic: the same commits on the same snapshot make items with the same ids, whoever folds
them and in how many steps, because the client id is fixed and every call below makes its items in a fixed
order. It holds for one version of pycrdt; `tests/property/test_crdt_fold.py` tries the one that is locked.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

from pycrdt import Doc, Text

from coedit.errors import DamagedError, InvalidDeltaError
from coedit.identifiers import DocumentId
from coedit.ot.apply import apply
from coedit.ot.attributes import Attributes, compose_attributes
from coedit.ot.cursor import OpCursor
from coedit.ot.delta import Delta
from coedit.ot.ops import Insert, Op, Retain
from coedit.ot.utf16 import from_units, utf8_length
from coedit.ot.values import same

ROOT = "content"
"""The name of the shared text that holds the document."""

_MIN_CLIENT_ID = 2**32
_MAX_CLIENT_ID = 2**35 - 1
"""What still takes five bytes in an update, as most ids of Yjs clients do; each item names up to three ids."""


def yjs_client_id(document_id: DocumentId) -> int:
    """Return the id under which the server derives a document's items: a number that no Yjs client draws.

    Yjs draws from 32 bits, and reads up to 53. Documents have ids of their own so that their updates may be merged.
    """
    digest = blake2b(document_id.encode("utf-8"), digest_size=8, person=b"coedit-yjs-id").digest()
    return _MIN_CLIENT_ID + int.from_bytes(digest) % (_MAX_CLIENT_ID - _MIN_CLIENT_ID)


class YjsDocument:
    """A document as Yjs items, and beside it as a delta, to know where in the items a commit belongs.

    Yjs does not roll back: a document whose `fold` raised is to be dropped.
    """

    def __init__(self, document_id: DocumentId, update: bytes = b"") -> None:
        """Make an empty document, or the one that a Yjs v1 ``update`` holds in full.

        Raises:
            DamagedError: ``update`` cannot be read, or needs others before it.
        """
        self._text = Text()
        with _reported("the Yjs update cannot be loaded"):
            self._doc: Doc[Any] = Doc(client_id=yjs_client_id(document_id))
            self._doc[ROOT] = self._text
            if update:
                self._doc.apply_update(update)
        self._content = self.render()

    @property
    def content(self) -> Delta:
        """The document that was loaded, after the deltas that were folded into it, by OT alone."""
        return self._content

    def fold(self, delta: Delta) -> None:
        """Apply the next commit's delta.

        Raises:
            InvalidDeltaError: it does not fit the document, which is unchanged.
            DamagedError: Yjs failed on it.
        """
        after = apply(self._content, delta)
        with _reported("Yjs cannot follow a commit"), self._doc.transaction():
            self._write(delta.ops)
        self._content = after

    def update(self) -> bytes:
        """Return the whole document as one Yjs v1 update."""
        return self._doc.get_update()

    def state_vector(self) -> bytes:
        """Return how far the document has the items of each Yjs client."""
        return self._doc.get_state()

    def render(self) -> Delta:
        """Return the document as Yjs has it."""
        with _reported("Yjs cannot show the document"):
            # Integral numbers, which Yjs gives as floats, become integers.
            return Delta(Insert(content, attributes) for content, attributes in self._text.diff())

    def _write(self, ops: Sequence[Op]) -> None:
        before = OpCursor(self._content.ops)
        place = 0  # in bytes of UTF-8, which is what pycrdt counts
        left: Attributes | None = None
        for op in ops:
            if type(op) is Insert:
                place = self._insert(place, op, left)
                left = op.attributes
                continue
            taken, _ = before.take(op.length)
            end = place + sum(map(_size_bytes, taken))
            if type(op) is Retain:
                self._format(place, end, op.attributes or {})
                left = compose_attributes(_attributes(taken[-1]), op.attributes, keep_null=False)
                place = end
            else:
                del self._text[place:end]

    def _insert(self, place: int, op: Insert, left: Attributes | None) -> int:
        """Insert at ``place``, behind something formatted as ``left``; return the place behind it.

        Given attributes, Yjs would write its formatting marks in random order, which makes random ids.
        Without, the insert is formatted as its left neighbour; what differs is then set name by name.
        """
        end = place + _size_bytes(op)
        if isinstance(op.content, str):
            self._text.insert(place, from_units(op.content))
        else:
            self._text.insert_embed(place, op.content)
        left, wanted = left or {}, op.attributes or {}
        changed: Attributes = {name: None for name in left if name not in wanted}
        changed |= {name: value for name, value in wanted.items() if not same(value, left.get(name))}
        self._format(place, end, changed)
        return end

    def _format(self, start: int, end: int, attributes: Attributes) -> None:
        for name in sorted(attributes):
            self._text.format(start, end, {name: attributes[name]})


def _size_bytes(op: Op) -> int:
    if type(op) is Insert and isinstance(op.content, str):
        return utf8_length(op.content)
    return 1


def _attributes(op: Op) -> Attributes | None:
    return op.attributes if type(op) is Insert else None


@contextmanager
def _reported(what: str) -> Iterator[None]:
    """Turn whatever pycrdt raises into a `DamagedError`."""
    try:
        yield
    except (InvalidDeltaError, RuntimeError, ValueError, TypeError, ExceptionGroup) as error:
        raise DamagedError(f"{what}: {error!r}", "fold") from error
    except BaseException as error:
        # A panic of the Rust code is not an Exception, so that nothing else would stop it on its way out.
        if type(error).__name__ != "PanicException":
            raise
        raise DamagedError(f"{what}: {error!r}", "fold") from error
