"""A WebSocket client that does next to nothing, so that one process can be many clients (RFC 6455)."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from struct import pack
from typing import cast

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_MASKED = 0x80
KEPT_BYTES = 1 << 20
_NO_MASK = bytes(4)  # a mask of zeros is a mask, and leaves the payload as it is


class RawSocket(asyncio.Protocol):
    """Calls ``on_payload`` for each unfragmented data frame, and ``on_end`` once with the reason.

    Of a frame above ``KEPT_BYTES`` only that much is kept, so that one process can take a large document many times.
    """

    def __init__(
        self,
        host: str,
        path: str,
        on_payload: Callable[[bytes], None],
        on_end: Callable[[str], None],
        *,
        subprotocol: str = "",
        is_text: bool = False,
    ) -> None:
        self._request = _upgrade_request(host, path, subprotocol)
        self._kind = _TEXT if is_text else _BINARY
        self._on_payload = on_payload
        self._on_end = on_end
        self._buffer = b""
        self._large: _LargeFrame | None = None
        self.received_bytes = 0
        self._transport: asyncio.Transport
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that it ended."""
        self._end(f"the connection ended: {exc!r}")

    def data_received(self, data: bytes) -> None:
        """Take in bytes."""
        self.received_bytes += len(data)
        if self._large is not None:
            data = self._large.take(data)
            if self._large.missing:
                return
            large, self._large = self._large, None
            self._on_frame(large.kind, bytes(large.kept))
        self._buffer = self._buffer + data if self._buffer else data
        if self.upgraded.done() or self._take_upgrade():
            self._take_frames()

    def send(self, payload: bytes) -> None:
        """Write a data frame."""
        self._transport.write(_header(self._kind, len(payload)) + payload)

    def close(self) -> None:
        """End the connection without the closing handshake."""
        self._transport.abort()

    def _take_upgrade(self) -> bool:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 101"):
            self._end(f"no WebSocket: {head[:200]!r}")
            return False
        self._buffer = rest
        self.upgraded.set_result(None)
        return True

    def _take_frames(self) -> None:
        data, at, size = self._buffer, 0, len(self._buffer)
        while size - at >= 2:
            start, length = at + 2, data[at + 1]
            if length >= 126:
                start += 2 if length == 126 else 8
                if size < start:
                    break
                length = int.from_bytes(data[at + 2 : start])
            if size < start + length:
                if length > KEPT_BYTES:
                    self._large = _LargeFrame(data[at] & 0xF, bytearray(), length)
                    self._large.take(data[start:])
                    at = size
                break
            self._on_frame(data[at] & 0xF, data[start : start + length])
            at = start + length
        self._buffer = data[at:]

    def _on_frame(self, kind: int, payload: bytes) -> None:
        if kind in (_TEXT, _BINARY):
            self._on_payload(payload)
        elif kind == _PING:
            self._transport.write(_header(_PONG, len(payload)) + payload)
        elif kind == _CLOSE:
            self._end(f"closed by the server: {payload!r}")

    def _end(self, reason: str) -> None:
        if not self.upgraded.done():
            self.upgraded.set_exception(ConnectionError(reason))
        self._on_end(reason)


@dataclass(slots=True)
class _LargeFrame:
    """A frame that is still coming."""

    kind: int
    kept: bytearray
    missing: int

    def take(self, data: bytes) -> bytes:
        """Take what belongs to the frame; return the rest."""
        mine, rest = data[: self.missing], data[self.missing :]
        self.missing -= len(mine)
        self.kept += mine[: KEPT_BYTES - len(self.kept)]
        return rest


def _header(kind: int, size: int) -> bytes:
    first = 0x80 | kind
    if size < 126:
        return pack("!BB", first, _MASKED | size) + _NO_MASK
    if size < 1 << 16:
        return pack("!BBH", first, _MASKED | 126, size) + _NO_MASK
    return pack("!BBQ", first, _MASKED | 127, size) + _NO_MASK


def _upgrade_request(host: str, path: str, subprotocol: str) -> bytes:
    key = b64encode(b"0123456789abcdef").decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
