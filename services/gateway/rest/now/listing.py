"""Which documents there are, of those that somebody may read; a page costs what is on it, however many there are."""

import asyncio

from aiohttp import web

from coedit.errors import StaleTokenError
from coedit.identifiers import DocumentId
from coedit.protocol.tokens import Identity
from coedit.store.documents.listing import Listing
from coedit.store.objects.spans import Span, cursor_of, within
from services.gateway.access.access import Access
from services.gateway.heavy.places import Places
from services.gateway.rest.editing.edit_response import json_response
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.documents import LIST, ListQuery
from services.gateway.rest.routes.route import Body, Served

_LISTS = 4
"""So many lists are made at a time; each asks every shard of Redis, and the object store."""
_LISTS_OF_ONE = 2
_MOST_LOOKS = 32
"""So often the stores are asked for one list; what was not come to is for the next one."""
_ASKED_AT_ONCE = 8
"""So many questions to the permission hook."""


class ListRoute:
    """Lists documents, in the order of their folders in the object store."""

    def __init__(self, access: Access, listing: Listing) -> None:
        self._access = access
        self._listing = listing
        self._lists = Places("list", _LISTS, at_once_of_one=_LISTS_OF_ONE)

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [LIST.by(self._list)]

    async def _list(self, call: Call[ListQuery, Body]) -> web.Response:
        identity, query = call.identity, call.query
        spans = within(self._access.spans(identity, "read"), query.bounds, query.after)
        async with self._lists.taken(identity.author):
            found, place = await self._page(identity, spans, query.limit)
        documents = [{"document": document_id} for document_id in found]
        return json_response({"documents": documents, "after": None if place is None else cursor_of(place)})

    async def _page(
        self, identity: Identity, spans: list[Span], limit: int
    ) -> tuple[list[DocumentId], str | None]:
        """Return documents, and where to go on; None: there are no more."""
        found: list[DocumentId] = []
        looks = 1 if self._access.permissions.is_asked else _MOST_LOOKS
        for number, span in enumerate(spans):
            place = span.first
            while place < span.end:
                if not looks or len(found) == limit:
                    return found, place
                looks -= 1
                some, place = await self._listing.some(Span(place, span.end), limit - len(found))
                found += await self._readable(identity, some)
            if len(found) == limit and number + 1 < len(spans):
                return found, place
        return found, None

    async def _readable(self, identity: Identity, document_ids: list[DocumentId]) -> list[DocumentId]:
        """Return those that may be read, as the hook says where there is one: few are asked about at a time."""
        found: list[DocumentId] = []
        for first in range(0, len(document_ids), _ASKED_AT_ONCE):
            some = document_ids[first : first + _ASKED_AT_ONCE]
            answers = await asyncio.gather(*(self._may_read(identity, one) for one in some))
            found += [one for one, may_read in zip(some, answers, strict=True) if may_read]
        return found

    async def _may_read(self, identity: Identity, document_id: DocumentId) -> bool:
        try:
            return "read" in await self._access.facets(identity, document_id)
        except StaleTokenError:  # the rights on this one have changed since
            return False
