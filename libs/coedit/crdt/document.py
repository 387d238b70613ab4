"""A Yjs document that commits are folded into, and that Yjs clients' updates are applied to.

Folding is deterministic: the same commits on the same snapshot make items with the same ids, whoever folds
them and in how many steps, because the client id is fixed and every call below makes its items in a fixed
order. It holds for one version of pycrdt; `tests/property/test_crdt_fold.py` tries the one that is locked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from pycrdt import Doc, Text, get_update, merge_updates

from coedit.crdt.byte_cursor import ByteCursor, size_bytes
from coedit.crdt.derivation import derived_update
from coedit.crdt.linear_apply import apply_update
from coedit.crdt.panics import panics_caught
from coedit.crdt.sequence import items_in_order
from coedit.identifiers import DocumentId
from coedit.ot.apply import apply
from coedit.ot.compose import compose
from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import Attributes, compose_attributes
from coedit.ot.parts.cursor import OpCursor
from coedit.ot.parts.ops import Delete, Insert, Op, Retain
from coedit.ot.parts.utf16 import from_units
from coedit.ot.parts.values import canonical_object, same
from coedit.ot.parts.writer import OpWriter
from coedit.ot.wire import checked_op
from coedit.protocol.yjs.delete_set import with_cheap_deletes
from coedit.protocol.yjs.ids import server_id
from coedit.protocol.yjs.update import Id, Update, decode_state_vector, decode_update, encode_state_vector

ROOT = "content"
"""The name of the shared text that holds the document."""

FEW_CALLS = 256
"""Up to so many places are found one by one, in yrs; where there are more, all items are read once, in Python."""

NOTHING = b"\x00\x00"
"""The Yjs update that does nothing."""


def yjs_client_id(document_id: DocumentId, *parts: object) -> int:
    """Return an id under which the server derives a document's items: a number that no Yjs client draws.

    Yjs draws from 32 bits, and reads up to 53. Documents have ids of their own so that their updates may be merged.
    ``parts`` name what the items are derived in, where what was derived before may be lost: then other items, and so
    other ids, come in its place.
    """
    name = "\0".join(map(str, (document_id, *parts)))
    return server_id(name.encode("utf-8"), b"coedit-yjs-id")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a Yjs client's update did: to the text as a delta, and to the items as a Yjs update of that alone."""

    delta: Delta
    document: Delta
    update: bytes


