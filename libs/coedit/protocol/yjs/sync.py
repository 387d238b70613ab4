"""The messages of y-websocket: sync, awareness, denial, query; the first three are Hocuspocus's too.

A message begins with its type. Source: the npm packages y-protocols (``sync.js``, ``auth.js``) and y-websocket.
"""

from typing import NamedTuple, TypeAlias

from coedit.errors import UnknownMessageError
from coedit.protocol.yjs.lib0 import Reader, write_bytes, write_text, write_uint

SYNC, AWARENESS, AUTH, QUERY_AWARENESS = range(4)
_STEP_1, _STEP_2, _UPDATE = range(3)
_PERMISSION_DENIED = 0


class SyncStep1(NamedTuple):
    """How far its sender has the document; answered by a step 2."""

    state_vector: bytes


class SyncStep2(NamedTuple):
    """All that the other side's step 1 lacks."""

    update: bytes


class SyncUpdate(NamedTuple):
    """What somebody did."""

    update: bytes


class AwarenessMessage(NamedTuple):
    """Who is where: see `coedit.protocol.yjs.awareness`."""

    update: bytes


class QueryAwareness(NamedTuple):
    """Asks for everybody's state."""


SyncMessage: TypeAlias = SyncStep1 | SyncStep2 | SyncUpdate
Message: TypeAlias = SyncMessage | AwarenessMessage | QueryAwareness


def read_messages(frame: bytes) -> list[Message]:
    """Return what a client's frame says; there may be several messages in one.

    Raises:
        InvalidUpdateError: a message is cut off.
        UnknownMessageError: a message is none that a client sends.
    """
    reader = Reader(frame)
    messages: list[Message] = []
    while not reader.is_at_end:
        messages.append(_read_message(reader))
    return messages


def read_sync(reader: Reader) -> SyncMessage:
    """Return the sync message whose type was read.

    Raises:
        InvalidUpdateError: it is cut off.
        UnknownMessageError: it is none of the three.
    """
    step = reader.uint()
    if step > _UPDATE:
        raise UnknownMessageError(f"there is no sync message {step}")
    return (SyncStep1, SyncStep2, SyncUpdate)[step](reader.bytes())


def write_step_1(state_vector: bytes) -> bytes:
    """Return the message that asks for all that ``state_vector`` lacks."""
    return bytes((SYNC, _STEP_1)) + write_bytes(state_vector)


def write_step_2(update: bytes) -> bytes:
    """Return the answer to a step 1."""
    return bytes((SYNC, _STEP_2)) + write_bytes(update)


def write_update(update: bytes) -> bytes:
    """Return the message that tells what somebody did."""
    return bytes((SYNC, _UPDATE)) + write_bytes(update)


def write_awareness(update: bytes) -> bytes:
    """Return the message that tells who is where."""
    return write_uint(AWARENESS) + write_bytes(update)


def write_denied(reason: str) -> bytes:
    """Return y-websocket's message that nothing is given; its provider reports it and does nothing else."""
    return bytes((AUTH, _PERMISSION_DENIED)) + write_text(reason)


def _read_message(reader: Reader) -> Message:
    kind = reader.uint()
    if kind == SYNC:
        return read_sync(reader)
    if kind == AWARENESS:
        return AwarenessMessage(reader.bytes())
    if kind == QUERY_AWARENESS:
        return QueryAwareness()
    raise UnknownMessageError(f"there is no message {kind} from a client")
