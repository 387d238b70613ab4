"""What a client may do with what it has open: as its token says, and anew when it brings another."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from coedit.errors import CoeditError, ForbiddenError, OverloadedError, UnauthorizedError, UndecidedError
from coedit.identifiers import DocumentId
from coedit.protocol.grants import Facets, right_in
from coedit.protocol.messages import rights_message, token_message
from coedit.protocol.tokens import Identity
from services.gateway.access.access import Access
from services.gateway.documents.subscription import Subscription
from services.gateway.ot.connection import Connection
from services.gateway.redis.presences import Presences

Leave = Callable[[Connection, DocumentId], Awaitable[None]]
"""Gives up an open document."""


class Rights:
    """Settles them for the clients of one gateway; ``leave`` is for whoever may have a document no more."""

    def __init__(self, access: Access, presences: Presences, leave: Leave) -> None:
        self._access = access
        self._presences = presences
        self._leave = leave

    async def granted(self, connection: Connection, subscription: Subscription) -> dict[str, Any]:
        """Settle what a client may do with a document that it opens; return what it is told of that.

        Raises:
            ForbiddenError: nothing, by now.
            StaleTokenError, UndecidedError, OverloadedError: see `Permissions.of`.
        """
        granted = await self._facets(connection, subscription.document_id)
        _settle(subscription, granted)
        return {"access": subscription.access, "rights": sorted(granted)}

    async def renew(self, connection: Connection, token: str) -> None:
        """Take a client's next token, and settle anew what it may do.

        Raises:
            UnauthorizedError: the token does not hold, or names somebody else.
            UndecidedError: whether it holds cannot be found out now; the one before counts.
        """
        identity = await self._access.identify(token, None)
        if connection.identity is None or identity.author != connection.identity.author:
            raise UnauthorizedError("the token names another author than the one before")
        connection.identify(identity)
        connection.send(token_message(identity.seconds_left(time.time())))
        await self.look_again(connection, None)

    async def look_again(self, connection: Connection, document_id: DocumentId | None) -> bool:
        """Settle anew what a client may do with a document, or with all; return whether that could be found out.

        Of what could not it keeps what it has.

        Raises:
            StaleTokenError: its token is older than its rights.
        """
        undecided: list[CoeditError] = []
        for subscription in list(connection.subscriptions.values()):
            if document_id in (None, subscription.document_id):
                try:
                    await self._settle_anew(connection, subscription)
                except (UndecidedError, OverloadedError) as error:
                    undecided.append(error)
                    connection.send_error(error)
        return not undecided

    async def _settle_anew(self, connection: Connection, subscription: Subscription) -> None:
        """Settle what a client may do with an open document, and tell it; who may do nothing has it no more."""
        document_id = subscription.document_id
        granted = await self._facets(connection, document_id)
        if connection.subscriptions.get(document_id) is not subscription:
            return
        try:
            _settle(subscription, granted)
        except ForbiddenError as error:
            connection.drop(subscription, error)
            await self._leave(connection, document_id)
            return
        if not subscription.is_seen:
            await self._presences.leave(subscription.client_id, document_id)
        connection.send(rights_message(document_id, subscription.access, granted))

    async def _facets(self, connection: Connection, document_id: DocumentId) -> Facets:
        identity: Identity | None = None
        while identity is not connection.identity:  # it may bring another token meanwhile
            identity = connection.identity
            assert identity is not None  # noqa: S101 - the session lets nothing through before the welcome
            granted = await self._access.facets(identity, document_id)
        return granted


def _settle(subscription: Subscription, granted: Facets) -> None:
    right = right_in(granted)
    subscription.access = "read" if subscription.is_damaged else right
    subscription.is_seen = "presence" in granted
