"""A document over plain HTTP, without a session."""

from typing import Any, NamedTuple

import aiohttp
import orjson
from yarl import URL

from coedit.client.events import DocumentError
from coedit.client.traces import tracing_configs
from coedit.errors import UnavailableError
from coedit.identifiers import Revision, document_id, escape

_PATIENCE_SECONDS = 30.0


class TextAtHead(NamedTuple):
    """A document's text, and the revision that it was read at."""

    text: str
    revision: Revision
    is_damaged: bool = False
    """Then the revision is the last that the server can vouch for."""


async def fetch_text(url: str, name: str, token: str | None = None, *, traces: bool = False) -> TextAtHead:
    """Return the text of a document, from the gateway at ``url`` (``http://host:port``).

    ``traces``: as a span of the program's, by OpenTelemetry.

    Raises:
        InvalidIdentifierError: no document can have this name.
        DocumentError: the server refuses it.
        UnavailableError: there is no answer.
    """
    body, headers = await _get(url, _path(name), token, "text/plain", traces=traces)
    is_damaged = headers.get("Coedit-Damaged") == "true"
    return TextAtHead(body.decode(), Revision(int(headers["Coedit-Revision"])), is_damaged)


async def fetch_json(url: str, name: str, token: str | None = None, *, traces: bool = False) -> bytes:
    """Return document, epoch, revision and content as the server's JSON; raises as `fetch_text`."""
    return (await _get(url, _path(name), token, "application/json", traces=traces))[0]


async def fetch_status(url: str, token: str | None = None) -> dict[str, Any]:
    """Return how the deployment is, as ``GET /v1/status`` has it; raises as `fetch_text`, of a token too."""
    report: dict[str, Any] = orjson.loads((await _get(url, "/v1/status", token, "application/json"))[0])
    return report


def _path(name: str) -> str:
    return f"/v1/documents/{escape(document_id(name))}"


async def _get(
    url: str, path: str, token: str | None, accept: str, *, traces: bool = False
) -> tuple[bytes, Any]:
    # Encoded already: aiohttp would decode what need not be, and `..` would be a step up.
    address = URL(f"{url.rstrip('/')}{path}", encoded=True)
    headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trace_configs=tracing_configs(traces=traces)) as http,
            http.get(address, headers=headers) as answer,
        ):
            if answer.status == 200:
                return await answer.read(), answer.headers
            raise await refusal_of(answer)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise UnavailableError(f"{url} cannot be reached: {str(error) or 'no answer in time'}") from error


async def refusal_of(answer: aiohttp.ClientResponse) -> DocumentError | UnavailableError:
    """Return the error that an answer is."""
    if answer.content_type != "application/problem+json":
        return UnavailableError(f"{answer.url} answers {answer.status}, which is not coedit")
    fields = orjson.loads(await answer.read())
    return DocumentError(str(fields.get("code", answer.status)), str(fields.get("detail", "")))
