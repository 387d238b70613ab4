"""A document in other formats, over plain HTTP (see ``docs/formats.md``).

`Session.formats` makes one with its token.
"""

import asyncio

import aiohttp
import orjson
from yarl import URL

from coedit.client.events import DocumentError
from coedit.client.history import PastEdit
from coedit.client.rest import refusal_of
from coedit.client.traces import tracing_configs
from coedit.errors import UnavailableError
from coedit.identifiers import Revision, document_id, escape

_PATIENCE_SECONDS = 90.0
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
_AGAIN = ("unavailable", "overloaded")


class DocumentFormats:
    """Exports and imports one document. A format is ``text``, ``markdown``, ``html``, ``delta`` or ``yjs``.

    Every method raises `DocumentError` where the server refuses, `UnavailableError` where it cannot be reached.
    """

    def __init__(
        self,
        url: str,
        name: str,
        token: str | None = None,
        author: str | None = None,
        *,
        traces: bool = False,
    ) -> None:
        self._url = url.rstrip("/")
        self._document = escape(document_id(name))
        self._token = token
        self._author = author
        self._tracing = tracing_configs(traces=traces)

    async def export_as(self, form: str, moment: str | int = "head") -> bytes:
        """Return the document at a moment, as a file of this format."""
        return await self._ask("GET", "export", {"format": form, "at": str(moment)}, None)

    async def import_from(self, form: str, body: bytes, *, root: str | None = None) -> PastEdit:
        """Make the document what a file holds, by one edit; what others write meanwhile stays.

        ``root`` is the name of the shared text in a Yjs update, by default ``content``.
        """
        head = orjson.loads(await self._ask("GET", "history", {"limit": "1"}, None))["head"]
        query = {"format": form, "base_revision": str(head)}
        query |= {"root": root} if root else {}
        query |= {"author": self._author} if self._author else {}
        # On one base revision the same is imported once, however often it is said.
        for _ in range(_ATTEMPTS - 1):
            try:
                return _edit(await self._ask("POST", "import", query, body))
            except UnavailableError:
                pass
            except DocumentError as error:
                if error.refusal not in _AGAIN:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)
        return _edit(await self._ask("POST", "import", query, body))

    async def _ask(self, method: str, what: str, query: dict[str, str], body: bytes | None) -> bytes:
        # Encoded already, as in coedit.client.rest.
        address = URL(f"{self._url}/v1/{what}/{self._document}", encoded=True)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trace_configs=self._tracing) as http,
                http.request(method, address.with_query(query), data=body, headers=headers) as answer,
            ):
                if answer.status != 200:
                    raise await refusal_of(answer)
                return await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UnavailableError(
                f"{self._url} cannot be reached: {str(error) or 'no answer in time'}"
            ) from error


def _edit(answer: bytes) -> PastEdit:
    fields = orjson.loads(answer)
    return PastEdit(Revision(fields["revision"]), fields["changed"])
