"""WebSockets that were taken over from aiohttp's server, against a client that writes its frames byte by byte."""

import asyncio
import gc
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from struct import pack
from typing import NamedTuple

import pytest
from aiohttp import web
from pydantic import SecretStr

from coedit.errors import ForbiddenError
from coedit.protocol.codec import Codec
from coedit.protocol.frames import encode_frame
from coedit.runtime.lifecycle import survive
from coedit.runtime.serving import serve
from services.gateway.limits.addresses import Addresses
from services.gateway.limits.pace import Pace
from services.gateway.settings import GatewaySettings
from services.gateway.sockets.keeper import Begun, Sockets
from services.gateway.sockets.server_socket import ServerSocket
from services.gateway.sockets.wire import Wire
from tests.ports import free_port
from tests.system import eventually

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MOST_BYTES = 64 * 1024
BUFFER_BYTES = 16 * 1024
BUDGET_BYTES = 256 * 1024
MASK = b"\x01\x02\x03\x04"
_STUCK_SECONDS = 0.5


class Frame(NamedTuple):
    kind: int
    payload: bytes

    @property
    def close_code(self) -> int:
        assert self.kind == CLOSE
        return int.from_bytes(self.payload[:2])


class Server:
    """Echoes what it is sent; ``wires`` are its connections, ``told`` what it was."""

    def __init__(self, ping_seconds: float, **limits: float) -> None:
        self.port = free_port()
        settings = GatewaySettings(secret=SecretStr("a secret for tests only, of 32 b"))
        settings = settings.model_copy(update=limits)
        self.sockets = Sockets(ping_seconds, BUDGET_BYTES, Addresses(settings), Pace.of(settings))
        self.wires: list[Wire] = []
        self.told: list[bytes | str] = []
        self.hears = asyncio.Event()
        """Whether it receives."""
        self.hears.set()
        self.ended = 0
        self.failure: Exception | None = None
        """What beginning to serve runs into."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        return await self.sockets.take(request, ("echo",), MOST_BYTES, self._begin)

    def _begin(self, socket: ServerSocket) -> Begun:
        if self.failure is not None:
            raise type(self.failure)(*self.failure.args)  # a new one: it keeps what it passed through
        self.wires.append(Wire(socket, BUFFER_BYTES))
        return self.wires[-1], self._echo(self.wires[-1])

    async def _echo(self, wire: Wire) -> None:
        try:
            await self.hears.wait()
            while (payload := await wire.next_frame()) is not None:
                self.told.append(payload)
                codec = Codec.JSON if isinstance(payload, str) else Codec.MSGPACK
                wire.write_frame(
                    encode_frame(codec, payload.encode() if isinstance(payload, str) else payload)
                )
        finally:
            await wire.say_goodbye()
            wire.finish()
            self.ended += 1


class Client:
    """A TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, kind: int, payload: bytes = b"", *, first: int = 0x80) -> None:
        """Write a frame, the last of its message unless ``first`` says something else of its first byte."""
        self.writer.write(frame(kind, payload, first=first))

    async def receive(self) -> Frame:
        """Return the next frame."""
        async with asyncio.timeout(10):
            first, length = await self.reader.readexactly(2)
            if length == 126:
                length = int.from_bytes(await self.reader.readexactly(2))
            elif length == 127:
                length = int.from_bytes(await self.reader.readexactly(8))
            return Frame(first & 0xF, await self.reader.readexactly(length))

    async def until_stuck(self, data: bytes) -> int:
        """Write ``data`` again and again, until it is not taken any more; return how often it was written."""
        written = 0
        with suppress(TimeoutError):
            while True:
                self.writer.write(data)
                written += 1
                async with asyncio.timeout(_STUCK_SECONDS):
                    await self.writer.drain()
        return written

    async def at_end(self) -> bool:
        """Return whether nothing comes any more but the end."""
        async with asyncio.timeout(10):
            return await self.reader.read() == b""


def frame(kind: int, payload: bytes = b"", *, first: int = 0x80) -> bytes:
    size = len(payload)
    header = pack("!BB", first | kind, 0x80 | size) if size < 126 else pack("!BBQ", first | kind, 0xFF, size)
    return header + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


@asynccontextmanager
async def serving(ping_seconds: float = 60.0, **limits: float) -> AsyncIterator[Server]:
    server = Server(ping_seconds, **limits)
    app = web.Application()
    app.router.add_get("/", server.handle)
    runner = await serve(app, "127.0.0.1", server.port)
    pinging = asyncio.create_task(survive("ping", server.sockets.ping_step, asyncio.Event(), lambda: None))
    try:
        yield server
    finally:
        pinging.cancel()
        await runner.cleanup()


@asynccontextmanager
async def connected(server: Server, early: bytes = b"") -> AsyncIterator[Client]:
    """Return a client whose upgrade was answered; ``early`` comes with the request."""
    client = Client(*await asyncio.open_connection("127.0.0.1", server.port))
    key = b64encode(b"0123456789abcdef").decode()
    head = [
        "GET / HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: other, echo",
    ]
    client.writer.write(("\r\n".join(head) + "\r\n\r\n").encode() + early)
    answer = await client.reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"Sec-WebSocket-Protocol: echo\r\n" in answer
    try:
        yield client
    finally:
        client.writer.close()


async def test_messages_come_whole_however_they_are_cut() -> None:
    async with serving() as server, connected(server) as client:
        client.send(TEXT, "Grü".encode(), first=0)
        client.send(PING, b"between")
        client.send(0, "ße".encode())
        assert await client.receive() == Frame(PONG, b"between")
        assert await client.receive() == Frame(TEXT, "Grüße".encode())
        for byte in frame(BINARY, b"x" * 200):
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        assert await client.receive() == Frame(BINARY, b"x" * 200)
        assert server.told == ["Grüße", b"x" * 200]


