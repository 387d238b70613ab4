"""A plain Yjs v1 update, as ``Y.encodeStateAsUpdate`` makes it, with the document as one shared text.

What is exported is a copy: its items have ids of their own, which no replica of the document itself has. So it may be
merged with anything, and the same document exported again is byte for byte the same.
"""

from hashlib import blake2b
from typing import Any

from pycrdt import Doc, Text, get_update

from coedit.crdt.document import ROOT, YjsDocument
from coedit.errors import InvalidFormatError
from coedit.identifiers import DocumentId
from coedit.ot.delta import Delta
from coedit.ot.ops import Insert


def write_yjs(document: Delta, seed: str) -> bytes:
    """Return the update of a Yjs document with this text under ``content``; equal for equal arguments.

    Raises:
        DamagedError: Yjs cannot hold the document.
    """
    digest = blake2b(seed.encode(), digest_size=16, person=b"coedit-export").hexdigest()
    copy = YjsDocument(DocumentId(f"export {digest}"))
    copy.fold(document)
    return copy.update()


def read_yjs(body: bytes, root: str = ROOT) -> Delta:
    """Return the text that an update holds under ``root``; of a document without one, nothing.

    Raises:
        InvalidFormatError: not a Yjs v1 update, one that needs others before it, or one whose text holds other than
            text and JSON.
        InvalidDeltaError: the text has no canonical form, such as one with halves of characters.
    """
    try:
        return _text_of(body, root)
    except (InvalidFormatError, RuntimeError, ValueError, TypeError, ExceptionGroup) as error:
        if isinstance(error, InvalidFormatError):
            raise
        raise InvalidFormatError(f"not a Yjs v1 update: {error}") from error
    except BaseException as error:
        # A panic of the Rust code is not an Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise InvalidFormatError("a Yjs update that cannot be applied") from error


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
