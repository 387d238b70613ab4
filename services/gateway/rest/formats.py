"""Documents in other formats over plain HTTP: ``GET /v1/export/{id}`` and ``POST /v1/import/{id}``."""

import asyncio
from hashlib import blake2b
from urllib.parse import quote

from aiohttp import web

from coedit.crdt.document import ROOT
from coedit.errors import InvalidRequestError, NotTextError
from coedit.formats import FORMATS, Format
from coedit.identifiers import AuthorId, DocumentId
from coedit.ot.diff import diff
from coedit.protocol.grants import Facet
from coedit.protocol.moments import Head, read_moment
from coedit.protocol.tokens import Identity
from coedit.store.documents.history import Past
from coedit.store.documents.reader import DocumentReader
from services.gateway.access.access import Access
from services.gateway.access.addresses import DOCUMENT
from services.gateway.heavy.conversions import Conversions
from services.gateway.heavy.places import Places
from services.gateway.rest.answers import answered
from services.gateway.rest.asked import integer_of
from services.gateway.rest.bodies import continue_later, read_whole
from services.gateway.rest.editing.edit_response import edit_response
from services.gateway.rest.editing.one_edit import OneEdits
from services.gateway.rest.moments import Moments
from services.gateway.rest.requests import authorize, document_of
from services.gateway.settings import GatewaySettings

_EXPORT, _IMPORT = "/v1/export/", "/v1/import/"
_HEADERS = {
    # What people wrote is never a page of this origin, whatever it says.
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src * data:; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_MAX_ROOT = 255
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
        settings: GatewaySettings,
    ) -> None:
        self._access = access
        self._reader = reader
        self._moments = moments
        self._edits = edits
        self._max_bytes = settings.gateway_import_bytes
        self._body_seconds = settings.gateway_body_seconds
        self._conversions = Conversions(settings.gateway_convert_seconds, settings.gateway_convert_bytes)
        self._exports, self._imports = Places("export", _FILES), Places("import", _FILES)

    def add_to(self, app: web.Application) -> None:
        """Serve the routes."""
        app.router.add_get(_EXPORT + DOCUMENT, answered(self._export))
        app.router.add_post(_IMPORT + DOCUMENT, answered(self._import), expect_handler=continue_later)

    async def _export(self, request: web.Request) -> web.Response:
        document_id = document_of(request, _EXPORT)
        facet: Facet = "read" if request.query.get("at", "head") == "head" else "history"
        author = request.query.get("author")
        identity = await authorize(self._access, request, document_id, "read", facet, author=author)
        form = _form_of(request)
        # Its place is the whole export's: no author can have more than one document read here for it.
        async with self._exports.taken(identity.author):
            return await self._exported(request, document_id, form, identity.author)

    async def _exported(
        self, request: web.Request, document_id: DocumentId, form: Format, author: AuthorId
    ) -> web.Response:
        past, is_damaged = await self._wanted(request, document_id, author)
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

    async def _wanted(
        self, request: web.Request, document_id: DocumentId, author: AuthorId
    ) -> tuple[Past, bool]:
        moment = read_moment(request.query.get("at", "head"))
        if isinstance(moment, Head):
            loaded, damage = await self._reader.load_readable(document_id)
            if not loaded.is_text:
                raise NotTextError
            return Past(loaded.revision, loaded.document, loaded.epoch, loaded.mac), damage is not None
        async with self._moments.replaying("export", author):
            return await self._moments.past(document_id, moment), False

    async def _import(self, request: web.Request) -> web.Response:
        document_id = document_of(request, _IMPORT)
        author = request.query.get("author", "")
        identity = await authorize(self._access, request, document_id, "write", author=author)
        form, root = _form_of(request), _root_of(request)
        # As above: no author can have more than one body kept here.
        async with self._imports.taken(identity.author):
            return await self._imported(request, document_id, identity, form, root)

    async def _imported(
        self, request: web.Request, document_id: DocumentId, identity: Identity, form: Format, root: str
    ) -> web.Response:
        body = await read_whole(request, self._max_bytes, self._body_seconds)
        # It may have taken its time, and the right may be gone.
        await authorize(self._access, request, document_id, "write", author=identity.author)
        wanted = await self._conversions.read(body, form.name, root, identity.author)
        revision = integer_of(request, "base_revision", 0) if "base_revision" in request.query else None
        async with self._moments.replaying("import", identity.author):
            base = await self._moments.base(document_id, revision)
        delta = await asyncio.to_thread(diff, base.document, wanted)
        what = ["import", form.name, root, blake2b(body, digest_size=16).hexdigest()]
        facts = {"format": form.name}
        return await edit_response(self._edits, document_id, base, identity, what, delta, facts)


def _form_of(request: web.Request) -> Format:
    name = request.query.get("format", "")
    if name not in FORMATS:
        raise InvalidRequestError(f"format={name!r} is none of {', '.join(FORMATS)}")
    return FORMATS[name]


def _root_of(request: web.Request) -> str:
    root = request.query.get("root", ROOT)
    if not root or len(root) > _MAX_ROOT:
        raise InvalidRequestError(f"root= is the name of a shared text, of 1 to {_MAX_ROOT} characters")
    return root
