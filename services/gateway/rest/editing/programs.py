"""Edits by programs, exactly once under an ``Idempotency-Key``.

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
from services.gateway.rest.editing.edit_response import edit_response
from services.gateway.rest.editing.one_edit import OneEdits
from services.gateway.rest.moments import Moments
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.edits import EDIT, AppendBody, DeltaBody, ReplaceBody, TextBody
from services.gateway.rest.routes.route import Body, Query, Served
from services.gateway.settings import GatewaySettings

_KEY = re.compile(r'"?[!-~ ]{1,255}"?')


class EditRoutes:
    """Edits documents; an edit takes a place of its author's while its base is read."""

    def __init__(self, moments: Moments, edits: OneEdits, asked: Asked, settings: GatewaySettings) -> None:
        self._moments = moments
        self._edits = edits
        self._asked = asked
        self._max_bytes = settings.gateway_import_bytes

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [EDIT.by(self._edit)]

    async def _edit(self, call: Call[Query, Body]) -> web.Response:
        if "If-Match" in call.request.headers:
            raise InvalidRequestError(
                "If-Match is not known here: give a base_revision, or replace what stands once"
            )
        body = await call.read(self._max_bytes)
        document_id, identity = call.document_id, call.identity
        wanted = _wish(body)
        key = _key_of(call.request, identity)
        if key is None:
            return await self._made(document_id, identity, body, wanted)
        answer, base = await self._asked.begin(document_id, key, _digest([type(body).__name__, dict(body)]))
        if answer:
            return web.Response(body=answer, content_type="application/json")
        return await self._made_once(document_id, identity, body, wanted, key, base)

    async def _made_once(
        self,
        document_id: DocumentId,
        identity: Identity,
        body: Body,
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
        body: Body,
        wanted: Callable[[Delta], Delta],
        key: str = "",
        noted: bytes = b"",
    ) -> web.Response:
        said = body.base_revision if isinstance(body, DeltaBody) else None
        revision = int(noted) if noted else said
        async with self._moments.replaying("edit", identity.author):
            base = await self._moments.base(document_id, revision)
        if key and not noted:
            await self._asked.note_base(document_id, key, str(base.revision).encode())
        delta = await asyncio.to_thread(wanted, base.document)
        what = ["edit", key or secrets.token_urlsafe(12)]
        return await edit_response(self._edits, document_id, base, identity, what, delta, {})


def _wish(body: Body) -> Callable[[Delta], Delta]:
    """Return what makes a delta of a request on its base.

    Raises:
        InvalidRequestError: it says nothing that is known.
        InvalidDeltaError: its delta is none.
    """
    match body:
        case DeltaBody():
            delta = Delta.from_json(body.delta)
            return lambda _: delta
        case ReplaceBody():
            return lambda document: replaced(document, body.replace, body.new, is_everywhere=body.everywhere)
        case AppendBody():
            return lambda document: appended(document, body.append)
        case TextBody():
            return lambda document: made(document, body.text)
    raise InvalidRequestError("say a delta, or what is wanted")


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
