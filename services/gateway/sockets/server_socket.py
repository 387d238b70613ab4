"""A WebSocket whose HTTP is over: frames in and out, and an orderly end (RFC 6455).

aiohttp answers the upgrade. Its server would keep, for as long as a socket is open, the request with
its headers, an HTTP parser, two tasks and their frames, a writer and a timer: most of what an idle connection takes.
See ``docs/adr/0013-a-websocket-without-its-request.md``.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any

from aiohttp import web

from coedit.protocol.frames import close_payload, control_frame
from coedit.protocol.server_session import CloseCode
from services.gateway.limits.addresses import Visit
from services.gateway.limits.pace import Meter
from services.gateway.metrics import CLOSED, TRAFFIC
from services.gateway.sockets.frame_reader import BrokenFrameError, FrameReader, Kind, Message
from services.gateway.sockets.half_received import HalfReceived

_CLOSE_SECONDS = 10.0
"""How long a peer may take to answer a close frame."""
_LINGER_SECONDS = 2.0
"""How long one who broke the protocol is given to read why, while what it still sends is passed over."""
_GOING = 1000
_MOST_UNREAD_BYTES = 64 * 1024
"""So much may come while nobody receives, before nothing more is read."""


class ServerSocket(asyncio.Protocol):
    """One socket. One task receives; `close` is called by that one too."""

    __slots__ = (
        "_arrival",
        "_budget",
        "_drained",
        "_held",
        "_is_closed",
        "_is_crowded_out",
        "_is_over",
        "_is_paused",
        "_kept_bytes",
        "_lingering",
        "_noted_bytes",
        "_reader",
        "_release",
        "_visit",
        "heard_at",
        "is_trusted",
        "meter",
        "pinged_at",
        "transport",
        "untold_seconds",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        most_bytes: int,
        budget: HalfReceived,
        visit: Visit,
        meter: Meter,
    ) -> None:
        self.transport = transport
        self._visit = visit
        self.meter = meter
        """What it has said, and may say."""
        self._held: asyncio.Future[None] | None = None
        """While nothing more is read, since too much came; done when something is again."""
        self._release: asyncio.TimerHandle | None = None
        self.untold_seconds = 0.0
        """For how long it is held up, until somebody has told its client, and sets this to 0."""
        self.is_trusted = False
        """Whether its client has said who it is, and proved it."""
        self.heard_at = time.monotonic()
        """When something came last, by the monotonic clock."""
        self.pinged_at = 0.0
        """When a ping was sent last, by the same."""
        self._reader = FrameReader(most_bytes)
        self._arrival: asyncio.Future[Message | None] | None = None
        """While somebody waits for a message."""
        self._is_paused = False
        self._budget = budget
        self._kept_bytes = 0
        self._noted_bytes = 0
        """What the budget knows."""
        self._is_crowded_out = False
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
        cls,
        request: web.Request,
        protocols: tuple[str, ...],
        most_bytes: int,
        budget: HalfReceived,
        visit: Visit,
        meter: Meter,
    ) -> "ServerSocket":
        """Answer an upgrade, and take the transport over; the handler then returns a `HandedOver`.

        Until `trust`, a message of ``most_bytes`` or more ends the connection with 1009. Frames are not compressed:
        they are shared.

        Raises:
            web.HTTPException: the request asks for no WebSocket, or its client is gone.
        """
        response = _Upgrade(protocols=protocols, compress=False)
        with suppress(ConnectionError):
            await response.prepare(request)
        handler = request.protocol
        transport = handler.transport
        if transport is None or not response.is_answered:
            raise web.HTTPBadRequest(text="the client is gone")
        socket = cls(transport, most_bytes, budget, visit, meter)
        early, handler._message_tail = handler._message_tail, b""  # noqa: SLF001
        transport.set_protocol(socket)
        # To aiohttp the connection is lost; but what it would end with that is ours.
        handler.transport = None
        handler.connection_lost(None)
        transport.resume_reading()  # aiohttp has stopped if much came early
        if early:
            socket.data_received(early)
        return socket

    def trust(self, most_bytes: int) -> None:
        """Take messages of less than ``most_bytes`` from now on: the client has proved who it is."""
        self.is_trusted = True
        self._visit.is_known()
        self._reader.most_bytes = most_bytes

    def ended(self) -> None:
        """Take no place any more; called once, when nobody serves it."""
        self._visit.ended()

    def hold(self, seconds: float) -> None:
        """Read nothing more for so long: what comes waits on the way, and in the end at its client."""
        loop = asyncio.get_running_loop()
        if self._is_closed or self._is_crowded_out:
            return
        if self._release is not None:
            if self._release.when() >= loop.time() + seconds:
                return
            self._release.cancel()
        self._held = self._held or loop.create_future()
        self._release = loop.call_later(seconds, self._let_go)
        self.untold_seconds = seconds
        self._pause_reading()

    @property
    def is_held(self) -> bool:
        """Whether nothing is read at the moment, since too much came."""
        return self._held is not None

    def keeps(self, size_bytes: int) -> None:
        """Take note that so much of what was received waits elsewhere, on behalf of this client."""
        self._kept_bytes = size_bytes
        self._note()

    def crowd_out(self) -> None:
        """Hold nothing more, and end: the process holds too much that is half received."""
        self._is_crowded_out = True
        self._noted_bytes = 0
        self._reader.pass_over()
        self._let_go()
        self._wake(None)

    @property
    def closed(self) -> bool:
        """Whether nothing may be written any more."""
        return self._is_closed

    async def receive(self) -> bytes | str | None:
        """Return the payload of the next message, or None at the end, which has then been answered."""
        while not self._is_closed:
            try:
                message = await self._next()
            except BrokenFrameError as error:
                await self.close(error.close_code, "")
                return None
            if self._is_crowded_out:
                CLOSED.labels(str(int(CloseCode.CROWDED_OUT))).inc()
                await self.close(CloseCode.CROWDED_OUT, "the server holds too much that is half received")
            elif message is None:
                self._end()
            elif message.kind <= Kind.BINARY:
                return message.payload
            elif message.kind is Kind.PING:
                self._write(Kind.PONG, _bytes_of(message))
                await self._until_drained()  # who does not read what it asks for is not heard
            elif message.kind is Kind.CLOSE:
                self._write(Kind.CLOSE, close_payload(_GOING, ""))
                self._end()
        return None

    async def close(self, code: int, reason: str) -> None:
        """Send what was written and a close frame, wait for the peer's, and end the connection."""
        if self._is_closed:
            return
        self._write(Kind.CLOSE, close_payload(code, reason))
        self._is_closed = True
        self._reader.pass_over()
        self._let_go()
        self._note()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._until_drained()
                while (message := await self._next()) is not None and message.kind is not Kind.CLOSE:
                    pass
        except BrokenFrameError:
            await self._linger()
        except TimeoutError:
            pass  # it ends all the same
        finally:
            self._end()

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.pinged_at = time.monotonic()
        self._write(Kind.PING, b"")

    def abort(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in bytes."""
        self.heard_at = time.monotonic()
        TRAFFIC.in_bytes += len(data)
        if self._is_over:
            return
        self._reader.push(data)
        if self._held is None and self._arrival is not None and not self._arrival.done():
            self._deliver(self._arrival)
        elif self._reader.held_bytes > _MOST_UNREAD_BYTES:
            self._pause_reading()
        self._spend(len(data))
        self._note()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that there is nobody any more."""
        self._is_closed = self._is_over = True
        self._reader.drop()
        self._note()
        self._let_go()
        self._wake(None)
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

    async def _next(self) -> Message | None:
        """Return the next message; None: there is none any more, or the socket was crowded out.

        Raises:
            BrokenFrameError: what came is against the protocol.
        """
        while self._held is not None:
            await asyncio.shield(self._held)
        message = self._reader.next()
        if message is None and not self._is_over and not self._must_go:
            self._resume_reading()
            self._arrival = asyncio.get_running_loop().create_future()
            try:
                message = await self._arrival or self._reader.next()
            finally:
                self._arrival = None
        if self._reader.frames:
            self._spend(0)
        self._note()
        return message

    def _deliver(self, arrival: "asyncio.Future[Message | None]") -> None:
        """Give the next message to whoever waits for it."""
        try:
            message = self._reader.next()
        except BrokenFrameError:
            self._wake(None)  # whoever waits finds it as well
        else:
            if message is not None:
                arrival.set_result(message)

    def _spend(self, size_bytes: int) -> None:
        """Take note of the frames that were read, and of what came; whoever sends too much is not read for a while."""
        frames, self._reader.frames = self._reader.frames, 0
        seconds = self.meter.spend(frames, size_bytes, self.heard_at)
        if seconds:
            self.hold(seconds)

    def _let_go(self) -> None:
        """Read on."""
        held, self._held = self._held, None
        if self._release is not None:
            self._release.cancel()
            self._release = None
        if held is None:
            return
        held.set_result(None)
        self.heard_at = time.monotonic()  # it was not listened to
        if self._arrival is not None and not self._arrival.done():
            self._deliver(self._arrival)
            self._resume_reading()

    @property
    def _must_go(self) -> bool:
        return self._is_crowded_out and not self._is_closed

    def _wake(self, message: Message | None) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(message)

    def _note(self) -> None:
        """Tell the budget what is held, where that has changed."""
        held_bytes = (
            0 if self._is_over or self._is_crowded_out else self._reader.held_bytes + self._kept_bytes
        )
        if held_bytes != self._noted_bytes:
            self._noted_bytes = held_bytes
            self._budget.note(self, held_bytes)

    def _pause_reading(self) -> None:
        if not self._is_paused and not self.transport.is_closing():
            self._is_paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
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
        self._resume_reading()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                await self._lingering

    def _end(self) -> None:
        self._is_closed = self._is_over = True
        self._let_go()
        self._reader.drop()
        self._note()
        self.transport.close()

    def _write(self, kind: Kind, payload: bytes) -> None:
        if not self._is_closed and not self.transport.is_closing():
            self.transport.write(control_frame(kind, payload))


class _Upgrade(web.WebSocketResponse):
    """The answer to an upgrade alone: no parser, and no queue of aiohttp's."""

    is_answered = False

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: Any) -> None:
        self.is_answered = True


class HandedOver(web.StreamResponse):
    """What a handler returns that has taken the connection over: aiohttp sends nothing."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send nothing."""

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Send nothing."""


def _bytes_of(message: Message) -> bytes:
    payload = message.payload
    return payload if isinstance(payload, bytes) else payload.encode()
