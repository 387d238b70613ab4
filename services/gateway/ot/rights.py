"""What a client may do with what it has open: as its token says, and anew when it brings another."""

import time
from typing import Any

from coedit.errors import ForbiddenError, UnauthorizedError
from coedit.identifiers import DocumentId
from coedit.protocol.grants import Facets, right_in
from coedit.protocol.messages import rights_message, token_message
from coedit.protocol.tokens import Identity
from services.gateway.access.access import Access
from services.gateway.documents.subscription import Subscription
from services.gateway.ot.connection import Connection
from services.gateway.redis.presences import Presences


class Rights:
    """Settles them for the clients of one gateway."""

    def __init__(self, access: Access, presences: Presences) -> None:
        self._access = access
        self._presences = presences

    async def granted(self, connection: Connection, subscription: Subscription) -> dict[str, Any]:
        """Settle what a client may do with a document that it opens; return what it is told of that.

        Raises:
            ForbiddenError: nothing, by now.
        """
        identity: Identity | None = None
        while identity is not connection.identity:  # it may bring another token meanwhile
            identity = connection.identity
            granted = await self._facets(connection, subscription.document_id)
        _settle(subscription, granted)
        return {"access": subscription.access, "rights": sorted(granted)}

    async def renew(self, connection: Connection, token: str) -> list[DocumentId]:
        """Take a client's next token, and settle anew what it may do; return the documents that it may have no more.

        Raises:
            UnauthorizedError: the token does not hold, or names somebody else.
            UndecidedError: whether it holds cannot be found out now; the one before counts.
        """
        identity = await self._access.identify(token, None)
        if connection.identity is None or identity.author != connection.identity.author:
            raise UnauthorizedError("the token names another author than the one before")
        connection.identify(identity)
        connection.send(token_message(identity.seconds_left(time.time())))
        return await self.look_again(connection, None)

    async def look_again(self, connection: Connection, document_id: DocumentId | None) -> list[DocumentId]:
        """Settle anew what a client may do with a document, or with all; return those that it may have no more.

        Raises:
            UnauthorizedError: its token is older than its rights.
            UndecidedError: that cannot be found out now; what it may do stays.
        """
        return [
            subscription.document_id
            for subscription in list(connection.subscriptions.values())
            if document_id in (None, subscription.document_id)
            and not await self._settle_anew(connection, subscription)
        ]

    async def _settle_anew(self, connection: Connection, subscription: Subscription) -> bool:
        """Settle what a client may do with an open document, and tell it; return whether it may have it still."""
        document_id = subscription.document_id
        granted = await self._facets(connection, document_id)
        if connection.subscriptions.get(document_id) is not subscription:
            return True
        try:
            _settle(subscription, granted)
        except ForbiddenError as error:
            connection.drop(subscription, error)
            return False
        if not subscription.is_seen:
            await self._presences.leave(subscription.client_id, document_id)
        connection.send(rights_message(document_id, subscription.access, granted))
        return True

    async def _facets(self, connection: Connection, document_id: DocumentId) -> Facets:
        identity = connection.identity
        assert identity is not None  # noqa: S101 - the session lets nothing through before the welcome
        return await self._access.facets(identity, document_id)


def _settle(subscription: Subscription, granted: Facets) -> None:
    right = right_in(granted)
    subscription.access = "read" if subscription.is_damaged else right
    subscription.is_seen = "presence" in granted
