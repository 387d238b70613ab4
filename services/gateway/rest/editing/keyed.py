"""What is asked for under an ``Idempotency-Key`` happens once, whichever gateway is asked and however often."""

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
from aiohttp import web

from coedit.errors import InvalidRequestError
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.tokens import Identity
from coedit.store.documents.asked import Asked
from services.gateway.rest.editing.edit_response import edited

_KEY = re.compile(r'"?[!-~ ]{1,255}"?')


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that something is made, under a key or without one."""

    name: str
    """Of what is made: the same each time under one key, and another one without."""
    noted: Revision | None
    """The base that it was made on before, and is made on again; None: it never was, as far as is known."""
    note: Callable[[Revision], Awaitable[None]]
    """Notes the base that it is made on."""


class Keyed:
    """Notes requests that are made under a key, and how they were answered."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    async def answer(
        self,
        request: web.Request,
        document_id: DocumentId,
        identity: Identity,
        said: Any,
        make: Callable[[Attempt], Awaitable[web.Response]],
    ) -> web.Response:
        """Return what was answered before, or else make it; ``said`` is all that is asked for, in plain JSON.

        Raises:
            StillRunningError, AnotherRequestError: see `Asked.begin`.
            CoeditError, RedisError, OSError: it may or may not be made; see ``make``.
        """
        key = _key_of(request, identity)
        if key is None:
            return await make(Attempt(secrets.token_urlsafe(12), None, _note_nothing))
        answer, base = await self._asked.begin(document_id, key, digest(said))
        if answer:
            return edited(orjson.loads(answer))

        async def note(revision: Revision) -> None:
            await self._asked.note_base(document_id, key, str(revision).encode())

        try:
            response = await make(Attempt(key, Revision(int(base)) if base else None, note))
        except BaseException:
            await self._asked.failed(document_id, key)
            raise
        if response.status in (200, 201) and isinstance(response.body, bytes):
            await self._asked.note_answer(document_id, key, response.body)
        else:
            await self._asked.failed(document_id, key)
        return response


def digest(value: Any) -> str:
    """Return what names plain JSON."""
    packed = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return blake2b(packed, digest_size=20).hexdigest()


async def _note_nothing(_: Revision) -> None:
    """Nobody comes back for it."""


def _key_of(request: web.Request, identity: Identity) -> str | None:
    """Return the author's request's key; None: it has none, and is made as often as it is asked for."""
    said = request.headers.get("Idempotency-Key")
    if said is None:
        return None
    if not _KEY.fullmatch(said):
        raise InvalidRequestError("Idempotency-Key has 1 to 255 printable characters")
    return digest([identity.author, said.strip('"')])
