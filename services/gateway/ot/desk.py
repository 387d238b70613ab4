"""Answers what clients say: welcome, open, submit, presence, close."""

import asyncio
import logging
import secrets
import time
from importlib.metadata import version
from typing import Any

from coedit.errors import (
    CoeditError,
    DamagedError,
    ForbiddenError,
    FutureRevisionError,
    QuarantinedError,
    SequenceError,
    TooLargeError,
    UnavailableError,
    UnexpectedMessageError,
)
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Submission
from coedit.ot.wire import MAX_OPS, MAX_VALUES
from coedit.presence.roster import Presence as PresenceOf
from coedit.presence.roster import presence_fields
from coedit.protocol.messages import (
    ClientMessage,
    Close,
    Hello,
    Offer,
    Open,
    Presence,
    Submit,
)
from coedit.protocol.server_session import CloseCode
from coedit.protocol.tokens import Identity, make_resume_token
from coedit.runtime.said import named
from coedit.store.presence.store import PresenceStore
from services.gateway.access.access import Access
from services.gateway.documents.answers import as_answer
from services.gateway.documents.hub import Hub
from services.gateway.documents.open_document import BehindClientError, OpenDocument
from services.gateway.documents.subscription import Subscription
from services.gateway.metrics import OPEN_SECONDS
from services.gateway.ot.connection import Connection
from services.gateway.ot.give_back import GiveBack
from services.gateway.redis.presences import Presences
from services.gateway.redis.submit import Submitter
from services.gateway.settings import GatewaySettings
from services.gateway.sockets.turns import Turns

logger = logging.getLogger(__name__)

_ROSTER_ATTEMPTS = 10
_LOOK_AGAIN_SECONDS = 0.005