class YjsDocument:
    """A document as Yjs items, and beside it as a delta, to know where in the items a commit belongs.

    Yjs does not roll back: a document of which a method raised `DamagedError` is to be dropped.
    """

    def __init__(
        self,
        document_id: DocumentId,
        update: bytes = b"",
        *,
        root: str | None = ROOT,
        client_id: int | None = None,
    ) -> None:
        """Make an empty document, or the one that a Yjs v1 ``update`` holds in full.

        The shared text ``root`` is the document; without one it has shared types of any kind, and an empty text.
        ``client_id`` is the id of the items that it derives.

        Raises:
            DamagedError: ``update`` cannot be read, or needs others before it.
        """
        self._root = root
        self._text = None if root is None else Text()
        self._client_id = yjs_client_id(document_id) if client_id is None else client_id
        self._updates: list[bytes] = []
        """What the transaction that ended last made, once somebody listens."""
        self._listens = False
        with panics_caught("the Yjs update cannot be loaded"):
            self._doc: Doc[Any] = Doc(client_id=self._client_id)
            if root is not None:
                self._doc[root] = self._text
            if update:
                apply_update(self._doc, update)
        self._content = self.render()

    @property
    def content(self) -> Delta:
        """The document that was loaded, after the deltas that were folded into it, by OT alone."""
        return self._content

    @property
    def is_text(self) -> bool:
        """Whether it is one shared text, which `content` is then all of."""
        return self._text is not None

    def fold(self, delta: Delta) -> None:
        """Apply the next commit's delta, making items of it.

        Raises:
            InvalidDeltaError: it does not fit the document, which is unchanged.
            DamagedError: Yjs failed on it.
        """
        after = apply(self._content, delta)
        with panics_caught("Yjs cannot follow a commit"):
            if _is_large(delta):
                apply_update(self._doc, self._written(delta))
            else:
                with self._doc.transaction():
                    self._write(delta.ops)
        self._content = after

    def derive(self, delta: Delta, after: Delta) -> bytes:
        """Apply the next commit's delta, which makes ``after`` of the content; return the Yjs update that it is.

        Raises:
            DamagedError: Yjs failed on it.
        """
        self._listen()
        with panics_caught("Yjs cannot follow a commit"):
            if _is_large(delta):
                update = self._written(delta)
                apply_update(self._doc, update)
            else:
                with self._doc.transaction():
                    self._write(delta.ops)
                update = self._updates[-1] if self._updates else NOTHING
        self._content = after
        return update

    def follow(self, update: bytes, delta: Delta) -> None:
        """Apply the next commit of a bridged document: its Yjs update, which is its delta too.

        Raises:
            InvalidDeltaError: the delta does not fit the document, which is unchanged.
            DamagedError: Yjs failed on the update.
        """
        after = apply(self._content, delta)
        with panics_caught("a Yjs update cannot be applied"):
            apply_update(self._doc, update)
        self._content = after

    def take(self, update: bytes, decoded: Update | None = None, parts: Sequence[bytes] = ()) -> Taken | None:
        """Apply what a Yjs client did, which was checked before (`coedit.protocol.yjs.gate`); None: nothing new.

        ``decoded`` is what is in it, where that is known; ``parts`` are the same as ``update`` one by one, between
        which other threads have their turn.

        Raises:
            DamagedError: Yjs failed on it, or the text has something now that no delta can hold.
        """
        self._listen()
        events: list[list[dict[str, Any]]] = []
        with panics_caught("a Yjs update cannot be applied"):
            # Only now: to work out what happened to the text costs for every change, and grows with the text.
            heard = (
                self._text.observe(lambda event: events.append(cast("Any", event).delta))
                if self._text is not None
                else None
            )
            try:
                for part in parts or (update,):
                    apply_update(self._doc, part, decoded)
            finally:
                if heard is not None and self._text is not None:
                    self._text.unobserve(heard)
            if not self._updates:
                return None
            delta = Delta()
            for event in events:
                step = self._read(event)
                self._content = apply(self._content, step)
                delta = compose(delta, step) if delta.ops else step
        # What is new in it, unless it is all new: then its author's bytes are as good, and often shorter.
        if sum(map(len, self._updates)) >= len(update):
            return Taken(delta, self._content, update)
        new = self._updates[0] if len(self._updates) == 1 else merge_updates(*self._updates)
        return Taken(delta, self._content, with_cheap_deletes(new, decode_update(new)))

    def update(self, state_vector: bytes = b"") -> bytes:
        """Return the document as one Yjs v1 update, all of it or what somebody with ``state_vector`` lacks."""
        return self._doc.get_update(state_vector) if state_vector else self._doc.get_update()

    def lacking(self, update: bytes) -> bytes:
        """Return what of a Yjs v1 ``update`` is not in the document.

        Raises:
            DamagedError: it is none.
        """
        with panics_caught("the Yjs update cannot be compared"):
            return get_update(update, self._doc.get_state())

    def state_vector(self) -> bytes:
        """Return how far the document has the items of each Yjs client; equal ones are equal bytes."""
        return encode_state_vector(decode_state_vector(self._doc.get_state()))

    def render(self) -> Delta:
        """Return the document as Yjs has it."""
        if self._text is None:
            return Delta()
        with panics_caught("Yjs cannot show the document"):
            # Integral numbers, which Yjs gives as floats, become integers.
            return Delta(Insert(content, attributes) for content, attributes in self._text.diff())

    def _listen(self) -> None:
        self._updates.clear()
        if not self._listens:
            self._listens = True
            self._doc.observe(lambda event: self._updates.append(event.update))

    def _read(self, event: list[dict[str, Any]]) -> Delta:
        """Return what a text event says, which counts in bytes of UTF-8, without what was so already."""
        before, writer = ByteCursor(self._content.ops), OpWriter()
        for op in event:
            if "insert" in op:
                made = checked_op(Insert(op["insert"], op.get("attributes")))
                if made is not None:
                    writer.push(made)
                continue
            if "delete" in op:
                writer.delete(before.skip(op["delete"]))
            elif wanted := canonical_object(op.get("attributes") or {}):
                for units, attributes in before.take(op["retain"]):
                    writer.retain(units, _changed(attributes, wanted))
            elif units := before.skip(op["retain"]):
                writer.retain(units, None)
        return Delta.from_normal(writer.finish()[0])

    def _written(self, delta: Delta) -> bytes:
        """Return the update that a delta is; the cost is the sum of its ops and the items, not their product."""
        assert self._root is not None  # noqa: S101 - only a text has deltas
        first = Id(self._client_id, decode_state_vector(self._doc.get_state()).get(self._client_id, 0))
        return derived_update(
            items_in_order(self._doc.get_update(), self._root), delta.ops, self._root, first
        )

    def _write(self, ops: Sequence[Op]) -> None:
        assert self._text is not None  # noqa: S101 - only a text has deltas
        before = OpCursor(self._content.ops)
        place = 0  # in bytes of UTF-8, which is what pycrdt counts
        left: Attributes | None = None
        for op in ops:
            if type(op) is Insert:
                place = self._insert(place, op, left)
                left = op.attributes
                continue
            taken, _ = before.take(op.length)
            end = place + size_bytes(taken)
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
        assert self._text is not None  # noqa: S101 - only a text has deltas
        end = place + size_bytes((op,))
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
        assert self._text is not None  # noqa: S101 - only a text has deltas
        for name in sorted(attributes):
            self._text.format(start, end, {name: attributes[name]})


def _is_large(delta: Delta) -> bool:
    """Tell whether as many calls of pycrdt, each of which finds its place anew, cost more than to read all items.

    What is made of a delta depends on which way it goes, so this must not depend on who asks.
    """
    return sum([1 if type(op) is Delete else 1 + len(op.attributes or ()) for op in delta.ops]) > FEW_CALLS


def _changed(have: Attributes | None, wanted: Attributes) -> Attributes | None:
    """Return what of ``wanted`` is not so already: yrs names attributes that stay as they are."""
    have = have or {}
    return {name: value for name, value in wanted.items() if not same(value, have.get(name))} or None


def _attributes(op: Op) -> Attributes | None:
    return op.attributes if type(op) is Insert else None
