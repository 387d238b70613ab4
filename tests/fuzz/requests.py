"""Hypothesis strategies for requests to REST, and the door that sends them."""

import asyncio
import gzip
import json
import random
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from hypothesis import strategies as st

from coedit.ot.delta import Delta
from coedit.testing.strategies import documents
from tests.fuzz.mutator import VALUES, mutate_bytes
from tests.fuzz.tally import Tally

_SECONDS = 4.0
"""What is no whole request gets no answer, and is waited for no longer."""
_CALM = 0.5


class Request(NamedTuple):
    """A request as it is meant."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


_GETS = ("documents", "history", "at", "diff", "blame", "versions", "export")
_POSTS = ("versions", "restore", "undo", "import")
_ids = st.sampled_from(
    ["fuzz%2Frest", "fuzz%2Fv1-json%2F1", "..", "%2e%2e", "", "%00", "%0A", "%ff", "a/b", "a%2Fb"]
)
_moments = st.sampled_from(
    ["head", "0", "1", "99", "-1", "@0", "@2026-11-25T09:30:00Z", "@x", "version:x", "1e9", "²"]
)
_values = st.one_of(
    _moments, st.text(max_size=8), st.sampled_from(["text", "markdown", "html", "delta", "yjs"])
)
_queries = st.dictionaries(
    st.sampled_from(
        [
            "at",
            "from",
            "to",
            "format",
            "limit",
            "before",
            "after",
            "gap_seconds",
            "base_revision",
            "author",
            "root",
        ]
    ),
    _values,
    max_size=4,
)
_headers = st.dictionaries(
    st.sampled_from(
        ["Accept", "Origin", "Content-Type", "Content-Encoding", "Range", "If-None-Match", "Expect"]
    ),
    st.sampled_from(
        ["text/plain", "*/*", "gzip", "deflate", "br", "http://[", "http://evil", "application/json", "x;q=1"]
    ),
    max_size=2,
)
_bodies = st.one_of(
    st.fixed_dictionaries({"name": st.text(max_size=9), "at": _moments}).map(json.dumps).map(str.encode),
    st.fixed_dictionaries(
        {}, optional={"of": st.text(max_size=5), "since": _moments, "base_revision": st.integers()}
    )
    .map(json.dumps)
    .map(str.encode),
    st.sampled_from(VALUES).map(json.dumps).map(str.encode),
    documents().map(lambda delta: json.dumps(Delta.to_json(delta)).encode()),
    st.text("[]()*_`#<>div&;\n ab😀", max_size=60).map(str.encode),
    st.binary(max_size=40),
    st.binary(max_size=40).map(gzip.compress),
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Draw a request to one of the routes, or to none."""
    method = draw(st.sampled_from(["GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]))
    routes = _GETS if method == "GET" else _POSTS
    route = draw(
        st.sampled_from([f"/v1/{route}/" for route in routes] + ["/", "/readyz/", "/metrics/", "/v1/ws/"])
    )
    body = draw(_bodies) if method == "POST" else b""
    return Request(method, route + draw(_ids), draw(_queries), draw(_headers), body)


class RestDoor:
    """Sends what aiohttp's client would not: a connection for each request, its bytes mutated here and there."""

    def __init__(self, url: str, token: str, tally: Tally) -> None:
        self.tally = tally
        self._address = urlsplit(url)
        self._token = token

    async def play(self, request: Any, rng: random.Random) -> None:
        """Send a request and wait for the status; none at all is right only for what is no whole request."""
        self.tally.sequences += 1
        data = self._bytes(request, rng)
        self.tally.note_sent(data)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_SECONDS):
                self.tally.note_answer(await self._ask(data))

    async def _ask(self, data: bytes) -> str:
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        try:
            writer.write(data)
            line = await reader.readline()
            await reader.read()
            return line.split()[1].decode() if line.startswith(b"HTTP/1") else "hung up"
        finally:
            writer.transport.abort()

    def _bytes(self, request: Request, rng: random.Random) -> bytes:
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in request.query.items())
        lines = [
            f"{request.method} {request.path}{'?' + query if query else ''} HTTP/1.1",
            *(f"Host: {self._address.netloc}", f"Content-Length: {len(request.body)}", "Connection: close"),
            *(f"{name}: {value}" for name, value in request.headers.items()),
            *([f"Authorization: Bearer {self._token}"] if self._token else []),
        ]
        head = "\r\n".join(lines).encode()
        if rng.random() > _CALM:
            head = mutate_bytes(head, rng)
        return head + b"\r\n\r\n" + request.body
