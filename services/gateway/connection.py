"""One client's WebSocket: its frames in, its frames out, and what it has open.

Whatever a client sends ends in an answer to that client; nothing here raises into another connection.
"""

import asyncio
import logging
from collections import Counter as Counts
from functools import cache
from typing import Any, Protocol

from aiohttp import WSMsgType, web
from prometheus_client import Counter

from coedit.errors import CoeditError, InternalError, UnavailableError
from coedit.identifiers import ClientId, DocumentId
from coedit.protocol.codec import Codec
from coedit.protocol.frames import encode_frame
from coedit.protocol.messages import ClientMessage, Hello, error_message
from coedit.protocol.server_session import CloseCode, Refusal, ServerSession
from coedit.protocol.tokens import Identity
from coedit.store.redis_connection import TROUBLE
from services.gateway.catchup import CatchUp
from services.gateway.metrics import CLOSED, ERRORS, RECEIVED
from services.gateway.settings import GatewaySettings
from services.gateway.subscription import Subscription

logger = logging.getLogger(__name__)

_LONGEST_SECONDS = 30 * 86400.0
_CLOSE_SECONDS = 2.0
_SLOW_CLOSE_SECONDS = 5.0
_OFFERS_A_RECALL = 64
_HARD_BUFFER_FACTOR = 16
"""Small answers go out up to this many times the buffer; whoever still does not read is dropped."""


class Desk(Protocol):
    """What a connection asks of its gateway."""

    async def welcome(self, connection: "Connection", hello: Hello) -> None:
        """Answer a hello; sets the connection's identity and client id."""

    async def handle(self, connection: "Connection", message: ClientMessage) -> None:
        """Answer any other message."""

    async def leave(self, connection: "Connection", document_id: DocumentId) -> None:
        """Give up an open document."""


