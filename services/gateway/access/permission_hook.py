"""Asks the application what somebody may do with a document: ``COEDIT_PERMISSION_URL``."""

import asyncio
import json
import secrets
import time

import aiohttp
import orjson

from coedit.errors import UnauthorizedError, UndecidedError
from coedit.identifiers import DocumentId
from coedit.protocol.grants import Facets, facets_of
from coedit.protocol.standard_webhooks import secrets_of, signed_headers
from coedit.protocol.tokens import Identity
from coedit.runtime.settings import SettingsError
from coedit.runtime.tracing.active import timed, tracing_calls
from services.gateway.heavy.places import Places
from services.gateway.metrics import PERMISSION_SECONDS, PERMISSIONS
from services.gateway.settings import GatewaySettings

_MOST_BYTES = 16 * 1024
_AT_ONCE = 50
"""So many questions are under way at a time; the others wait for their turn."""
_OF_ONE = 12
"""So many of them for one author."""
_MOST_OF_ONE = 200
"""So many for one author may wait for that: whoever comes back opens what was open."""


class PermissionHook:
    """Signs what it asks, as Standard Webhooks does; an answer that is none is an outage, and no refusal.

    Raises:
        SettingsError: there is no good secret to sign with.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._url = settings.permission_url
        self._seconds = settings.permission_seconds
        try:
            self._keys = secrets_of(settings.permission_secret.get_secret_value())
        except ValueError as error:
            raise SettingsError(f"COEDIT_PERMISSION_SECRET: {error}") from None
        if not self._keys:
            raise SettingsError("COEDIT_PERMISSION_URL needs COEDIT_PERMISSION_SECRET, to sign what is asked")
        self._http: aiohttp.ClientSession | None = None
        self._turns = Places("permission", _AT_ONCE, at_once_of_one=_OF_ONE, most_of_one=_MOST_OF_ONE)

    async def ask(self, identity: Identity, document_id: DocumentId) -> Facets:
        """Return what somebody may do with a document.

        Raises:
            UndecidedError: the application does not say.
            OverloadedError: too much is asked for the same author.
        """
        # Whatever a JSON parser took, half a character or a huge number, this writes.
        question = {"author": identity.author, "document": document_id, "claims": identity.claims}
        body = json.dumps(question).encode()
        async with self._turns.taken(identity.author):
            return await self._answered(body)

    async def _answered(self, body: bytes) -> Facets:
        try:
            async with asyncio.timeout(self._seconds):
                with timed(PERMISSION_SECONDS):
                    granted = await self._answer(body)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, UnauthorizedError) as error:
            PERMISSIONS.labels("undecided").inc()
            raise UndecidedError("what you may do cannot be found out now; try again") from error
        PERMISSIONS.labels("granted" if granted else "denied").inc()
        return granted

    async def aclose(self) -> None:
        """Close its connections."""
        if self._http is not None:
            await self._http.close()

    async def _answer(self, body: bytes) -> Facets:
        if self._http is None:
            connector = aiohttp.TCPConnector(limit=_AT_ONCE)
            self._http = aiohttp.ClientSession(connector=connector, trace_configs=tracing_calls())
        message_id = f"msg_{secrets.token_urlsafe(18)}"
        headers = signed_headers(self._keys, message_id, int(time.time()), body)
        headers["Content-Type"] = "application/json"
        async with self._http.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            if not 200 <= response.status < 300:
                raise ValueError(f"answered with {response.status}")
            answer = await response.content.read(_MOST_BYTES + 1)
            while len(answer) <= _MOST_BYTES and (more := await response.content.read(_MOST_BYTES)):
                answer += more
            if len(answer) > _MOST_BYTES:
                raise ValueError(f"answered with more than {_MOST_BYTES} bytes")
        fields = orjson.loads(answer)
        if not isinstance(fields, dict) or "grants" not in fields:
            raise ValueError("answered without grants")
        return facets_of(fields["grants"])
