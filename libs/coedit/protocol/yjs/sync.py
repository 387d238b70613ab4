"""The messages of y-websocket: sync, awareness, denial, query; the first three are Hocuspocus's too.

A message begins with its type. Source: the npm packages y-protocols (``sync.js``, ``auth.js``) and y-websocket.
"""

from typing import NamedTuple, TypeAlias

from coedit.errors import TooLargeError, UnknownMessageError
from coedit.protocol.yjs.lib0 import Reader, write_bytes, write_text, write_uint

SYNC, AWARENESS, AUTH, QUERY_AWARENESS = range(4)
_STEP_1, _STEP_2, _UPDATE = range(3)
_PERMISSION_DENIED = 0
MAX_MESSAGES = 1_000
"""In one frame: providers send one in each, and one may be a single byte."""
MAX_STATE_VECTOR_BYTES = 4 * 1024 * 1024
"""Of a step 1: how far one has the items of half a million clients."""


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
        TooLargeError: there are too many.
    """
    reader = Reader(frame)
    messages: list[Message] = []
    while not reader.is_at_end:
        if len(messages) == MAX_MESSAGES:
            raise TooLargeError(f"more than {MAX_MESSAGES} messages in one frame")
        messages.append(_read_message(reader))
    return messages


def read_sync(reader: Reader) -> SyncMessage:
    """Return the sync message whose type was read.

    Raises:
        InvalidUpdateError: it is cut off.
        UnknownMessageError: it is none of the three.
        TooLargeError: a state vector that is.
    """
    step = reader.uint()
    if step > _UPDATE:
        raise UnknownMessageError(f"there is no sync message {step}")
    data = reader.bytes()
    if step == _STEP_1 and len(data) > MAX_STATE_VECTOR_BYTES:
        raise TooLargeError(f"a state vector of {len(data)} bytes; allowed are {MAX_STATE_VECTOR_BYTES}")
    return (SyncStep1, SyncStep2, SyncUpdate)[step](data)


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
