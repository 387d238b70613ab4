"""A document over plain HTTP, as JSON or text."""

import asyncio
from typing import Any

from aiohttp import web

from coedit.errors import NotTextError
from coedit.identifiers import DocumentId
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from services.gateway.heavy.places import Places
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.documents import READ
from services.gateway.rest.routes.route import Body, Query, Served

_READ_AT_ONCE = 16
"""So many documents are read at a time, whole and for one request each; most of that time they wait for the stores."""
_READ_AT_ONCE_OF_ONE = 12
"""So many of them for one author: an application has one token for all its users, and others find a place at once."""
_MOST_OF_ONE = 64
"""So many requests of one author may wait for that: a program reads documents for many people."""


class DocumentRoutes:
    """Reads documents, few at a time."""

    def __init__(self, reader: DocumentReader, quarantine: Quarantine) -> None:
        self._reader = reader
        self._quarantine = quarantine
        self._reads = Places(
            "document", _READ_AT_ONCE, at_once_of_one=_READ_AT_ONCE_OF_ONE, most_of_one=_MOST_OF_ONE
        )

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [READ.by(self._get)]

    async def _get(self, call: Call[Query, Body]) -> web.Response:
        async with self._reads.taken(call.identity.author):
            return await self._read(call, call.document_id)

    async def _read(self, call: Call[Query, Body], document_id: DocumentId) -> web.Response:
        loaded, damage = await self._reader.load_readable(document_id)
        if not loaded.is_text:
            raise NotTextError
        is_damaged = damage is not None or await self._quarantine.of(document_id) is not None
        if call.wants_text:
            headers = {"Coedit-Revision": str(loaded.revision)}
            if is_damaged:
                headers["Coedit-Damaged"] = "true"
            return await asyncio.to_thread(lambda: web.Response(text=loaded.document.text, headers=headers))
        answer: dict[str, Any] = {"document": document_id, "epoch": loaded.epoch, "revision": loaded.revision}
        damaged = {"damaged": True} if is_damaged else {}
        return await asyncio.to_thread(
            lambda: web.json_response(answer | {"content": loaded.document.to_json()} | damaged)
        )
