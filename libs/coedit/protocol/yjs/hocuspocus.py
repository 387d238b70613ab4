"""The framing of Hocuspocus: many documents on one socket, an auth message, and the confirmation of updates.

A frame is the key of a document, then a message. The key is the document's name, or the name, a NUL and an id of
the session; what is answered carries the key that it was asked with. Ping and pong alone are one byte.

Source: the npm packages @hocuspocus/provider and @hocuspocus/server 4.7.
"""

from typing import NamedTuple, TypeAlias

from coedit.errors import TooLargeError, UnknownMessageError
from coedit.protocol.yjs.lib0 import Reader, write_text, write_uint
from coedit.protocol.yjs.sync import (
    AUTH,
    AWARENESS,
    QUERY_AWARENESS,
    SYNC,
    AwarenessMessage,
    QueryAwareness,
    SyncMessage,
    read_sync,
)

_STATELESS, _CLOSE, _SYNC_STATUS = 5, 7, 8
MAX_KEY_CHARACTERS = 1024
"""A name has at most 255 bytes; the rest is for the id of the session. Each is kept for as long as the socket."""
_PING, _PONG = b"\x09", b"\x0a"
_TOKEN, _DENIED, _GRANTED = range(3)


class Authenticate(NamedTuple):
    """The client's token for one document."""

    token: str


class Stateless(NamedTuple):
    """What the application says past the document; here nobody listens."""

    payload: str


class Leave(NamedTuple):
    """The client leaves the document, and keeps the socket."""


class Ping(NamedTuple):
    """A sign of life that is answered."""


class Pong(NamedTuple):
    """The answer to one."""


DocumentMessage: TypeAlias = (
    SyncMessage | AwarenessMessage | QueryAwareness | Authenticate | Stateless | Leave
)


class DocumentFrame(NamedTuple):
    """A message about the document of ``key``."""

    key: str
    message: DocumentMessage

    @property
    def name(self) -> str:
        """The document's name, without the session's id."""
        return self.key.partition("\0")[0]


Frame: TypeAlias = DocumentFrame | Ping | Pong


def read_frame(frame: bytes) -> Frame:
    """Return what a client's frame says; what follows behind it is passed over.

    Raises:
        InvalidUpdateError: it is cut off.
        UnknownMessageError: it is none that a client sends.
        TooLargeError: the key is, or a state vector.
    """
    if frame == _PING:
        return Ping()
    if frame == _PONG:
        return Pong()
    reader = Reader(frame)
    key = reader.text()
    if len(key) > MAX_KEY_CHARACTERS:
        raise TooLargeError(f"the key of a document has at most {MAX_KEY_CHARACTERS} characters")
    return DocumentFrame(key, _read_message(reader))


def write_frame(key: str, message: bytes) -> bytes:
    """Return a frame that carries ``message`` about the document of ``key``."""
    return write_text(key) + message


def write_pong() -> bytes:
    """Return the answer to a ping."""
    return _PONG


def write_denied(reason: str) -> bytes:
    """Return the answer to a token that is not good for the document."""
    return bytes((AUTH, _DENIED)) + write_text(reason)


def write_granted(*, may_write: bool) -> bytes:
    """Return the answer to a good token."""
    return bytes((AUTH, _GRANTED)) + write_text("read-write" if may_write else "readonly")


def write_close(reason: str) -> bytes:
    """Return the message that ends a document on this socket."""
    return write_uint(_CLOSE) + write_text(reason)


def write_sync_status(*, is_taken: bool) -> bytes:
    """Return whether an update, or a step 2, was taken."""
    return bytes((_SYNC_STATUS, int(is_taken)))


def _read_message(reader: Reader) -> DocumentMessage:
    kind = reader.uint()
    if kind == SYNC:
        return read_sync(reader)
    if kind == AWARENESS:
        return AwarenessMessage(reader.bytes())
    if kind == AUTH:
        return _read_auth(reader)
    if kind == QUERY_AWARENESS:
        return QueryAwareness()
    if kind == _STATELESS:
        return Stateless(reader.text())
    if kind == _CLOSE:
        return Leave()
    raise UnknownMessageError(f"there is no message {kind} from a client")


def _read_auth(reader: Reader) -> Authenticate:
    kind = reader.uint()
    if kind != _TOKEN:
        raise UnknownMessageError(f"there is no auth message {kind} from a client")
    return Authenticate(reader.text())  # the provider's version may follow