class Connection:
    """A client's connection; satisfies `services.gateway.subscription.Outlet`."""

    def __init__(
        self, socket: web.WebSocketResponse, request: web.Request, codec: Codec, settings: GatewaySettings
    ):
        self.codec = codec
        self.identity: Identity | None = None
        self.client_id: ClientId | None = None
        self.is_resumed = False
        """Whether the client was here before."""
        self.session = ServerSession(codec, settings.gateway_open_documents, settings.gateway_frame_bytes)
        self.subscriptions: dict[DocumentId, Subscription] = {}
        self.opens: dict[DocumentId, asyncio.Task[None]] = {}
        """The openings under way."""
        self.offers_left: dict[DocumentId, int] = {}
        """How many offers of each document the client may still send: it was asked for them."""
        self.given: set[tuple[DocumentId, str]] = set()
        """The macs of documents' histories that the client gave something to go on from."""
        self.catch_up = CatchUp(self, settings)
        self._socket = socket
        # aiohttp's own writer goes through the same transport; every write is a whole frame.
        self._transport: asyncio.WriteTransport | None = request.transport
        self._buffer_bytes = settings.gateway_buffer_bytes
        self._hello_seconds = settings.gateway_hello_seconds
        self._refused = Counts[str]()
        """How many messages were refused, by code."""
        self._is_closing = False
        self._goodbye: tuple[CloseCode, str] | None = None
        self._end: asyncio.TimerHandle | None = None
        self._receiver: asyncio.Task[None] | None = None
        """The task of `run`, while it waits for a frame."""
        self.ended = asyncio.Event()
        """Set when the connection has been given up."""

    async def run(self, desk: Desk) -> None:
        """Serve the connection until either side ends it."""
        try:
            if not await self._greet(desk):
                return
            while not self._is_closing and (payload := await self._next()) is not None:
                await self._answer(desk, payload)
        except Exception as error:
            logger.exception(
                "a defect in a connection", extra={"event": "defect", "client_id": self.client_id}
            )
            self.close(CloseCode.INTERNAL, repr(type(error)))
        finally:
            await self._say_goodbye()
            await self._give_up(desk)
            self.ended.set()

    def send(self, message: dict[str, Any]) -> None:
        """Encode and write a message; never waits."""
        self.write_frame(encode_frame(self.codec, self.codec.encode(message)))

    def send_error(
        self, error: CoeditError, document: str | None = None, sequence: int | None = None
    ) -> None:
        """Tell the client of an error, with its document and sequence where known."""
        ERRORS.labels(error.code).inc()
        self.send(error_message(error, document, sequence))

    def write_frame(self, frame: bytes) -> bool:
        """Write a whole frame; never waits. A client that has not read for long is dropped.

        Return whether the connection takes more.
        """
        transport = self._transport
        if self._is_closing or transport is None or self._socket.closed or transport.is_closing():
            return True  # after a close frame nothing more is written, and nothing piles up
        buffered = transport.get_write_buffer_size()
        if buffered > self._buffer_bytes * _HARD_BUFFER_FACTOR:
            self.drop_slow()
            return False
        transport.write(frame)
        return buffered + len(frame) <= self._buffer_bytes

    def takes_more(self) -> bool:
        """Return whether the connection has drained enough to be written to."""
        return self.buffered_bytes <= self._buffer_bytes

    @property
    def buffered_bytes(self) -> int:
        """What was written and is not yet taken by the network."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._is_closing or self._socket.closed

    def left_behind(self, subscription: Subscription) -> None:
        """Catch a subscription up when the connection has drained."""
        self.catch_up.add(subscription)

    def refresh_roster(self, subscription: Subscription) -> None:
        """Send the whole roster again."""
        self.catch_up.add_roster(subscription)

    def replaced(self) -> None:
        """Close: the same client goes on over another connection, of this gateway or of another."""
        self.close(CloseCode.REPLACED, "the same client came in on a newer connection")

    def recall(self, message: dict[str, Any]) -> None:
        """Ask the client for commits that Redis lost; so many offers are taken."""
        self.offers_left[DocumentId(message["document"])] = _OFFERS_A_RECALL
        self.send(message)

    def drop(self, subscription: Subscription, error: CoeditError) -> None:
        """End a subscription; its client is told why, and may open the document again."""
        subscription.is_live = False
        self.catch_up.remove(subscription)
        if self.subscriptions.get(subscription.document_id) is subscription:
            self.session.closed(subscription.document_id)
            self.send_error(error, subscription.document_id)

    def close(self, code: CloseCode, reason: str) -> None:
        """Send nothing more but a close frame; `run` sends it, waits for the peer's within a bound, and ends."""
        if self.is_closed:
            return
        self._is_closing = True
        self._goodbye = (code, reason)
        CLOSED.labels(str(int(code))).inc()
        facts = {"event": "close", "close_code": int(code), "reason": reason, "client_id": self.client_id}
        logger.info("connection closed by the gateway", extra=facts)
        if self._receiver is not None:
            self._receiver.cancel()

    def end_in(self, seconds: float, code: CloseCode, reason: str) -> None:
        """Close the connection after so long, if it is still there."""
        # A loop cannot wait for more than some weeks at once; whoever stays that long is asked to come again.
        delay_seconds = min(max(seconds, 0.0), _LONGEST_SECONDS)
        self._end = asyncio.get_running_loop().call_later(delay_seconds, self.close, code, reason)

    def drop_slow(self) -> None:
        """End the connection of a client that does not read: it has some seconds to take what was written, and why."""
        self.close(CloseCode.TOO_SLOW, "reads too slowly")

    async def _greet(self, desk: Desk) -> bool:
        try:
            async with asyncio.timeout(self._hello_seconds):
                payload = await self._next()
        except TimeoutError:
            self.close(CloseCode.NO_HELLO, "no hello")
            return False
        return payload is not None and await self._welcome(desk, payload)

    async def _welcome(self, desk: Desk, payload: bytes | str) -> bool:
        try:
            message = self.session.receive(payload)
            assert isinstance(message, Hello)  # noqa: S101 - the session lets nothing else through before the welcome
            await desk.welcome(self, message)
        except Refusal as refusal:
            await self._refuse(refusal)
            return False
        except CoeditError as error:
            self.send_error(error)
            self.close(CloseCode.UNAUTHORIZED, error.code)
            return False
        self.session.welcomed()
        return True

    async def _answer(self, desk: Desk, payload: bytes | str) -> None:
        try:
            message = self.session.receive(payload)
            _received(message.type).inc()
            await desk.handle(self, message)
        except Refusal as refusal:
            await self._refuse(refusal)

    async def _refuse(self, refusal: Refusal) -> None:
        code = refusal.error.code
        if code not in self._refused:  # a flood is one line, and its count when the connection ends
            facts = {"event": "refuse", "code": code, "client_id": self.client_id}
            logger.info("message refused", extra=facts | {"error": str(refusal.error)[:200]})
        self._refused[code] += 1
        self.send_error(refusal.error, refusal.document, refusal.client_sequence)
        subscription = self.subscriptions.get(DocumentId(refusal.document or ""))
        if subscription is not None and refusal.client_sequence is not None and refusal.error.definite:
            subscription.rejected = True
        if refusal.close_code is not None:
            self.close(refusal.close_code, code)

    async def _next(self) -> bytes | str | None:
        """Return the next frame's payload, or None when the connection has ended or is to end."""
        self._receiver = asyncio.current_task()
        try:
            message = await self._socket.receive()
        except ConnectionError:  # gone while its ping was answered
            return None
        except asyncio.CancelledError:
            # Cancelled by `close` alone, or by somebody else as well?
            if self._goodbye is None or self._receiver is None or self._receiver.uncancel():
                raise
            return None
        finally:
            self._receiver = None
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            payload: bytes | str = message.data
            return payload
        return None

    async def _say_goodbye(self) -> None:
        """Send the close frame that `close` asked for.

        In the task that receives: closed from any other, aiohttp does not wait for the peer's answer, and a peer
        whose answer meets a closed socket may never get to read why.
        """
        if self._goodbye is None:
            return
        code, reason = self._goodbye
        seconds = _SLOW_CLOSE_SECONDS if code is CloseCode.TOO_SLOW else _CLOSE_SECONDS
        try:
            # It waits until what was written has drained, which with a peer that is gone may take for ever.
            async with asyncio.timeout(seconds):
                await self._socket.close(code=code, message=reason.encode()[:120])
        except TimeoutError:
            if self._transport is not None:
                self._transport.abort()

    async def _give_up(self, desk: Desk) -> None:
        self._is_closing = True
        if self._refused.total() > len(self._refused):
            facts = {"event": "refused", "counts": dict(self._refused), "client_id": self.client_id}
            logger.info("messages refused on a connection", extra=facts)
        if self._end is not None:
            self._end.cancel()
        self.catch_up.stop()
        for document_id in [*self.opens, *self.subscriptions]:
            await desk.leave(self, document_id)


def as_answer(error: BaseException) -> CoeditError:
    """Return what a client is told of any error."""
    if isinstance(error, CoeditError):
        return error
    if isinstance(error, TROUBLE):
        return UnavailableError("a store cannot be reached at the moment; try again in a while")
    return InternalError("a defect of the server; it is logged there")


@cache
def _received(message_type: str) -> Counter:
    """Return the counter of one type of messages, of which there are few; looking it up takes a lock and a format."""
    return RECEIVED.labels(message_type)
