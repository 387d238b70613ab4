"""Requests to a real gateway, as a program makes them."""

from typing import Any, NamedTuple

import aiohttp
import orjson
from yarl import URL

from coedit.identifiers import escape


class Answered(NamedTuple):
    """A response, read whole."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def tag(self) -> str:
        tag: str = self.headers["ETag"]
        return tag

    @property
    def code(self) -> str:
        code: str = self.json["code"]
        return code


async def ask(
    url: str,
    method: str,
    name: str = "",
    *,
    behind: str = "",
    token: str = "",
    body: Any = None,
    headers: dict[str, str] | None = None,
    **query: Any,
) -> Answered:
    """Ask about the document ``name``, or about all of them; ``behind`` follows it in the path."""
    path = f"/v1/documents/{escape(name)}{behind}" if name else "/v1/documents"
    sent = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
    address = URL(url + path, encoded=True).with_query(query)
    packed = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, address, data=packed, headers=sent) as response,
    ):
        return Answered(response.status, response.headers, await response.read())


async def listed(url: str, *, token: str = "", limit: int = 100, **query: Any) -> list[str]:
    """Return all documents, page by page."""
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        answer = await ask(url, "GET", token=token, after=after, limit=limit, **query)
        assert answer.status == 200, answer.body
        some = [one["document"] for one in answer.json["documents"]]
        assert len(some) <= limit
        found += some
        after = answer.json["after"]
    return found
