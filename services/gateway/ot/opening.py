"""A document is opened by a client, and left: who joins, at which revision, and what it holds already."""

import asyncio
import logging
import time
from typing import Any

from coedit.errors import CoeditError, DamagedError, StaleTokenError
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.grants import right_in
from coedit.protocol.messages import Open
from coedit.protocol.server_session import CloseCode
from coedit.runtime.said import named
from coedit.runtime.tracing.active import observe
from services.gateway.access.access import Access
from services.gateway.documents.answers import as_answer
from services.gateway.documents.hub import Hub
from services.gateway.documents.mending import BehindClientError
from services.gateway.documents.open_document import OpenDocument
from services.gateway.documents.subscription import Subscription
from services.gateway.metrics import OPEN_SECONDS
from services.gateway.ot.clients import Clients
from services.gateway.ot.connection import Connection
from services.gateway.ot.give_back import GiveBack
from services.gateway.ot.rights import Rights
from services.gateway.redis.presences import Presences
from services.gateway.settings import GatewaySettings

logger = logging.getLogger(__name__)


class Opening:
    """Opens documents for the clients of one gateway, and gives them up."""

    def __init__(
        self,
        settings: GatewaySettings,
        access: Access,
        rights: Rights,
        clients: Clients,
        hub: Hub,
        presences: Presences,
        give_back: GiveBack,
    ) -> None:
        self.documents: dict[Subscription, OpenDocument] = {}
        """What each subscription is to."""
        self._settings = settings
        self._access = access
        self._rights = rights
        self._clients = clients
        self._hub = hub
        self._presences = presences
        self._give_back = give_back

    async def open(self, connection: Connection, message: Open) -> None:
        """Begin to open a document; its client is told once it is open, or why it is not."""
        # A document that is opened again, or was dropped as diverged, is given up first.
        document_id = DocumentId(message.document)
        await self._end(connection, document_id)
        task = asyncio.get_running_loop().create_task(self._open(connection, message))
        connection.opens[document_id] = task
        task.add_done_callback(lambda done: _forget(connection.opens, document_id, done))

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
        document = self.documents.pop(subscription)
        self._hub.release(document, subscription)
        if not document.feed.of_client(subscription.client_id):
            await self._presences.leave(subscription.client_id, document_id)

    async def _open(self, connection: Connection, message: Open) -> None:
        document_id = DocumentId(message.document)
        started = time.perf_counter()
        document = self._hub.get(document_id)
        try:
            async with connection.opening():
                if connection.identity is not None:
                    await self._access.authors.admit(connection.identity.author)
                subscription, answer = await self._join(connection, document, message)
                answer |= await self._rights.granted(connection, subscription)
            document.check_deleted()
        except asyncio.CancelledError:
            self._hub.release(document)
            raise
        except Exception as error:
            if not isinstance(error, CoeditError):
                facts = {"event": "open-error", "document_id": document_id, "error": named(error)}
                logger.warning("a document could not be opened", extra=facts, exc_info=error)
            connection.session.closed(document_id)
            self._hub.release(document)
            if isinstance(error, StaleTokenError):  # with another token all that it has open may go on
                connection.send_error(error)
                connection.close(CloseCode.UNAUTHORIZED, error.code)
            else:
                connection.send_error(as_answer(error), document_id)
            return
        connection.subscriptions[document_id] = subscription
        self.documents[subscription] = document
        connection.session.opened(document_id)
        connection.send(answer)
        document.join(subscription, answer["revision"])
        observe(OPEN_SECONDS, time.perf_counter() - started)

    async def _join(
        self, connection: Connection, document: OpenDocument, message: Open
    ) -> tuple[Subscription, dict[str, Any]]:
        subscription, answer = await self._subscribe(connection, message)
        if not message.renew and (connection.is_resumed or message.client_id is not None):
            subscription.opened_us = await document.stored.now_us()
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
        return subscription, answer | _where_it_stands(document, subscription)

    async def _subscribe(self, connection: Connection, message: Open) -> tuple[Subscription, dict[str, Any]]:
        identity = connection.identity
        assert identity is not None  # noqa: S101 - the session lets no open through before the welcome
        document_id = DocumentId(message.document)
        right = right_in(await self._access.facets(identity, document_id))
        client_id = self._clients.of_document(connection, identity, message)
        subscription = Subscription(connection, document_id, client_id, right, self._settings.durability)
        return subscription, {
            "type": "opened",
            "document": document_id,
            "client_id": client_id,
            "resume_token": self._clients.resume_token(client_id, identity),
            "author": identity.author,
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
            await document.stored.found(error)
        return held[0]


def _where_it_stands(document: OpenDocument, subscription: Subscription) -> dict[str, Any]:
    """Return what else a client is told that has opened a document; of a damaged one it may only read."""
    feed = document.feed
    told: dict[str, Any] = {}
    if feed.lost is not None:
        told["lost"] = {"first": feed.lost[0], "last": feed.lost[1]}
    if document.damage:
        subscription.is_damaged = True
        told["damaged"] = True
    return told | {"head": feed.head, "snapshot_revision": feed.snapshot_revision}


def _forget(
    opens: dict[DocumentId, asyncio.Task[None]], document_id: DocumentId, task: asyncio.Task[None]
) -> None:
    if opens.get(document_id) is task:
        del opens[document_id]
