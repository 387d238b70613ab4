"""Heads of requests that nobody's software would send: each is answered, and none leaves a socket behind."""

import asyncio
import json
import re
from collections.abc import Iterator

import pytest

from tests.system import System, eventually

DOORS = ["/v1/ws", "/yjs/notes", "/hocuspocus"]
ORIGINS = [
    b"http://[",
    b"http://[::1",
    b"http://]",
    b"http://[zz]/",
    b"//[",
    b"http://\xff\xfe",
    b"http://" + b"\xf0\x9f\x98\x80" * 40,
    b"http://\xe2\x84\x80.example",
]
_CLOSE = 0x88


@pytest.fixture(scope="module")
def hasty_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that pings each second, so that what is not answered ends soon."""
    system = System(tmp_path_factory.mktemp("system"), settings={"COEDIT_GATEWAY_PING_SECONDS": "1"})
    system.start()
    yield system
    system.stop()


async def _asked(system: System, path: str, *lines: bytes, host: bytes = b"") -> asyncio.StreamReader:
    """Return what answers a GET with these lines in its head, over a connection that stays open."""
    port = int(system.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    at = host or f"127.0.0.1:{port}".encode()
    writer.write(b"\r\n".join([f"GET {path} HTTP/1.1".encode(), b"Host: " + at, *lines, b"", b""]))
    reader.writer = writer  # type: ignore[attr-defined]  # it lives as long as the reader does
    return reader


def _upgrade(protocol: str = "coedit.v1.json") -> list[bytes]:
    return [
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
        b"Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {protocol}".encode(),
    ]


def _connections(system: System) -> float:
    (count,) = re.findall(r"^coedit_gateway_connections (\S+)$", system.metrics("gateway-0"), re.MULTILINE)
    return float(count)


async def _close_frame(reader: asyncio.StreamReader) -> tuple[int, str]:
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    while True:
        first, length = await reader.readexactly(2)
        payload = await reader.readexactly(length)
        if first == _CLOSE:
            return int.from_bytes(payload[:2]), payload[2:].decode()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("origin", ORIGINS)
async def test_malformed_origin_is_told_and_its_socket_ends(
    hasty_system: System, door: str, origin: bytes
) -> None:
    """The client never answers the close frame; nothing is left of it all the same."""
    async with asyncio.timeout(30):
        reader = await _asked(hasty_system, door, *_upgrade(), b"Origin: " + origin)
        code, reason = await _close_frame(reader)
        assert code in (4403, 4422)
        assert reason
        assert await reader.read() == b""
    await eventually(lambda: _connections(hasty_system) == 0, "it is counted no more")


@pytest.mark.parametrize("door", DOORS)
async def test_refused_socket_is_counted_until_it_ends(hasty_system: System, door: str) -> None:
    async with asyncio.timeout(30):
        reader = await _asked(hasty_system, door, *_upgrade(), b"Origin: http://[")
        await _close_frame(reader)
        assert _connections(hasty_system) == 1
        assert await reader.read() == b""


@pytest.mark.parametrize("origin", ORIGINS)
async def test_malformed_origin_of_a_request_is_its_senders_fault(
    hasty_system: System, origin: bytes
) -> None:
    async with asyncio.timeout(30):
        reader = await _asked(hasty_system, "/v1/documents/notes", b"Origin: " + origin, b"Connection: close")
        answer = await reader.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"403")
    assert json.loads(body)["code"] in ("invalid-request", "forbidden")


@pytest.mark.parametrize("host", [b"[", b"[::1", b"]:80", b"[zz]", b"\xff", b"a:b:c"])
@pytest.mark.parametrize("path", ["/v1/documents/notes", *DOORS])
async def test_malformed_host_is_its_senders_fault(hasty_system: System, path: str, host: bytes) -> None:
    lines = [b"Connection: close"] if path.startswith("/v1/documents") else _upgrade()
    async with asyncio.timeout(30):
        reader = await _asked(hasty_system, path, *lines, host=host)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split()[1] in (b"101", b"400", b"403")
        await reader.read()
    await eventually(lambda: _connections(hasty_system) == 0, "nothing is left of it")


@pytest.mark.parametrize(
    "credentials", [b"Bearer \xff\xfe", b"Bearer a.b.c", b"Bearer \xed\xa0\x80", b"\xff"]
)
async def test_token_that_is_no_text_is_not_valid(hasty_system: System, credentials: bytes) -> None:
    async with asyncio.timeout(30):
        reader = await _asked(
            hasty_system, "/v1/documents/notes", b"Authorization: " + credentials, b"Connection: close"
        )
        answer = await reader.read()
    assert answer.split()[1] in ((b"401",) if credentials.startswith(b"Bearer") else (b"200", b"401"))
