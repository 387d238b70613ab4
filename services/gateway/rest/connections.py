"""Who is connected, whichever gateway is asked."""

import asyncio

from aiohttp import web

from coedit.identifiers import AuthorId, DocumentId
from services.gateway.access.looks import Connected
from services.gateway.heavy.places import Places
from services.gateway.rest.editing.edit_response import json_response
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.operations import CONNECTIONS, ConnectionsQuery
from services.gateway.rest.routes.route import Body, Served

_LOOKS = 4
"""So many looks at a time; each makes every gateway go through its connections."""


class ConnectionRoutes:
    """Lists connections."""

    def __init__(self, connected: Connected) -> None:
        self._connected = connected
        self._looks = Places("connections", _LOOKS)

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [CONNECTIONS.by(self._list)]

    async def _list(self, call: Call[ConnectionsQuery, Body]) -> web.Response:
        query = call.query
        author = None if query.of is None else AuthorId(query.of)
        document_id = None if query.document is None else DocumentId(query.document)
        async with self._looks.taken(call.identity.author):
            rows, after, gateways, silent = await self._connected.all(
                author, document_id, query.after, query.limit
            )
        answer = {"connections": rows, "after": after, "gateways": gateways, "silent": silent}
        return await asyncio.to_thread(lambda: json_response(answer))
