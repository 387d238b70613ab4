"""Tells apart what clients say, and hands it to whoever answers it."""

import math

from coedit.errors import CoeditError, LimitedError, UnauthorizedError
from coedit.identifiers import DocumentId
from coedit.protocol.messages import ClientMessage, Close, Hello, Offer, Open, Presence, Submit, Token
from coedit.protocol.server_session import CloseCode
from coedit.store.presence.store import PresenceStore
from services.gateway.access.access import Access
from services.gateway.documents.hub import Hub
from services.gateway.ot.clients import Clients
from services.gateway.ot.connection import Connection
from services.gateway.ot.give_back import GiveBack
from services.gateway.ot.missed import Missed
from services.gateway.ot.opening import Opening
from services.gateway.ot.presence import Saying
from services.gateway.ot.rights import Rights
from services.gateway.ot.submitting import Submitting
from services.gateway.redis.presences import Presences
from services.gateway.redis.submit import Submitter
from services.gateway.settings import GatewaySettings


class GatewayDesk:
    """What one gateway does for its connections; satisfies `services.gateway.ot.connection.Desk`."""

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
        self._clients = Clients(settings, access)
        self._rights = Rights(access, presences, self.leave)
        self._opening = Opening(settings, access, self._rights, self._clients, hub, presences, give_back)
        self._submitting = Submitting(submitter, self._opening.documents)
        self._saying = Saying(presences, settings.gateway_presence_bytes)
        self._give_back = give_back
        self.missed = Missed(self._opening.documents, rosters)

    async def drain(self) -> None:
        """Take no more submissions; return when those that were taken are answered."""
        await self._submitting.drain()

    async def welcome(self, connection: Connection, hello: Hello) -> None:
        """Answer a hello.

        Raises:
            UnauthorizedError: the token or the resume token does not hold.
            UndecidedError: whether it does cannot be found out now.
            LimitedError: the author has too many connections, or asks for too much.
        """
        await self._clients.welcome(connection, hello)

    async def handle(self, connection: Connection, message: ClientMessage) -> None:
        """Answer any message after the hello."""
        match message:
            case Token():
                await self._renew(connection, message)
            case Open():
                await self._open(connection, message)
            case Submit():
                self._submitting.submit(connection, message)
            case Offer():
                await self._give_back.take(connection, message)
            case Presence():
                self._saying.say(connection, message)
            case Close():
                await self.leave(connection, DocumentId(message.document))

    async def _open(self, connection: Connection, message: Open) -> None:
        """Begin to open a document, if its client has not opened too many just now."""
        seconds = connection.opens_in()
        if not seconds:
            await self._opening.open(connection, message)
            return
        await self.leave(connection, DocumentId(message.document))
        error = LimitedError("too many documents opened in a short time", math.ceil(seconds))
        connection.send_error(error, message.document)

    async def _renew(self, connection: Connection, message: Token) -> None:
        """Take a client's next token; one that does not hold ends its connection."""
        try:
            await self._rights.renew(connection, message.token)
        except CoeditError as error:
            _refuse(connection, error)

    async def settle_rights(self, connection: Connection, document_id: DocumentId | None) -> bool:
        """Find out anew what a client may do with a document, or with all; return whether that could be found out."""
        try:
            return await self._rights.look_again(connection, document_id)
        except CoeditError as error:
            _refuse(connection, error)
            return True

    async def leave(self, connection: Connection, document_id: DocumentId) -> None:
        """Give up a document that is open, or being opened."""
        await self._opening.leave(connection, document_id)

    def gone(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._clients.gone(connection)


def _refuse(connection: Connection, error: CoeditError) -> None:
    """Tell a client what is wrong with its token; one that does not hold ends its connection."""
    connection.send_error(error)
    if isinstance(error, UnauthorizedError):
        connection.close(CloseCode.UNAUTHORIZED, error.code)
