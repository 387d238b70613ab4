"""A marked token is sent down every path that fails; no log of any process has it."""

import asyncio
from collections.abc import Iterator

import aiohttp
import pytest

from coedit.protocol.yjs.hocuspocus import write_frame
from coedit.protocol.yjs.lib0 import write_text
from tests.integration.test_access import token
from tests.system import System

MARK = "MARKEDxTOKENx"
TOKENS = [
    MARK,
    f"{MARK}.{MARK}.{MARK}",
    "eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiTUFSS0VEeFRPS0VOeCJdfQ." + MARK + "." + MARK,
    token({"*": "write"}, key=b"another secret, " * 4, name=MARK) + MARK,
    MARK * 400,
]
RAW = [
    MARK.encode() + b"\xff",
    MARK.encode() + b"\xed\xa0\x80",
    MARK.encode() + b" y",
    b"\x01" + MARK.encode(),
]
_UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: coedit.v1.json\r\n"
)
DOORS = [b"/v1/ws", b"/yjs/notes", b"/hocuspocus", b"/v1/documents/notes", b"/nothing"]


@pytest.fixture(scope="module")
def closed_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that asks for tokens, and logs all that it does."""
    settings = {"COEDIT_GATEWAY_OPEN": "0", "COEDIT_LOG_LEVEL": "DEBUG"}
    system = System(tmp_path_factory.mktemp("system"), settings=settings)
    system.start()
    yield system
    system.stop()


async def _raw(system: System, head: bytes) -> None:
    """Send bytes, and read until the other side is silent or ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(system.url.rpartition(":")[2]))
    writer.write(head)
    await asyncio.wait([asyncio.ensure_future(reader.read(1000))], timeout=5)
    writer.transport.abort()


async def _all_heads(system: System) -> None:
    for door in DOORS:
        for mark in [*RAW, *(text.encode() for text in TOKENS)]:
            for more in (b"", _UPGRADE):
                query = (
                    b"GET " + door + b"?token=" + mark + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + more + b"\r\n"
                )
                bearer = b"GET " + door + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + mark
                await asyncio.gather(_raw(system, query), _raw(system, bearer + b"\r\n" + more + b"\r\n"))
    for head in (
        b"POST /v1/documents/notes?token=%s\r\n\r\n",
        b"%s / HTTP/9.9\r\n\r\n",
        b"GET /%%zz?token=%s HTTP/1.1\r\n\r\n",
    ):
        await _raw(system, head % MARK.encode())


async def _all_frames(system: System) -> None:
    async with aiohttp.ClientSession() as session:
        for one in [*TOKENS, MARK + "\ud800", MARK + "\x01"]:
            hellos = [
                {"type": "hello", "token": one},
                {"type": "hello", "token": token({"*": "write"}), "client_id": "c", "resume_token": one},
                {"type": "hello", MARK: one},
                {"type": one},
            ]
            for hello in hellos:
                async with session.ws_connect(f"{system.url}/v1/ws", protocols=["coedit.v1.json"]) as socket:
                    await socket.send_json(hello)
                    await socket.receive(10)
            safe = one.encode("utf-8", "replace").decode()
            frames = [
                write_frame("notes", b"\x02\x00" + write_text(safe)),
                write_frame(safe, b"\x02\x00" + write_text(safe)),
            ]
            for frame in frames:
                async with session.ws_connect(f"{system.url}/hocuspocus") as socket:
                    await socket.send_bytes(frame)
                    await socket.receive(15)


async def test_no_log_has_the_token(closed_system: System) -> None:
    async with asyncio.timeout(300):
        await _all_heads(closed_system)
        await _all_frames(closed_system)
    logs = {
        name: process.log.read_text(errors="replace") for name, process in closed_system.processes.items()
    }
    assert "refuse" in logs["gateway-0"]
    found = [line[:600] for log in logs.values() for line in log.splitlines() if MARK in line]
    assert found == []
    assert max(len(line) for line in logs["gateway-0"].splitlines()) < 16_384
