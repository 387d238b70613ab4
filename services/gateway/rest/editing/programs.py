"""Edits by programs, exactly once under an ``Idempotency-Key``, and on exactly a revision with ``If-Match``.

A program says a delta on a revision that it knows, or what it wants without positions: to replace what stands there
once, to append, or what the text is to be.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from coedit.errors import InvalidRequestError
from coedit.identifiers import AuthorId, DocumentId
from coedit.ot.delta import Delta
from coedit.ot.wishes import appended, made, replaced
from coedit.protocol.metadata import read_metadata
from coedit.store.documents.history import Past
from services.gateway.rest.editing.conditions import Condition, condition_of
from services.gateway.rest.editing.edit_response import Wish, edit_response
from services.gateway.rest.editing.keyed import Attempt, Keyed
from services.gateway.rest.editing.one_edit import OneEdits, Terms
from services.gateway.rest.moments import Moments
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.edits import EDIT, AppendBody, DeltaBody, EditBody, ReplaceBody, TextBody
from services.gateway.rest.routes.route import Query, Served
from services.gateway.settings import GatewaySettings


class EditRoutes:
    """Edits documents; an edit takes a place of its author's while its base is read."""

    def __init__(self, moments: Moments, edits: OneEdits, keyed: Keyed, settings: GatewaySettings) -> None:
        self._moments = moments
        self._edits = edits
        self._keyed = keyed
        self._max_bytes = settings.gateway_import_bytes

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [EDIT.by(self._edit)]

    async def _edit(self, call: Call[Query, EditBody]) -> web.Response:
        match = condition_of(call.request, "If-Match")
        body = await call.read(self._max_bytes)
        document_id, identity = call.document_id, call.identity
        wanted = _wish(body)
        metadata = read_metadata(body.metadata)

        async def make(attempt: Attempt) -> web.Response:
            said = body.base_revision if isinstance(body, DeltaBody) else None
            base, exact_epoch = await self._base(document_id, identity.author, said, match, attempt)
            delta = await asyncio.to_thread(wanted, base.document)
            wish = Wish(["edit", attempt.name], {}, Terms(exact_epoch, metadata))
            return await edit_response(self._edits, document_id, base, identity, wish, delta)

        said = _said(body) if match is None else [_said(body), match.tags]
        return await self._keyed.answer(call.request, document_id, identity, said, make)

    async def _base(
        self,
        document_id: DocumentId,
        author: AuthorId,
        said: int | None,
        match: Condition | None,
        attempt: Attempt,
    ) -> tuple[Past, int]:
        """Return what an edit is made on, and the epoch in which that is to be the head; 0: it may be anywhere."""
        exact_epoch = 0
        if attempt.noted is not None:
            # It may be made by now, and the document be where nobody wanted it to be.
            said = attempt.noted
            exact_epoch = 0 if match is None else match.epoch_of(attempt.noted)
        elif match is not None:
            head = await self._moments.head(document_id)
            match.require(head.epoch, head.revision)
            exact_epoch = match.epoch_of(head.revision)
            if exact_epoch and said not in (None, head.revision):
                raise InvalidRequestError("base_revision is another one than If-Match names")
            said = head.revision if exact_epoch else said
        async with self._moments.replaying("edit", author):
            base = await self._moments.base(document_id, said)
        if attempt.noted is None:
            await attempt.note(base.revision)
        return base, exact_epoch


def _said(body: EditBody) -> dict[str, Any]:
    """Return a body as it came."""
    fields = type(body).model_fields
    return {fields[name].alias or name: getattr(body, name) for name in body.model_fields_set}


def _wish(body: EditBody) -> Callable[[Delta], Delta]:
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
