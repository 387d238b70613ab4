"""A plain Yjs v1 update, as ``Y.encodeStateAsUpdate`` makes it, with the document as one shared text.

What is exported is a copy: its items have ids of their own, which no replica of the document itself has. So it may be
merged with anything, and the same document exported again is byte for byte the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

from pycrdt import Doc, Text, get_update

from coedit.crdt.document import ROOT
from coedit.crdt.whole_characters import without_cuts
from coedit.errors import CoeditError, InvalidFormatError, InvalidUpdateError
from coedit.ot.delta import Delta
from coedit.ot.parts.ops import Insert
from coedit.ot.parts.utf16 import from_units, utf8_length
from coedit.protocol.yjs.delete_set import with_cheap_deletes
from coedit.protocol.yjs.gate import check_splits
from coedit.protocol.yjs.update import decode_update

_MIN_CLIENT_ID = 2**36
"""Above what Yjs clients draw, and what the server derives the documents themselves under."""


def write_yjs(document: Delta, seed: str) -> bytes:
    """Return the update of a Yjs document with this text under ``content``; equal for equal arguments.

    Raises:
        InvalidFormatError: Yjs cannot hold the document.
    """
    digest = blake2b(seed.encode(), digest_size=8, person=b"coedit-export").digest()
    with _refusing("Yjs cannot hold the document"):
        doc: Doc[Any] = Doc(client_id=_MIN_CLIENT_ID + int.from_bytes(digest) % (2**53 - _MIN_CLIENT_ID))
        text = doc.get(ROOT, type=Text)
        with doc.transaction():
            # From the end to the beginning: finding a place further in takes as long as there are runs before it.
            for op in reversed(document.ops):
                if type(op) is Insert:
                    _put_first(text, op)
        return doc.get_update()


def _put_first(text: Text, op: Insert) -> None:
    """Insert at the beginning; formatted name by name, since Yjs would write its marks in random order."""
    if isinstance(op.content, str):
        text.insert(0, from_units(op.content))
        size_bytes = utf8_length(op.content)
    else:
        text.insert_embed(0, op.content)
        size_bytes = 1
    attributes = op.attributes or {}
    for name in sorted(attributes):
        text.format(0, size_bytes, {name: attributes[name]})


def read_yjs(body: bytes, root: str = ROOT) -> Delta:
    """Return the text that an update holds under ``root``; of a document without one, nothing.

    Where something in it comes between the halves of a character, U+FFFD stands for each, as Yjs shows it.

    Raises:
        InvalidFormatError: not a Yjs v1 update, one that needs others before it, or one whose text holds other than
            text and JSON.
        TooLargeError: it would take too long.
        InvalidDeltaError: the text has no canonical form, such as one with halves of characters.
    """
    with _refusing("not a Yjs v1 update"):
        return _text_of(_cheap(without_cuts(body)), root)


def _cheap(body: bytes) -> bytes:
    update = decode_update(body)
    check_splits(update)
    return with_cheap_deletes(body, update)


def _text_of(body: bytes, root: str) -> Delta:
    doc: Doc[Any] = Doc()
    text = doc.get(root, type=Text)
    doc.apply_update(body)
    # What waits for other updates is not in the document's state; the first number counts the clients that wait.
    if get_update(body, doc.get_state())[0] != 0:
        raise InvalidFormatError("the Yjs update needs others before it: export the whole document")
    parts = text.diff()
    if any(not isinstance(content, (str, dict)) for content, _ in parts):
        raise InvalidFormatError(f"the text {root!r} holds shared types, or embeds that are no objects")
    return Delta(Insert(content, attributes or None) for content, attributes in parts)


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turn whatever pycrdt raises into an `InvalidFormatError`."""
    try:
        yield
    except InvalidUpdateError as error:
        raise InvalidFormatError(f"{what}: {error}") from error
    except CoeditError:
        raise
    except (RuntimeError, ValueError, TypeError, ExceptionGroup) as error:
        raise InvalidFormatError(f"{what}: {error}") from error
    except BaseException as error:
        # A panic of the Rust code is not an Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise InvalidFormatError(what) from error
