"""What a WebSocket client sends, read as its bytes come: unmasked, joined, and within a bound (RFC 6455, 5).

It refers to nobody, and what it holds is counted: what a client has half sent is memory that the client spends.
"""

import enum
from struct import unpack_from
from typing import NamedTuple

from aiohttp._websocket.helpers import websocket_mask  # compiled; nothing of ours would be as fast

_FINAL, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_MOST_CONTROL_BYTES = 125
_PROTOCOL_ERROR, _NO_UTF_8, _TOO_LARGE = 1002, 1007, 1009
_LEAST_PRIVATE_CODE, _CODES = 3000, {*range(1000, 1004), *range(1007, 1015)}


class Kind(enum.IntEnum):
    """The opcodes."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_KINDS = {int(kind): kind for kind in Kind}
_WHOLE = {_FINAL | kind: kind for kind in (Kind.TEXT, Kind.BINARY)}


class Message(NamedTuple):
    """A whole message, or a control frame."""

    kind: Kind
    payload: bytes | str


class BrokenFrameError(Exception):
    """What came is against the protocol, or too large: the connection ends with ``close_code``."""

    def __init__(self, close_code: int) -> None:
        super().__init__(close_code)
        self.close_code = close_code


class FrameReader:
    """Takes bytes with `push`, and gives messages with `next`.

    A message of ``most_bytes`` or more is refused when its length is told, before it has come; the bound may be raised
    between two messages, and then counts for what has come already.
    """

    __slots__ = (
        "_at",
        "_code",
        "_data",
        "_frame",
        "_kind",
        "_left",
        "_mask",
        "_passes_over",
        "_payload",
        "frames",
        "most_bytes",
    )

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.frames = 0
        """How many were read since somebody set this to 0."""
        self._data = b""
        self._at = 0
        """What of ``_data`` was read."""
        self._frame = 0
        """The first byte of the frame whose payload is being read."""
        self._left = -1
        """How much of that payload has not come; -1: a head is next."""
        self._mask = b""
        self._kind: Kind | None = None
        """Of the message that has begun."""
        self._payload = bytearray()
        """What has come of it, or of a control frame in between is read from ``_data`` alone."""
        self._passes_over = False
        self._code = 0
        """Why nothing more is read."""

    @property
    def held_bytes(self) -> int:
        """How much is held of what has come and was not given yet."""
        return len(self._payload) + len(self._data) - self._at

    def push(self, data: bytes) -> None:
        """Take in what came."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def pass_over(self) -> None:
        """Hold nothing any more: from now on only what kinds of frames come is of interest."""
        self._passes_over = True
        self._payload = bytearray()

    def drop(self) -> None:
        """Hold nothing any more: nobody will ask."""
        self._data, self._at, self._payload = b"", 0, bytearray()

    def next(self) -> Message | None:
        """Return the next message; None: it has not come.

        Raises:
            BrokenFrameError: it never will.
        """
        if self._code:
            raise BrokenFrameError(self._code)
        try:
            if self._kind is None and self._left < 0 and (message := self._next_small()) is not None:
                return message
            while self._left >= 0 or self._read_head():
                payload = self._read_payload()
                if payload is None:
                    return None
                message = self._message(payload)
                if message is not None:
                    return message
        except BrokenFrameError as error:
            self._code = error.close_code
            self.drop()
            raise
        return None

    def _next_small(self) -> Message | None:
        """Return a short message that has come in one frame, as nearly all do; None: it takes a closer look."""
        data, at = self._data, self._at
        if len(data) - at < 6 or (kind := _WHOLE.get(data[at])) is None or self._passes_over:
            return None
        length, start = data[at + 1] - _MASKED, at + 6
        if length == 126:
            length, start = data[at + 2] << 8 | data[at + 3], at + 8
        end = start + length
        if not 0 <= length < self.most_bytes or end > len(data) or data[at + 1] == _MASKED | 127:
            return None
        piece = bytearray(data[start:end])
        websocket_mask(data[start - 4 : start], piece)
        self._data, self._at = (data, end) if end < len(data) else (b"", 0)
        self.frames += 1
        return Message(kind, bytes(piece) if kind is Kind.BINARY else _text(piece))

    def _read_head(self) -> bool:
        """Return whether a frame's head has come, and take it."""
        data, at = self._data, self._at
        there = len(data) - at
        if there < 2:
            return False
        first, length = data[at], data[at + 1] & _LENGTH
        opcode = first & _OPCODE
        self._check_head(first, data[at + 1])
        head = 6 if length < 126 else 8 if length == 126 else 14
        if there < head:
            return False
        if length == 126:
            (length,) = unpack_from("!H", data, at + 2)
        elif length == 127:
            (length,) = unpack_from("!Q", data, at + 2)
        if opcode < Kind.CLOSE:
            if len(self._payload) + length >= self.most_bytes and not self._passes_over:
                raise BrokenFrameError(_TOO_LARGE)
            self._kind = self._kind or _KINDS[opcode]
        self._at = at + head
        self.frames += 1
        self._mask = data[at + head - 4 : at + head]
        self._frame, self._left = first, length
        return True

    def _check_head(self, first: int, second: int) -> None:
        opcode = first & _OPCODE
        is_sound = not first & _RESERVED and opcode in _KINDS and second & _MASKED
        if opcode >= Kind.CLOSE:
            is_sound = is_sound and second & _LENGTH <= _MOST_CONTROL_BYTES and first & _FINAL
        else:  # a message goes on exactly where one has begun
            is_sound = is_sound and (self._kind is None) is not (opcode == Kind.CONTINUATION)
        if not is_sound:
            raise BrokenFrameError(_PROTOCOL_ERROR)

    def _read_payload(self) -> bytearray | None:
        """Return the payload's last piece, if it has come; what comes before that is joined to the message."""
        is_control = self._frame & _OPCODE >= Kind.CLOSE
        there = len(self._data) - self._at
        if is_control and there < self._left:
            return None  # it is short: it waits where it is
        size = min(there, self._left)
        piece = bytearray(self._data[self._at : self._at + size])
        self._at += size
        if self._at == len(self._data):
            self._data, self._at = b"", 0
        websocket_mask(self._mask, piece)
        self._left -= size
        if self._left:
            turn = size % 4
            self._mask = self._mask[turn:] + self._mask[:turn]
            self._join(piece)
            return None
        self._left = -1
        return piece

    def _join(self, piece: bytearray) -> None:
        if not self._passes_over:
            self._payload += piece

    def _message(self, piece: bytearray) -> Message | None:
        """Return the message that ``piece`` ends, if it does."""
        opcode = self._frame & _OPCODE
        if opcode >= Kind.CLOSE:
            kind = _KINDS[opcode]
            if kind is Kind.CLOSE:
                _check_close(piece)
            return Message(kind, bytes(piece))
        if self._payload or not self._frame & _FINAL:
            self._join(piece)
            piece = self._payload
        if not self._frame & _FINAL:
            return None
        kind, self._kind = self._kind or Kind.BINARY, None
        self._payload = bytearray()
        if kind is Kind.BINARY or self._passes_over:
            return Message(kind, bytes(piece))
        return Message(kind, _text(piece))


def _check_close(payload: bytearray) -> None:
    if len(payload) == 1:
        raise BrokenFrameError(_PROTOCOL_ERROR)
    if payload:
        code = int.from_bytes(payload[:2])
        if code < _LEAST_PRIVATE_CODE and code not in _CODES:
            raise BrokenFrameError(_PROTOCOL_ERROR)
        _text(payload[2:])


def _text(payload: bytearray) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise BrokenFrameError(_NO_UTF_8) from None
