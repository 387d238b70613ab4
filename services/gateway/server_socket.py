"""A WebSocket whose HTTP is over: frames in and out, and an orderly end (RFC 6455).

aiohttp answers the upgrade and parses frames. Its server would keep, for as long as a socket is open, the request with
its headers, an HTTP parser, two tasks and their frames, a writer and a timer: most of what an idle connection takes.
See ``docs/adr/0013-a-websocket-without-its-request.md``.
"""

import asyncio
import time
from contextlib import suppress
from struct import pack
from typing import Any, cast

from aiohttp import EofStream, WebSocketError, WSMsgType, web

from coedit.protocol.frames import close_payload, control_frame

_CLOSE_SECONDS = 10.0
"""How long a peer may take to answer a close frame."""
_LINGER_SECONDS = 2.0
"""How long one who broke the protocol is given to read why, while what it still sends is passed over."""
_GOING = 1000


class ServerSocket(asyncio.Protocol):
    """One socket. One task receives; `close` is called by that one too."""

    __slots__ = (
        "_drained",
        "_is_closed",
        "_is_over",
        "_lingering",
        "_parser",
        "_queue",
        "_reading_paused",
        "heard_at",
        "pinged_at",
        "transport",
    )

    def __init__(self, transport: asyncio.Transport, queue: Any, parser: Any) -> None:
        self.transport = transport
        self.heard_at = time.monotonic()
        """When something came last, by the monotonic clock."""
        self.pinged_at = 0.0
        """When a ping was sent last, by the same."""
        self._queue = queue
        self._parser = parser
        self._reading_paused = False  # the queue looks at it
        self._drained: asyncio.Future[None] | None = None
        """While the transport has too much to write; who waits for it not to waits for this."""
        self._lingering: asyncio.Future[None] | None = None
        """Done when the peer has hung up, while that is waited for."""
        self._is_closed = False
        """Whether a close frame was sent, or there is nobody to send one to."""
        self._is_over = False
        """Whether what comes is not heard any more."""

    @classmethod
    async def accept(
        cls, request: web.Request, protocols: tuple[str, ...], most_bytes: int
    ) -> "ServerSocket":
        """Answer an upgrade, and take the transport over; the handler then returns a `HandedOver`.

        A message above ``most_bytes`` ends the connection with 1009. Frames are not compressed: they are shared.

        Raises:
            web.HTTPException: the request asks for no WebSocket, or its client is gone.
        """
        response = web.WebSocketResponse(protocols=protocols, compress=False, max_msg_size=most_bytes)
        with suppress(ConnectionError):
            await response.prepare(request)
        handler, queue, parser = request.protocol, response._reader, response._parser  # noqa: SLF001
        transport = handler.transport
        if transport is None or queue is None:
            raise web.HTTPBadRequest(text="the client is gone")
        socket = cls(transport, queue, parser)
        queue._protocol = cast("Any", socket)  # noqa: SLF001
        transport.set_protocol(socket)
        # To aiohttp the connection is lost; but what it would end with that is ours.
        handler._payload_parser = handler.transport = None  # noqa: SLF001
        handler.connection_lost(None)
        return socket

    @property
    def closed(self) -> bool:
        """Whether nothing may be written any more."""
        return self._is_closed

    async def receive(self) -> bytes | str | None:
        """Return the payload of the next message, or None at the end, which has then been answered."""
        while not self._is_closed:
            try:
                message = await self._queue.read()
            except EofStream:
                self._end()
                return None
            except WebSocketError as error:
                await self.close(error.code, "")
                return None
            if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
                payload: bytes | str = message.data
                return payload
            if message.type is WSMsgType.PING:
                self._write(WSMsgType.PONG, message.data)
                await self._until_drained()  # who does not read what it asks for is not heard
            elif message.type is WSMsgType.CLOSE:
                self._write(WSMsgType.CLOSE, pack("!H", _GOING))
                self._end()
        return None

    async def close(self, code: int, reason: str) -> None:
        """Send what was written and a close frame, wait for the peer's, and end the connection."""
        if self._is_closed:
            return
        self._write(WSMsgType.CLOSE, close_payload(code, reason))
        self._is_closed = True
        try:
            await self._until_drained()
            async with asyncio.timeout(_CLOSE_SECONDS):
                while (await self._queue.read()).type is not WSMsgType.CLOSE:
                    pass
        except WebSocketError:
            await self._linger()
        except (EofStream, TimeoutError):
            pass  # it ends all the same
        finally:
            self._end()

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.pinged_at = time.monotonic()
        self._write(WSMsgType.PING, b"")

    def abort(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in bytes."""
        self.heard_at = time.monotonic()
        if not self._is_over:
            self._is_over, _ = self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that there is nobody any more."""
        self._is_closed = self._is_over = True
        self._queue.feed_eof()
        self.resume_writing()
        if self._lingering is not None and not self._lingering.done():
            self._lingering.set_result(None)

    def pause_writing(self) -> None:
        """Take note that the transport has too much to write."""
        self._drained = self._drained or asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Take note that it has not any more."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def pause_reading(self) -> None:
        """Read no more for now: too much has come that nobody has received; called by the queue, as is the next."""
        self._reading_paused = True
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._reading_paused = False
        if not self.transport.is_closing():
            self.transport.resume_reading()

    async def _until_drained(self) -> None:
        if self._drained is not None:
            await asyncio.shield(self._drained)

    async def _linger(self) -> None:
        """Let a peer that is still sending hang up: at a closed socket a reset would overtake the close frame."""
        if self.transport.is_closing():
            return
        self._is_over = True
        self._lingering = asyncio.get_running_loop().create_future()
        self.transport.write_eof()
        self.resume_reading()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                await self._lingering

    def _end(self) -> None:
        self._is_closed = self._is_over = True
        self.transport.close()

    def _write(self, kind: WSMsgType, payload: bytes) -> None:
        if not self._is_closed and not self.transport.is_closing():
            self.transport.write(control_frame(kind.value, payload))


class HandedOver(web.StreamResponse):
    """What a handler returns that has taken the connection over: aiohttp sends nothing."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send nothing."""

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Send nothing."""
