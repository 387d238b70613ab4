"""The proxy that misbehaves on request: each fault is what it says, and ends when it is healed."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from coedit.testing.fault_proxy import FaultProxy, Flow, Side
from tests.system import eventually

_GONE = (ConnectionError, asyncio.IncompleteReadError)


@asynccontextmanager
async def _echo() -> AsyncIterator[tuple[FaultProxy, list[asyncio.StreamWriter]]]:
    """A server that answers with what it gets, behind a proxy; gives also the server's ends of its connections."""
    ends: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(writer)
        try:
            while block := await reader.read(65536):
                writer.write(block)
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with FaultProxy("127.0.0.1", port, rng=random.Random(1)) as proxy:
        yield proxy, ends
    server.close()


class _Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, proxy: FaultProxy) -> "_Client":
        return cls(*await asyncio.open_connection("127.0.0.1", proxy.port))

    async def ask(self, text: bytes, seconds: float = 5.0) -> bytes:
        self.writer.write(text)
        return await self.hear(len(text), seconds)

    def is_gone(self) -> bool:
        return self.reader.at_eof() or self.reader.exception() is not None

    async def hear(self, count: int, seconds: float = 5.0) -> bytes:
        async with asyncio.timeout(seconds):
            return await self.reader.readexactly(count)


async def test_proxy_that_is_not_asked_for_anything_changes_nothing() -> None:
    async with _echo() as (proxy, _):
        client = await _Client.of(proxy)
        text = bytes(range(256)) * 4000
        assert await client.ask(text) == text


async def test_delay_keeps_the_order() -> None:
    async with _echo() as (proxy, _):
        client = await _Client.of(proxy)
        proxy.there = Flow(delay_seconds=0.05, jitter_seconds=0.05)
        started = time.monotonic()
        for number in range(5):
            client.writer.write(b"%d" % number)
            await asyncio.sleep(0.005)
        assert await client.hear(5) == b"01234"
        assert time.monotonic() - started >= 0.05


async def test_bandwidth_is_limited() -> None:
    async with _echo() as (proxy, _):
        client = await _Client.of(proxy)
        proxy.back = Flow(bytes_per_second=2000)
        started = time.monotonic()
        assert len(await client.ask(b"x" * 1000)) == 1000
        assert time.monotonic() - started >= 0.4


@pytest.mark.parametrize("direction", ["there", "back"])
async def test_direction_that_is_held_lets_through_later_what_was_held(direction: str) -> None:
    async with _echo() as (proxy, _):
        client = await _Client.of(proxy)
        getattr(proxy, direction).is_held = True
        with pytest.raises(TimeoutError):
            await client.ask(b"hello", 0.2)
        proxy.heal()
        assert await client.hear(5) == b"hello"


async def test_one_direction_that_is_held_leaves_the_other() -> None:
    async with _echo() as (proxy, ends):
        client = await _Client.of(proxy)
        await client.ask(b"hello")
        proxy.there.is_held = True
        ends[0].write(b"news")
        assert await client.hear(4) == b"news"


@pytest.mark.parametrize("lost", ["near", "far"])
async def test_half_open_connection_is_believed_in_until_it_is_healed(lost: Side) -> None:
    async with _echo() as (proxy, ends):
        client = await _Client.of(proxy)
        await client.ask(b"hello")
        far: Callable[[], bool] = ends[0].transport.is_closing
        sides = {"near": client.is_gone, "far": far}
        proxy.half_open(lost)
        await eventually(sides.pop(lost), "the side that lost it knows")
        ((other, is_gone),) = sides.items()
        (client.writer if other == "near" else ends[0]).write(b"are you there?")
        await asyncio.sleep(0.1)
        assert not is_gone()
        proxy.heal()
        await eventually(is_gone, "the other side knows, too")


async def test_flaky_connection_ends_in_the_middle_of_what_is_said() -> None:
    async with _echo() as (proxy, _):
        client = await _Client.of(proxy)
        proxy.back = Flow(cut_probability=1)
        with pytest.raises(_GONE):
            await client.ask(b"hello")
        proxy.heal()
        assert await (await _Client.of(proxy)).ask(b"hello") == b"hello"


async def test_cut_resets_and_refusal_lets_nobody_in() -> None:
    async with _echo() as (proxy, _):
        client = await _Client.of(proxy)
        await client.ask(b"hello")
        proxy.cut()
        with pytest.raises(_GONE):
            await client.ask(b"hello")
        proxy.refuses = True
        with pytest.raises(_GONE):
            await (await _Client.of(proxy)).ask(b"hello")


async def test_last_words_before_an_orderly_end_arrive() -> None:
    async with _echo() as (proxy, ends):
        client = await _Client.of(proxy)
        await client.ask(b"hello")
        ends[0].write(b"bye" * 20_000)
        ends[0].close()
        assert len(await client.hear(60_000)) == 60_000


async def test_far_side_may_be_chosen_for_each_connection() -> None:
    async with _echo() as (first, _), _echo() as (second, _):
        ports = iter([first.port, second.port])
        async with FaultProxy("", 0, choose=lambda: ("127.0.0.1", next(ports))) as proxy:
            first.hold()
            held, free = await _Client.of(proxy), await _Client.of(proxy)
            assert await free.ask(b"hello") == b"hello"
            with pytest.raises(TimeoutError):
                await held.ask(b"hello", 0.1)
