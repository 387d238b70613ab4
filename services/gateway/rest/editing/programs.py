"""Edits by programs: ``POST /v1/documents/{id}/edits``, exactly once under an ``Idempotency-Key``.

A program says a delta on a revision that it knows, or what it wants without positions: to replace what stands there
once, to append, or what the text is to be.
"""

import asyncio
import re
import secrets
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import orjson
from aiohttp import web

from coedit.errors import InvalidRequestError
from coedit.identifiers import DocumentId
from coedit.ot.delta import Delta
from coedit.ot.wishes import appended, made, replaced
from coedit.protocol.tokens import Identity
from coedit.store.documents.asked import Asked
from services.gateway.access.access import Access
from services.gateway.access.addresses import DOCUMENT, document_at
from services.gateway.rest.answers import answered
from services.gateway.rest.asked import read_fields, refuse_unknown_fields, text_of
from services.gateway.rest.bodies import continue_later
from services.gateway.rest.editing.edit_response import edit_response
from services.gateway.rest.editing.one_edit import OneEdits
from services.gateway.rest.moments import Moments
from services.gateway.rest.requests import authorize
from services.gateway.settings import GatewaySettings

_DOCUMENTS, _EDITS = "/v1/documents/", "/edits"
_KEY = re.compile(r'"?[!-~ ]{1,255}"?')


class EditRoutes:
    """The route; an edit takes a place of its author's while its base is read."""

    def __init__(
        self, access: Access, moments: Moments, edits: OneEdits, asked: Asked, settings: GatewaySettings
    ) -> None:
        self._access = access
        self._moments = moments
        self._edits = edits
        self._asked = asked
        self._max_bytes = settings.gateway_import_bytes
        self._body_seconds = settings.gateway_body_seconds

    def add_to(self, app: web.Application) -> None:
        """Serve the route."""
        path = _DOCUMENTS + DOCUMENT + _EDITS
        app.router.add_post(path, answered(self._edit), expect_handler=continue_later)

    async def _edit(self, request: web.Request) -> web.Response:
        path = request.raw_path.partition("?")[0].removesuffix(_EDITS)
        document_id = document_at(path, _DOCUMENTS)
        author = request.query.get("author")
        await authorize(self._access, request, document_id, "write", author=author)
        if "If-Match" in request.headers:
            raise InvalidRequestError(
                "If-Match is not known here: give a base_revision, or replace what stands once"
            )
        body = await read_fields(request, self._body_seconds, self._max_bytes)
        # It may have taken its time, and the right may be gone.
        identity = await authorize(self._access, request, document_id, "write", author=author)
        wanted = _wish(body)
        key = _key_of(request, identity)
        if key is None:
            return await self._made(document_id, identity, body, wanted)
        answer, base = await self._asked.begin(document_id, key, _digest(body))
        if answer:
            return web.Response(body=answer, content_type="application/json")
        return await self._made_once(document_id, identity, body, wanted, key, base)

    async def _made_once(
        self,
        document_id: DocumentId,
        identity: Identity,
        body: dict[str, Any],
        wanted: Callable[[Delta], Delta],
        key: str,
        base: bytes,
    ) -> web.Response:
        """Make an edit on the base that is noted, or on one that is noted now; note how it was answered."""
        try:
            response = await self._made(document_id, identity, body, wanted, key, base)
        except BaseException:
            await self._asked.failed(document_id, key)
            raise
        if response.status == 200 and isinstance(response.body, bytes):
            await self._asked.note_answer(document_id, key, response.body)
        else:
            await self._asked.failed(document_id, key)
        return response

    async def _made(
        self,
        document_id: DocumentId,
        identity: Identity,
        body: dict[str, Any],
        wanted: Callable[[Delta], Delta],
        key: str = "",
        noted: bytes = b"",
    ) -> web.Response:
        revision = int(noted) if noted else body.get("base_revision")
        async with self._moments.replaying("edit", identity.author):
            base = await self._moments.base(document_id, revision)
        if key and not noted:
            await self._asked.note_base(document_id, key, str(base.revision).encode())
        delta = await asyncio.to_thread(wanted, base.document)
        what = ["edit", key or secrets.token_urlsafe(12)]
        return await edit_response(self._edits, document_id, base, identity, what, delta, {})


def _wish(body: dict[str, Any]) -> Callable[[Delta], Delta]:
    """Return what makes a delta of a request on its base.

    Raises:
        InvalidRequestError: it says nothing, or several things.
        InvalidDeltaError: its delta is none.
    """
    kinds = [name for name in ("delta", "replace", "append", "text") if name in body]
    if len(kinds) != 1:
        raise InvalidRequestError("say one of delta, replace (and with), append, text")
    match kinds[0]:
        case "delta":
            refuse_unknown_fields(body, "delta", "base_revision")
            revision = body.get("base_revision")
            if type(revision) is not int or revision < 0:
                raise InvalidRequestError("a delta is made on a base_revision")
            delta = Delta.from_json(body["delta"])
            return lambda _: delta
        case "replace":
            refuse_unknown_fields(body, "replace", "with", "all")
            old, new, everywhere = text_of(body, "replace"), text_of(body, "with"), body.get("all", False)
            if not old or type(everywhere) is not bool:
                raise InvalidRequestError("replace is a text, and all is true or false")
            return lambda document: replaced(document, old, new, is_everywhere=everywhere)
        case "append":
            refuse_unknown_fields(body, "append")
            more = text_of(body, "append")
            return lambda document: appended(document, more)
    refuse_unknown_fields(body, "text")
    text = text_of(body, "text")
    return lambda document: made(document, text)


def _key_of(request: web.Request, identity: Identity) -> str | None:
    """Return the author's request's key; None: it has none, and is made as often as it is asked for."""
    said = request.headers.get("Idempotency-Key")
    if said is None:
        return None
    if not _KEY.fullmatch(said):
        raise InvalidRequestError("Idempotency-Key has 1 to 255 printable characters")
    return _digest([identity.author, said.strip('"')])


def _digest(value: Any) -> str:
    packed = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return blake2b(packed, digest_size=20).hexdigest()
