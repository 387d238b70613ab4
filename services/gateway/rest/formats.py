"""Documents in other formats over plain HTTP: out of them, into them, and begun by them."""

import asyncio
from hashlib import blake2b
from urllib.parse import quote

from aiohttp import web

from coedit.errors import NotTextError
from coedit.identifiers import AuthorId, DocumentId
from coedit.ot.delta import Delta
from coedit.ot.diff import diff
from coedit.protocol.grants import require
from coedit.protocol.moments import Head, Moment
from coedit.store.documents.history import Past
from coedit.store.documents.reader import DocumentReader
from services.gateway.access.access import Access
from services.gateway.heavy.conversions import Conversions
from services.gateway.heavy.places import Places
from services.gateway.rest.editing.beginning import Beginnings, BeginTerms
from services.gateway.rest.editing.edit_response import Wish, edit_response
from services.gateway.rest.editing.keyed import Keyed
from services.gateway.rest.editing.one_edit import OneEdits
from services.gateway.rest.moments import Moments
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.documents import CREATE, CreateQuery
from services.gateway.rest.routes.formats import EXPORT, IMPORT, ExportQuery, ImportQuery
from services.gateway.rest.routes.route import Body, Served
from services.gateway.settings import GatewaySettings

_HEADERS = {
    # What people wrote is never a page of this origin, whatever it says.
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src * data:; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_FILES = 16
"""So many exports, and as many imports, are in memory at a time, most of them while they wait for a converter."""


class FormatRoutes:
    """Exports a document, and makes a document what a file says, as one edit."""

    def __init__(
        self,
        access: Access,
        reader: DocumentReader,
        moments: Moments,
        edits: OneEdits,
        keyed: Keyed,
        settings: GatewaySettings,
    ) -> None:
        self._access = access
        self._reader = reader
        self._moments = moments
        self._edits = edits
        self._beginnings = Beginnings(moments, edits, keyed)
        self._max_bytes = settings.gateway_import_bytes
        self._conversions = Conversions(settings.gateway_convert_seconds, settings.gateway_convert_bytes)
        self._exports, self._imports = Places("export", _FILES), Places("import", _FILES)

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [EXPORT.by(self._export), IMPORT.by(self._import), CREATE.by(self._create)]

    async def _export(self, call: Call[ExportQuery, Body]) -> web.Response:
        if not isinstance(call.query.at, Head):
            require(await self._access.facets(call.identity, call.document_id), "history")
        # Its place is the whole export's: no author can have more than one document read here for it.
        async with self._exports.taken(call.identity.author):
            return await self._exported(call.document_id, call.query, call.identity.author)

    async def _exported(self, document_id: DocumentId, query: ExportQuery, author: AuthorId) -> web.Response:
        form = query.form
        past, is_damaged = await self._wanted(query.at, document_id, author)
        seed = f"{document_id}\n{past.revision}\n{past.mac}"
        body = await self._conversions.export(past.document, form.name, seed, author)
        name = quote(document_id, safe="") + form.suffix
        headers = {
            "Content-Type": form.content_type,
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Coedit-Revision": str(past.revision),
        }
        damaged = {"Coedit-Damaged": "true"} if is_damaged else {}
        return web.Response(body=body, headers=_HEADERS | headers | damaged)

    async def _wanted(self, moment: Moment, document_id: DocumentId, author: AuthorId) -> tuple[Past, bool]:
        if isinstance(moment, Head):
            loaded, damage = await self._reader.load_readable(document_id)
            if not loaded.is_text:
                raise NotTextError
            return Past(loaded.revision, loaded.document, loaded.epoch, loaded.mac), damage is not None
        async with self._moments.replaying("export", author):
            return await self._moments.past(document_id, moment), False

    async def _import(self, call: Call[ImportQuery, Body]) -> web.Response:
        # As above: no author can have more than one body kept here.
        async with self._imports.taken(call.identity.author):
            return await self._imported(call)

    async def _imported(self, call: Call[ImportQuery, Body]) -> web.Response:
        document_id, form, root = call.document_id, call.query.form, call.query.root
        body = await call.read_file(self._max_bytes)
        author = call.identity.author
        wanted = await self._conversions.read(body, form.name, root, author)
        async with self._moments.replaying("import", author):
            base = await self._moments.base(document_id, call.query.base_revision)
        delta = await asyncio.to_thread(diff, base.document, wanted)
        what = ["import", form.name, root, blake2b(body, digest_size=16).hexdigest()]
        facts = {"format": form.name}
        return await edit_response(self._edits, document_id, base, call.identity, Wish(what, facts), delta)

    async def _create(self, call: Call[CreateQuery, Body]) -> web.Response:
        terms = BeginTerms.of(call.request)
        async with self._imports.taken(call.identity.author):
            form, root = call.query.form, call.query.root
            body = await call.read_file(self._max_bytes)
            file = [form.name, root, blake2b(body, digest_size=16).hexdigest()]

            async def read() -> Delta:
                return await self._conversions.read(body, form.name, root, call.identity.author)

            return await self._beginnings.make(call, terms, file, read)
