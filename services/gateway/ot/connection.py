"""One client's WebSocket: its frames in, its frames out, and what it has open.

Whatever a client sends ends in an answer to that client; nothing here raises into another connection.
"""

import asyncio
import logging
import math
from collections import Counter as Counts
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from prometheus_client import Counter

from coedit.errors import CoeditError, DeletedError, LimitedError
from coedit.identifiers import AuthorId, DocumentId
from coedit.protocol.codec import Codec
from coedit.protocol.frames import encode_frame
from coedit.protocol.messages import ClientMessage, Hello, error_message
from coedit.protocol.server_session import CloseCode, Refusal, ServerSession, close_code_of
from coedit.protocol.tokens import Identity
from services.gateway.documents.subscription import Subscription
from services.gateway.metrics import ERRORS, RECEIVED, WELCOME_SECONDS
from services.gateway.ot.catchup import CatchUp, Source
from services.gateway.settings import GatewaySettings
from services.gateway.sockets.server_socket import ServerSocket
from services.gateway.sockets.wire import Wire
from services.gateway.traces import now_ns

logger = logging.getLogger(__name__)

_OFFERS_A_RECALL = 64
_LARGE_FRAME_BYTES = 32 * 1024
"""Read in some milliseconds, where it is made of many small values."""
_OFFERED_WEIGHT = 32 * 1024 * 1024
"""What the offers of a recall may weigh together (see `Delta.weight`); clients keep about 4 MiB."""


@dataclass(slots=True)
class Recalled:
    """What a client may still give back of a document."""

    above: int
    """Only of revisions above this one: the server has the others."""
    offers: int = _OFFERS_A_RECALL
    weight: int = _OFFERED_WEIGHT


class Desk(Protocol):
    """What a connection asks of its gateway."""

    @property
    def missed(self) -> Source:
        """Where what a client missed is read."""

    async def welcome(self, connection: "Connection", hello: Hello) -> None:
        """Answer a hello; sets the connection's identity and client id."""

    async def handle(self, connection: "Connection", message: ClientMessage) -> None:
        """Answer any other message."""

    async def leave(self, connection: "Connection", document_id: DocumentId) -> None:
        """Give up an open document."""

    async def settle_rights(self, connection: "Connection", document_id: DocumentId | None) -> bool:
        """Find out anew what a client may do with a document, or with all; return whether that could be found out."""

    def gone(self, connection: "Connection") -> None:
        """Forget a connection that has ended."""


