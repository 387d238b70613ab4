"""A document over plain HTTP, as JSON or text, or only where it stands."""

import asyncio
from typing import Any

from aiohttp import web

from coedit.errors import DamagedError, NotTextError
from coedit.identifiers import DocumentId
from coedit.store.documents.history import History, Place
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from services.gateway.heavy.places import Places
from services.gateway.rest.editing.conditions import Condition, condition_of, tag_of
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.documents import READ, STAND
from services.gateway.rest.routes.route import Body, Query, Served

_READ_AT_ONCE = 16
"""So many documents are read at a time, whole and for one request each; most of that time they wait for the stores."""
_READ_AT_ONCE_OF_ONE = 12
"""So many of them for one author: an application has one token for all its users, and others find a place at once."""
_MOST_OF_ONE = 64
"""So many requests of one author may wait for that: a program reads documents for many people."""


class DocumentRoutes:
    """Reads documents, few at a time; one that is as whoever asks knows it is not read at all."""

    def __init__(self, reader: DocumentReader, history: History, quarantine: Quarantine) -> None:
        self._reader = reader
        self._history = history
        self._quarantine = quarantine
        self._reads = Places(
            "document", _READ_AT_ONCE, at_once_of_one=_READ_AT_ONCE_OF_ONE, most_of_one=_MOST_OF_ONE
        )

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [READ.by(self._get), STAND.by(self._stand)]

    async def _get(self, call: Call[Query, Body]) -> web.Response:
        condition = condition_of(call.request, "If-None-Match")
        async with self._reads.taken(call.identity.author):
            place = None if condition is None else await self._sound_place(call.document_id)
            return _unchanged(place, condition) or await self._read(call, call.document_id)

    async def _stand(self, call: Call[Query, Body]) -> web.Response:
        condition = condition_of(call.request, "If-None-Match")
        async with self._reads.taken(call.identity.author):
            place = await self._sound_place(call.document_id)
            if place is not None:
                return _unchanged(place, condition) or web.Response(
                    headers=_standing(place.epoch, place.revision)
                )
            loaded, _ = await self._reader.load_readable(call.document_id)
            if not loaded.is_text:
                raise NotTextError
            return web.Response(headers=_standing(loaded.epoch, loaded.revision, is_damaged=True))

    async def _sound_place(self, document_id: DocumentId) -> Place | None:
        """Return where a document stands; None: it is damaged, and shown as far as it can be vouched for.

        Raises:
            NotTextError: it is a Yjs document of another shape.
            RedisError, OSError, CoeditError: it cannot be known.
        """
        try:
            place = await self._history.head(document_id)
        except DamagedError:
            return None
        if not place.is_text:
            raise NotTextError
        return None if await self._quarantine.of(document_id) is not None else place

    async def _read(self, call: Call[Query, Body], document_id: DocumentId) -> web.Response:
        loaded, damage = await self._reader.load_readable(document_id)
        if not loaded.is_text:
            raise NotTextError
        is_damaged = damage is not None or await self._quarantine.of(document_id) is not None
        headers = _standing(loaded.epoch, loaded.revision, is_damaged=is_damaged) | {"Vary": "Accept"}
        if call.wants_text:
            return await asyncio.to_thread(lambda: web.Response(text=loaded.document.text, headers=headers))
        answer: dict[str, Any] = {"document": document_id, "epoch": loaded.epoch, "revision": loaded.revision}
        damaged = {"damaged": True} if is_damaged else {}
        return await asyncio.to_thread(
            lambda: web.json_response(
                answer | {"content": loaded.document.to_json()} | damaged, headers=headers
            )
        )


def _unchanged(place: Place | None, condition: Condition | None) -> web.Response | None:
    """Return the answer to who knows the document as it stands; None: who asks does not."""
    if place is None or condition is None or not condition.covers(place.epoch, place.revision):
        return None
    return web.Response(status=304, headers=_standing(place.epoch, place.revision) | {"Vary": "Accept"})


def _standing(epoch: int, revision: int, *, is_damaged: bool = False) -> dict[str, str]:
    """Return the headers that tell where a document stands."""
    headers = {"ETag": tag_of(epoch, revision), "Coedit-Revision": str(revision)}
    return headers | {"Coedit-Damaged": "true"} if is_damaged else headers