class GatewayDesk:
    """What one gateway does for its connections."""

    def __init__(
        self,
        settings: GatewaySettings,
        access: Access,
        hub: Hub,
        submitter: Submitter,
        presences: Presences,
        rosters: PresenceStore,
        give_back: GiveBack,
    ) -> None:
        self._settings = settings
        self._access = access
        self._hub = hub
        self._submitter = submitter
        self._presences = presences
        self._rosters = rosters
        self._give_back = give_back
        self._version = version("coedit")
        self._secret = settings.secret.get_secret_value()
        self._clients: dict[ClientId, Connection] = {}
        self._open: dict[Subscription, OpenDocument] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._is_draining = False
        self.turns = Turns()

    async def drain(self) -> None:
        """Take no more submissions; return when those that were taken are answered.

        What comes now gets no answer here: its client sends it again, to another gateway.
        """
        self._is_draining = True
        await self._submitter.drain()
        while any(subscription.in_flight is not None for subscription in self._open):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def welcome(self, connection: Connection, hello: Hello) -> None:
        """Answer a hello.

        Raises:
            UnauthorizedError: the token or the resume token does not hold.
        """
        identity = self._access.identify(hello.token, hello.author)
        client_id = self._client_id(identity, hello.client_id, hello.resume_token)
        before = self._clients.get(client_id)
        self._clients[client_id] = connection
        if before is not None:
            before.replaced()
        connection.identity, connection.client_id = identity, client_id
        connection.is_resumed = hello.client_id is not None
        if identity.expires_at is not None:
            connection.end_in(
                identity.expires_at - time.time(), CloseCode.UNAUTHORIZED, "the token has expired"
            )
        connection.send(self._welcome_message(identity, client_id))

    async def handle(self, connection: Connection, message: ClientMessage) -> None:
        """Answer any message after the hello."""
        match message:
            case Open():
                # A document that is opened again, or was dropped as diverged, is given up first.
                document_id = DocumentId(message.document)
                await self._end(connection, document_id)
                task = asyncio.get_running_loop().create_task(self._open_document(connection, message))
                connection.opens[document_id] = task
                task.add_done_callback(lambda done: _forget(connection.opens, document_id, done))
            case Submit():
                self._submit(connection, message)
            case Offer():
                await self._give_back.take(connection, message)
            case Presence():
                self._say(connection, message)
            case Close():
                await self.leave(connection, DocumentId(message.document))

    async def leave(self, connection: Connection, document_id: DocumentId) -> None:
        """Give up a document that is open, or being opened."""
        await self._end(connection, document_id)
        connection.session.closed(document_id)

    async def _end(self, connection: Connection, document_id: DocumentId) -> None:
        opening = connection.opens.pop(document_id, None)
        if opening is not None:
            opening.cancel()
            await asyncio.wait({opening})
        subscription = connection.subscriptions.pop(document_id, None)
        if subscription is None:
            return
        connection.leave_off(subscription)
        document = self._open.pop(subscription)
        self._hub.release(document, subscription)
        if not document.feed.of_client(subscription.client_id):
            await self._presences.leave(subscription.client_id, document_id)

    def gone(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        if connection.client_id is not None and self._clients.get(connection.client_id) is connection:
            del self._clients[connection.client_id]

    async def _open_document(self, connection: Connection, message: Open) -> None:
        document_id = DocumentId(message.document)
        started = time.perf_counter()
        document = self._hub.get(document_id)
        try:
            subscription, answer = await self._join(connection, document, message)
        except asyncio.CancelledError:
            self._hub.release(document)
            raise
        except Exception as error:
            if not isinstance(error, CoeditError):
                facts = {"event": "open-error", "document_id": document_id, "error": named(error)}
                logger.warning("a document could not be opened", extra=facts, exc_info=error)
            connection.session.closed(document_id)
            connection.send_error(as_answer(error), document_id)
            self._hub.release(document)
            return
        connection.subscriptions[document_id] = subscription
        self._open[subscription] = document
        connection.session.opened(document_id)
        connection.send(answer)
        document.join(subscription, answer["revision"])
        OPEN_SECONDS.observe(time.perf_counter() - started)

    async def _join(
        self, connection: Connection, document: OpenDocument, message: Open
    ) -> tuple[Subscription, dict[str, Any]]:
        identity = connection.identity
        assert identity is not None  # noqa: S101 - the session lets no open through before the welcome
        document_id = DocumentId(message.document)
        right = identity.right(document_id)
        client_id = self._document_client(connection, identity, message)
        answer: dict[str, Any] = {
            "type": "opened",
            "document": document_id,
            "client_id": client_id,
            "resume_token": make_resume_token(self._secret, client_id, identity.author),
            "access": right,
            "author": identity.author,
        }
        subscription = Subscription(connection, document_id, client_id, right, self._settings.durability)
        if not message.renew and (connection.is_resumed or message.client_id is not None):
            subscription.opened_us = await document.now_us()
        await document.look_for_damage()
        if message.epoch is not None and message.revision is not None and message.mac is not None:
            held = message.epoch, Revision(message.revision), message.mac
            epoch = await self._check_held(connection, document, held)
            answer |= {"epoch": epoch, "revision": message.revision, "mac": message.mac, "mode": "resumed"}
        else:
            content = await document.content()
            subscription.parts = list(content.parts)
            answer |= {"epoch": content.epoch, "revision": content.revision, "mac": content.mac}
            answer |= content.answer()
        if document.feed.lost is not None:
            answer["lost"] = {"first": document.feed.lost[0], "last": document.feed.lost[1]}
        if document.damage:
            subscription.access, subscription.is_damaged = "read", True
            answer |= {"access": "read", "damaged": True}
        return subscription, answer | {
            "head": document.feed.head,
            "snapshot_revision": document.feed.snapshot_revision,
        }

    async def _check_held(
        self, connection: Connection, document: OpenDocument, held: tuple[int, Revision, str]
    ) -> int:
        """Return the epoch in which a client can go on from what it holds, or keep it while ours is damaged.

        Raises:
            DivergedError: it holds another history.
        """
        try:
            if not document.damage:
                return (await document.check_held(*held)).epoch
        except BehindClientError as behind:
            return (await self._give_back.ask(connection, document, behind.place, held)).epoch
        except DamagedError as error:
            await document.found(error)
        return held[0]

    def _document_client(self, connection: Connection, identity: Identity, message: Open) -> ClientId:
        if message.renew:
            return _new_client_id()
        if message.client_id is not None:
            return self._client_id(identity, message.client_id, message.resume_token)
        assert connection.client_id is not None  # noqa: S101 - set by the welcome
        return connection.client_id

    def _client_id(self, identity: Identity, client_id: str | None, resume_token: str | None) -> ClientId:
        if client_id is None or resume_token is None:
            return _new_client_id()
        self._access.check_resume(ClientId(client_id), identity.author, resume_token)
        return ClientId(client_id)

    def _submit(self, connection: Connection, message: Submit) -> None:
        if self._is_draining:
            return
        document_id = DocumentId(message.document)
        subscription = connection.subscriptions[document_id]
        sequence = message.client_sequence

        def on_error(error: CoeditError) -> None:
            subscription.answered(sequence)
            connection.send_error(error, document_id, sequence)

        try:
            _check_submit(subscription, message)
            if message.epoch != self._open[subscription].feed.epoch:
                # Opened just before that began: it would never hear of it.
                error = UnavailableError("the document is in another epoch: open it again")
                connection.drop(subscription, error)
                return
            if self._open[subscription].is_behind:
                raise UnavailableError("the document is being restored; send again in a while")
            submission = self._submission(connection, subscription, message)
            self._submitter.submit(document_id, submission, on_error)
            # What was acked before it came again, as where the two crossed on the way, is not waited for.
            subscription.in_flight = sequence if sequence > subscription.acked else None
            self._announce(subscription)
        except CoeditError as error:
            on_error(error)

    def _announce(self, subscription: Subscription) -> None:
        """At the first submission of a client that came back, tell of it.

        Not before: a connection that is dead may still be opened, by a gateway that was asleep, and submits nothing.
        """
        if subscription.opened_us and not subscription.is_announced:
            subscription.is_announced = True
            document = self._open[subscription]
            telling = document.announce(subscription.client_id, subscription.opened_us)
            task = asyncio.get_running_loop().create_task(telling)
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def _submission(self, connection: Connection, subscription: Subscription, message: Submit) -> Submission:
        assert connection.identity is not None  # noqa: S101 - set by the welcome
        return Submission(
            subscription.client_id,
            ClientSequence(message.client_sequence),
            connection.identity.author,
            message.epoch,
            Revision(message.base_revision),
            message.delta,
            message.caret,
        )

    def _say(self, connection: Connection, message: Presence) -> None:
        document_id = DocumentId(message.document)
        subscription = connection.subscriptions[document_id]
        identity = connection.identity
        assert identity is not None  # noqa: S101 - set by the welcome
        known = self._presences.known(subscription.client_id, document_id)
        name = message.name if message.name is not None else known.name if known else identity.name
        colour = message.colour if message.colour is not None else known.colour if known else ""
        if len(name.encode()) + len(identity.author.encode()) > self._settings.gateway_presence_bytes:
            connection.send_error(TooLargeError("the name is too long"), document_id)
            return
        presence = PresenceOf(
            subscription.client_id,
            AuthorId(identity.author),
            name,
            colour,
            Revision(message.revision),
            message.caret,
        )
        self._presences.say(document_id, presence)

    async def read_page(self, subscription: Subscription) -> list[dict[str, Any]]:
        """Return the commits that come next (see `OpenDocument.page_after`)."""
        return await self._open[subscription].page_after(subscription.revision)

    async def read_roster(self, subscription: Subscription) -> list[dict[str, Any]]:
        """Return who is there, and where."""
        feed = self._open[subscription].feed
        for _ in range(_ROSTER_ATTEMPTS):
            known = feed.presence_count
            present = await self._rosters.read_roster(subscription.document_id)
            # What the channel brought meanwhile was told already, and this would take it back: read it again.
            if feed.presence_count == known:
                break
        return [presence_fields(presence) for presence in present]

    def head_of(self, subscription: Subscription) -> Revision:
        """Return where the document stands."""
        return self._open[subscription].feed.head

    def _welcome_message(self, identity: Identity, client_id: ClientId) -> dict[str, Any]:
        settings = self._settings
        return {
            "type": "welcome",
            "client_id": client_id,
            "resume_token": make_resume_token(self._secret, client_id, identity.author),
            "author": identity.author,
            "durability": settings.durability,
            "server": f"coedit/{self._version}",
            "limits": {
                "frame_bytes": settings.gateway_frame_bytes,
                "delta_ops": MAX_OPS,
                "delta_values": MAX_VALUES,
                "document_units": settings.gateway_document_units,
                "open_documents": settings.gateway_open_documents,
                "presence_bytes": settings.gateway_presence_bytes,
            },
        }


def _check_submit(subscription: Subscription, message: Submit) -> None:
    if subscription.is_damaged:
        raise QuarantinedError("the document is damaged, and takes no writes until it is repaired")
    if message.base_revision > subscription.revision:
        raise FutureRevisionError(f"revision {message.base_revision} was not told to this client")
    if subscription.access != "write":
        raise ForbiddenError("the token grants reading only")
    if subscription.rejected:
        raise SequenceError("a submission of this client was rejected: open the document with renew")
    if subscription.in_flight not in (None, message.client_sequence):
        # Each would be rebased over all those before it, which takes the square of their number.
        raise UnexpectedMessageError(f"submission {subscription.in_flight} is not answered yet")


def _forget(
    opens: dict[DocumentId, asyncio.Task[None]], document_id: DocumentId, task: asyncio.Task[None]
) -> None:
    if opens.get(document_id) is task:
        del opens[document_id]


def _new_client_id() -> ClientId:
    return ClientId(secrets.token_urlsafe(12))