class Connection(Wire):
    """A client's connection; satisfies `services.gateway.documents.subscription.Outlet`."""

    __slots__ = (
        "_catch_up",
        "_desk",
        "_refused",
        "_settings",
        "codec",
        "given",
        "identity",
        "is_resumed",
        "opens",
        "recalled",
        "received_ns",
        "session",
        "subscriptions",
    )

    door = "v1"

    def __init__(self, socket: ServerSocket, codec: Codec, settings: GatewaySettings):
        super().__init__(socket, settings.gateway_buffer_bytes)
        self.codec = codec
        self.identity: Identity | None = None
        self.is_resumed = False
        """Whether the client was here before."""
        self.session = ServerSession(codec, settings.gateway_open_documents, settings.gateway_frame_bytes)
        self.subscriptions: dict[DocumentId, Subscription] = {}
        self.opens: dict[DocumentId, asyncio.Task[None]] = {}
        """The openings under way."""
        self.recalled: dict[DocumentId, Recalled] = {}
        """What of each document the client was asked for."""
        self.given: frozenset[tuple[DocumentId, str]] = frozenset()
        """The macs of documents' histories that the client gave something to go on from."""
        self.received_ns = 0
        """When the message came that is being answered, since 1970; 0: nothing is traced."""
        self._settings = settings
        self._desk: Desk | None = None
        self._catch_up: CatchUp | None = None
        """While something has to be caught up."""
        self._refused: Counts[str] | None = None
        """How many messages were refused, by code."""

    async def run(self, desk: Desk) -> None:
        """Serve the connection until either side ends it."""
        self._desk = desk
        try:
            if not await self._greet(desk):
                return
            while not self._is_closing and (payload := await self.next_frame()) is not None:
                await self._answer(desk, payload)
        except Exception as error:
            logger.exception(
                "a defect in a connection", extra={"event": "defect", "client_id": self.client_id}
            )
            self.close(CloseCode.INTERNAL, repr(type(error)))
        finally:
            try:
                await self.say_goodbye()
                await self._give_up(desk)
            finally:
                desk.gone(self)

    def identify(self, identity: Identity) -> None:
        """Take note who the client is, and until when its token says so."""
        self.identity = identity
        self.lasts_until(identity.expires_at)

    def is_concerned(self, author: AuthorId | None, document_id: DocumentId | None) -> bool:
        """Return whether this document is open here, or being opened, as this author; None: any."""
        if self.identity is None or author not in (None, self.identity.author):
            return False
        return document_id is None or document_id in self.subscriptions or document_id in self.opens

    def who(self) -> tuple[list[str], list[str]]:
        """Return as whom the client is here, and what it has open or is opening."""
        authors = [] if self.identity is None else [str(self.identity.author)]
        return authors, [*map(str, self.subscriptions.keys() | self.opens.keys())]

    async def settle_rights(self, _: AuthorId | None, document_id: DocumentId | None) -> bool:
        """Find out anew what may be done with what is open; return whether that could be found out for all of it."""
        return self._desk is None or await self._desk.settle_rights(self, document_id)

    async def leave_deleted(self, document_id: DocumentId) -> None:
        """Give up a document that was deleted, and of which it has been told so; who opens it is told anyway."""
        if self._desk is not None and document_id in self.subscriptions:
            await self._desk.leave(self, document_id)

    def send(self, message: dict[str, Any]) -> None:
        """Encode and write a message; never waits."""
        self.write_frame(encode_frame(self.codec, self.codec.encode(message)))

    def send_error(
        self, error: CoeditError, document: str | None = None, sequence: int | None = None
    ) -> None:
        """Tell the client of an error, with its document and sequence where known."""
        ERRORS.labels(error.code).inc()
        self.send(error_message(error, document, sequence))

    def held_up(self, seconds: float) -> None:
        """Tell the client that nothing is read for so long."""
        error = LimitedError("too much came; nothing more is read for a while", math.ceil(seconds))
        self.send_error(error)

    def left_behind(self, subscription: Subscription) -> None:
        """Catch a subscription up when the connection has drained."""
        self._catching_up().add(subscription)

    def refresh_roster(self, subscription: Subscription) -> None:
        """Send the whole roster again."""
        self._catching_up().add_roster(subscription)

    def caught_up(self) -> None:
        """Take note that nothing is left to be caught up."""
        self._catch_up = None

    def leave_off(self, subscription: Subscription) -> None:
        """Catch a subscription up no more."""
        if self._catch_up is not None:
            self._catch_up.remove(subscription)

    def replaced(self) -> None:
        """Close: the same client goes on over another connection, of this gateway or of another."""
        self.close(CloseCode.REPLACED, "the same client came in on a newer connection")

    def recall(self, message: dict[str, Any]) -> None:
        """Ask the client for commits that Redis lost; so much is taken."""
        self.recalled[DocumentId(message["document"])] = Recalled(message["revision"])
        self.send(message)

    def drop(self, subscription: Subscription, error: CoeditError) -> None:
        """End a subscription; its client is told why, and may open the document again."""
        subscription.is_live = False
        subscription.access = "read"  # a message may be read already
        self.leave_off(subscription)
        if self.subscriptions.get(subscription.document_id) is subscription:
            self.session.closed(subscription.document_id)
            self.send_error(error, subscription.document_id)
            if isinstance(error, DeletedError) and not (self.session.open or self.session.opening):
                self.close(CloseCode.DELETED, error.code)  # there is nothing else that it is here for

    def _catching_up(self) -> CatchUp:
        if self._catch_up is None:
            assert self._desk is not None  # noqa: S101 - nothing is open before `run`
            self._catch_up = CatchUp(self, self._desk.missed, self._settings)
        return self._catch_up

    async def _greet(self, desk: Desk) -> bool:
        try:
            async with asyncio.timeout(self._settings.gateway_hello_seconds):
                payload = await self.next_frame()
        except TimeoutError:
            self.close(CloseCode.NO_HELLO, "no hello")
            return False
        return payload is not None and await self._welcome(desk, payload)

    async def _welcome(self, desk: Desk, payload: bytes | str) -> bool:
        try:
            message = self.session.receive(payload)
            assert isinstance(message, Hello)  # noqa: S101 - the session lets nothing else through before the welcome
            with WELCOME_SECONDS.time():
                await desk.welcome(self, message)
        except Refusal as refusal:
            await self._refuse(refusal)
            return False
        except CoeditError as error:
            self.send_error(error)
            self.close(close_code_of(error) if error.retryable else CloseCode.UNAUTHORIZED, error.code)
            return False
        self.session.welcomed()
        self.trust(4 * self._settings.gateway_frame_bytes)
        return True

    async def _answer(self, desk: Desk, payload: bytes | str) -> None:
        self.received_ns = now_ns()
        try:
            message = await self._parsed(payload)
            _received(message.type).inc()
            await desk.handle(self, message)
        except Refusal as refusal:
            await self._refuse(refusal)

    async def _parsed(self, payload: bytes | str) -> ClientMessage:
        """Return the message in a frame; a large one is read in a thread, so that nobody else waits for it."""
        if len(payload) <= _LARGE_FRAME_BYTES:
            return self.session.receive(payload)
        return await asyncio.to_thread(self.session.receive, payload)

    async def _refuse(self, refusal: Refusal) -> None:
        code = refusal.error.code
        if self._refused is None:
            self._refused = Counts()
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

    async def _give_up(self, desk: Desk) -> None:
        self.finish()
        if self._refused is not None and self._refused.total() > len(self._refused):
            facts = {"event": "refused", "counts": dict(self._refused), "client_id": self.client_id}
            logger.info("messages refused on a connection", extra=facts)
        if self._catch_up is not None:
            self._catch_up.stop()
        for document_id in [*self.opens, *self.subscriptions]:
            await desk.leave(self, document_id)


@cache
def _received(message_type: str) -> Counter:
    """Return the counter of one type of messages, of which there are few; looking it up takes a lock and a format."""
    return RECEIVED.labels(message_type)