async def test_frame_that_comes_with_the_request_is_not_lost() -> None:
    async with serving() as server, connected(server, frame(TEXT, b"early")) as client:
        assert await client.receive() == Frame(TEXT, b"early")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(3), 1002),
        (frame(TEXT, first=0xC0), 1002),
        (frame(PING, first=0), 1002),
        (frame(0, b"of nothing"), 1002),
        (frame(BINARY, b"x" * MOST_BYTES), 1009),
    ],
    ids=["no UTF-8", "no opcode", "reserved bit", "ping in pieces", "no beginning", "too large"],
)
async def test_what_is_against_the_protocol_ends_the_connection_with_its_code(sent: bytes, code: int) -> None:
    async with serving() as server, connected(server) as client:
        client.send(TEXT, b"before")
        client.writer.write(sent)
        client.send(TEXT, b"after")
        assert await client.receive() == Frame(TEXT, b"before")
        assert (await client.receive()).close_code == code
        client.send(CLOSE, pack("!H", code))
        assert await client.at_end()
        await eventually(lambda: server.ended == 1, "its task has ended")
        assert server.told == ["before"]


@pytest.mark.parametrize(
    ("failure", "code"), [(ValueError("a defect"), 4500), (ForbiddenError("\udcff" + "é" * 100), 4403)]
)
async def test_what_fails_after_the_upgrade_ends_the_socket(failure: Exception, code: int) -> None:
    async with serving() as server, connected(server) as client:
        server.failure = failure
        async with connected(server) as refused:
            closing = await refused.receive()
            assert closing.close_code == code
            assert closing.payload[2:].decode()  # whole characters
            assert await refused.at_end()  # though it never answers
        server.failure = None
        client.send(TEXT, b"me too")
        assert await client.receive() == Frame(TEXT, b"me too")


async def test_close_of_the_client_is_answered() -> None:
    async with serving() as server, connected(server) as client:
        client.send(CLOSE, pack("!H", 1001))
        assert (await client.receive()).close_code == 1000
        assert await client.at_end()
        await eventually(lambda: server.ended == 1, "its task has ended")


async def test_close_of_the_server_waits_for_the_answer_and_ends_either_way() -> None:
    async with serving() as server, connected(server) as polite, connected(server) as vanished:
        await eventually(lambda: len(server.wires) == 2, "both are there")
        loop = asyncio.get_running_loop()
        leaving = asyncio.create_task(server.sockets.send_away(loop.time() + 30))
        assert (await polite.receive()).close_code == (await vanished.receive()).close_code == 4503
        assert server.ended == 0
        vanished.writer.transport.abort()
        polite.send(CLOSE, pack("!H", 4503))
        assert await leaving == 2
        assert await polite.at_end()
        async with connected(server) as late:
            assert (await late.receive()).close_code == 4503


async def test_client_that_answers_no_close_is_ended_at_the_deadline() -> None:
    async with serving() as server, connected(server) as client:
        await eventually(lambda: len(server.wires) == 1, "it is there")
        assert await server.sockets.send_away(asyncio.get_running_loop().time() + 0.1) == 1
        assert (await client.receive()).close_code == 4503
        await eventually(lambda: server.ended == 1, "its task has ended")


async def test_silent_client_is_pinged_and_given_up_unless_it_answers() -> None:
    async with serving(2.0) as server, connected(server) as alive, connected(server) as dead:
        answered = 0

        async def answer() -> None:
            nonlocal answered
            while True:
                assert await alive.receive() == Frame(PING, b"")
                alive.send(PONG)
                answered += 1

        answering = asyncio.create_task(answer())
        await eventually(lambda: server.ended == 1, "the one that is silent is given up")
        await eventually(lambda: answered == 2, "the other one is asked again")
        answering.cancel()
        assert await dead.receive() == Frame(PING, b"")
        assert server.ended == 1


async def test_client_that_sends_faster_than_it_is_heard_is_read_no_further() -> None:
    async with serving() as server, connected(server) as client:
        server.hears.clear()
        async with connected(server) as flood:
            await eventually(lambda: len(server.wires) == 2, "it is there")
            sent = await flood.until_stuck(frame(BINARY, b"x" * 10_000))
            server.hears.set()
            for _ in range(sent):
                assert (await flood.receive()).kind == BINARY
        client.send(TEXT, b"me too")
        assert await client.receive() == Frame(TEXT, b"me too")


async def test_client_that_asks_for_pongs_and_reads_none_is_not_heard_for_ever() -> None:
    async with serving() as server, connected(server) as client:
        await client.until_stuck(frame(PING, b"x" * 125) * 1000)
        assert server.wires[0].buffered_bytes < 1024 * 1024
        client.writer.transport.abort()
        await eventually(lambda: server.ended == 1, "its task has ended")


async def test_nothing_of_the_request_is_kept() -> None:
    async with serving() as server, connected(server) as client:
        client.send(TEXT, b"hello")
        await client.receive()
        assert len(server.wires) == 1
        gc.collect()
        of_requests = web.BaseRequest, web.RequestHandler, web.WebSocketResponse
        assert [one for one in gc.get_objects() if isinstance(one, of_requests)] == []


async def test_request_that_is_no_upgrade_is_refused() -> None:
    async with serving() as server:
        client = Client(*await asyncio.open_connection("127.0.0.1", server.port))
        client.writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await client.reader.read()).startswith(b"HTTP/1.1 400")
        client.writer.close()
        assert server.wires == []
