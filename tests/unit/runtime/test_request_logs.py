"""Nothing of a malformed request is logged, and not each of them is a line."""

import asyncio
import json
import logging
from collections.abc import Iterator
from io import StringIO
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from coedit.runtime.logs import JsonFormatter, Sparse
from coedit.runtime.request_logs import MALFORMED, MalformedRequests
from coedit.runtime.serving import serve
from tests.ports import free_port

_TOKEN = "eyJmarkedToken"
_LINES = (
    f"GET /yjs/x?token={_TOKEN}\x01y HTTP/1.1",
    f"GET /yjs/x?token={_TOKEN} y HTTP/1.1",
    f"GET / HTTP/1.1\r\nAuthorization: Bearer {_TOKEN}\x00",
    f"GET / HTTP/1.1\r\nHost: a\r\nHost: {_TOKEN}",
    f"{_TOKEN}",
)


async def _ask(address: str, line: str) -> bytes:
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"{line}\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 15)
    writer.close()
    return answer


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> Iterator[StringIO]:
    """What the handler of a service writes, at the lowest level, as which aiohttp logs some of them."""
    caplog.set_level(logging.DEBUG, "aiohttp.server")
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("gateway"))
    handler.addFilter(MalformedRequests(Sparse(1000.0, lambda: 0.0)))
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


async def test_malformed_requests_are_one_line_that_says_nothing_of_what_they_said(written: StringIO) -> None:
    port = free_port()
    before = MALFORMED._value.get()
    server = await serve(web.Application(), "127.0.0.1", port)
    try:
        for line in _LINES:
            assert (await _ask(f"http://127.0.0.1:{port}", line)).startswith(b"HTTP/1.")
    finally:
        await server.cleanup()
    assert MALFORMED._value.get() - before == len(_LINES)
    (line,) = [json.loads(line) for line in written.getvalue().splitlines() if "aiohttp.server" in line]
    assert (line["level"], line["count"], line["event"]) == ("info", 1, "malformed-request")
    assert _TOKEN not in written.getvalue()
    assert "Traceback" not in written.getvalue()


def test_other_errors_are_logged_as_they_were() -> None:
    try:
        raise KeyError("x")
    except KeyError as error:
        record = logging.LogRecord("a", logging.ERROR, "f", 1, "m", (), (type(error), error, None))
    assert MalformedRequests(Sparse(1.0, lambda: 0.0)).filter(record)
    assert record.exc_info is not None
