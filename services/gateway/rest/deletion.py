"""Documents are put in the trash, taken out of it, and erased."""

import asyncio
from typing import Any

from aiohttp import web

from coedit.errors import UnknownDocumentError
from coedit.identifiers import AuthorId, DocumentId
from coedit.protocol.grants import require
from coedit.store.deletion.decisions import Decisions
from coedit.store.documents.history import History
from coedit.store.objects.deletions import Deletion
from services.gateway.access.access import Access
from services.gateway.metrics import DELETED
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.documents import DELETE, RESTORE, DeleteQuery
from services.gateway.rest.routes.route import Body, Query, Served

_ERASING_SECONDS = 5.0
"""So long a request waits for what it had erased to be gone."""
_LOOK_AGAIN_SECONDS = 0.1


class DeletionRoutes:
    """Who may write may put a document in the trash and take it out again, and, with ``admin`` as well, erase it."""

    def __init__(self, access: Access, decisions: Decisions, history: History, trash_seconds: float) -> None:
        self._access = access
        self._decisions = decisions
        self._history = history
        self._trash_seconds = trash_seconds

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [DELETE.by(self._delete), RESTORE.by(self._restore)]

    async def _delete(self, call: Call[DeleteQuery, Body]) -> web.Response:
        document_id, author = call.document_id, call.identity.author
        if call.query.erase:
            require(await self._access.facets(call.identity, document_id), "admin")
            deletion = await self._erased(document_id, author)
        else:
            if await self._decisions.records.newest(document_id) is None:
                await self._refuse_unknown(document_id)
            deletion = await self._decisions.trash(document_id, author, self._trash_seconds)
        DELETED.labels(deletion.state).inc()
        return _told(document_id, deletion)

    async def _restore(self, call: Call[Query, Body]) -> web.Response:
        deletion = await self._decisions.restore(call.document_id, call.identity.author)
        DELETED.labels(deletion.state).inc()
        return _told(call.document_id, deletion)

    async def _erased(self, document_id: DocumentId, author: AuthorId) -> Deletion:
        """Have a document erased, and wait a while for it to be."""
        deletion = await self._decisions.erase(document_id, author)
        until = asyncio.get_running_loop().time() + _ERASING_SECONDS
        while deletion.state == "erasing" and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            deletion = await self._decisions.records.newest(document_id) or deletion
        return deletion

    async def _refuse_unknown(self, document_id: DocumentId) -> None:
        if (await self._history.head(document_id)).revision == 0:
            raise UnknownDocumentError("nobody ever wrote the document")


def _told(document_id: DocumentId, deletion: Deletion) -> web.Response:
    told: dict[str, Any] = {"document": document_id, "state": deletion.state, "at": deletion.at}
    if deletion.state == "trash":
        told["until"] = deletion.until
    return web.json_response(told, status=202 if deletion.state == "erasing" else 200)
