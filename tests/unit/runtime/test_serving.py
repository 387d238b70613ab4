"""An HTTP server that waits for nobody for ever, on real sockets."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from coedit.runtime.serving import ENDED, Patience, serve
from tests.ports import free_port
from tests.system import eventually

_PATIENCE = Patience(head_seconds=0.5, idle_seconds=4.0, answer_seconds=0.5, rest_seconds=0.5)
_HALVES = {
    "nothing": b"",
    "half a line": b"GET /hel",
    "half a head": b"GET /hello HTTP/1.1\r\nHost: here\r\nX-Slow: ",
}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Where a server of two pages and a form answers."""
    app = web.Application()
    app.router.add_get("/hello", _hello)
    app.router.add_get("/much", _much)
    app.router.add_post("/form", _form)
    number = free_port()
    runner = await serve(app, "127.0.0.1", number, _PATIENCE)
    yield number
    await runner.cleanup()


async def _hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _much(_: web.Request) -> web.Response:
    return web.Response(body=bytes(64 * 1024 * 1024))


async def _form(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


@pytest.mark.parametrize("sent", _HALVES.values(), ids=_HALVES)
async def test_requests_that_are_half_sent_end(port: int, sent: bytes) -> None:
    before = _ended("head")
    halves = [await asyncio.open_connection("127.0.0.1", port) for _ in range(50)]
    for _, writer in halves:
        writer.write(sent)
    async with asyncio.timeout(30):
        await asyncio.gather(*(_until_ended(reader) for reader, _ in halves))
    assert _ended("head") == before + 50
    for _, writer in halves:
        writer.close()


async def test_a_second_request_that_is_half_sent_ends(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /hello HTTP/1.1\r\nHost: here\r\n\r\n")
    assert b"200 OK" in await reader.readuntil(b"hello")
    writer.write(b"GET /hello HT")
    async with asyncio.timeout(30):
        await _until_ended(reader)
    writer.close()


async def test_a_half_that_came_with_a_whole_request_ends(port: int) -> None:
    """The parser has it, and does not say so: the connection counts as idle, which ends it as well."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /hello HTTP/1.1\r\nHost: here\r\n\r\nGET /hello HT")
    async with asyncio.timeout(30):
        await _until_ended(reader)
    writer.close()


async def test_a_head_that_comes_byte_by_byte_ends(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /hello HTTP/1.1\r\nX-Slow: ")
    ended = asyncio.create_task(_until_ended(reader))
    async with asyncio.timeout(30):
        while not ended.done():
            writer.write(b"x")
            await asyncio.sleep(0.05)
    writer.close()


async def test_an_answer_that_nobody_reads_ends(port: int) -> None:
    before = _ended("answer")
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET /much HTTP/1.1\r\nHost: here\r\n\r\n")
    await eventually(lambda: _ended("answer") == before + 1, "the connection is ended")
    writer.close()


async def test_a_connection_lasts_from_request_to_request(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for pause_seconds in (1.5, 0.0):
        writer.write(b"GET /hello HTTP/1.1\r\nHost: here\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"hello")
        await asyncio.sleep(pause_seconds)  # longer than a head may take
    writer.close()


async def test_a_body_may_take_longer_than_a_head(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /form HTTP/1.1\r\nHost: here\r\nContent-Length: 20\r\n\r\n")
    for _ in range(20):
        writer.write(b"x")
        await asyncio.sleep(0.1)
    assert b"200 OK" in await reader.readline()
    writer.close()


async def test_no_answer_tells_versions_or_is_sniffed(port: int) -> None:
    async with aiohttp.ClientSession() as http:
        for path in ("/hello", "/nothing"):
            async with http.get(f"http://127.0.0.1:{port}{path}") as answer:
                assert answer.headers["Server"] == "coedit"
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /hello\x01 HTTP/1.1\r\n\r\n")
    refused = await reader.read()
    assert b" 400 " in refused
    assert b"\r\nServer: coedit\r\n" in refused
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in refused
    writer.close()


def _ended(what: str) -> float:
    return float(ENDED.labels(what)._value.get())


async def _until_ended(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(1000):
            pass
    except ConnectionError:
        pass  # a reset is an end, too


@pytest.mark.parametrize("expected", [b"\xff\xfe", b"200-ok"])
async def test_expectation_that_is_none_is_refused_with_a_code(port: int, expected: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: " + expected + b"\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 15)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 417")
    assert b'"code": "invalid-request"' in answer
    assert b"aiohttp" not in answer
