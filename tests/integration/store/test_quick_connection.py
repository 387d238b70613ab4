"""The connection of the hot path on a real Valkey: what it answers, and what it does when the connection is lost."""

import asyncio
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from coedit.store.redis import quick_connection
from coedit.store.redis.connection import connect
from coedit.store.redis.quick_connection import QuickConnection
from coedit.store.redis.resp import pack
from coedit.store.redis.stream_reader import QuickStreamReader
from coedit.testing.fault_proxy import FaultProxy
from tests.system import eventually


@pytest.fixture
def quick(redis: Redis) -> Iterator[QuickConnection]:
    connection = QuickConnection(redis)
    yield connection
    connection.close()


async def test_replies_come_in_order_with_errors_in_their_places(quick: QuickConnection) -> None:
    commands = [
        ("SET", "a", "é😀"),
        ("GET", b"a"),
        ("INCRBY", "a", 1),
        ("EVALSHA", "0" * 40, 0),
        ("GET", "b"),
    ]
    replies = await quick.ask(b"".join(map(pack, commands)), len(commands))
    assert replies[:2] == [b"OK", "é😀".encode()]
    assert isinstance(replies[2], ResponseError)
    assert isinstance(replies[3], NoScriptError)
    assert replies[4] is None


async def test_many_ask_at_once_and_each_gets_its_own(quick: QuickConnection) -> None:
    asked = [quick.ask(pack(("ECHO", str(number) * 1000)), 1) for number in range(200)]
    assert await asyncio.gather(*asked) == [[(str(number) * 1000).encode()] for number in range(200)]


async def test_large_commands_and_replies_arrive_whole(quick: QuickConnection) -> None:
    large = bytes(range(256)) * 40_000
    assert await quick.ask(pack(("SET", "large", large)) + pack(("GET", "large")), 2) == [b"OK", large]


async def test_connection_that_the_server_closed_is_made_again(redis: Redis, quick: QuickConnection) -> None:
    (before,) = await quick.ask(pack(("CLIENT", "ID")), 1)
    await redis.execute_command("CLIENT", "KILL", "ID", before)  # type: ignore[no-untyped-call]
    (after,) = await quick.ask(pack(("CLIENT", "ID")), 1)
    assert after != before


async def test_whoever_stops_waiting_leaves_no_reply_behind_for_the_next(
    redis: Redis, quick: QuickConnection
) -> None:
    waiting = asyncio.create_task(quick.ask(pack(("BLPOP", "empty", 0)), 1))

    async def is_blocked() -> bool:
        return bool((await redis.info("clients"))["blocked_clients"])

    await eventually(is_blocked, "it waits")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await redis.rpush("empty", "late")
    assert await quick.ask(pack(("ECHO", "mine")), 1) == [b"mine"]


async def test_answer_that_does_not_come_ends_the_connection(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_connection, "ANSWER_SECONDS", 0.3)
    port = int(redis_url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])
    async with FaultProxy("127.0.0.1", port) as proxy:
        client = connect(f"redis://127.0.0.1:{proxy.port}/0")
        quick = QuickConnection(client)
        assert await quick.ask(pack(("PING",)), 1) == [b"PONG"]
        proxy.there.is_held = proxy.back.is_held = True
        with pytest.raises(RedisTimeoutError):
            await quick.ask(pack(("PING",)), 1)
        proxy.heal()
        assert await quick.ask(pack(("PING",)), 1) == [b"PONG"]
        proxy.refuses = True
        proxy.cut()
        with pytest.raises(RedisConnectionError):
            await quick.ask(pack(("PING",)), 1)
        quick.close()
        await client.aclose()


async def test_streams_are_read_as_by_redis_py(redis: Redis) -> None:
    reader = QuickStreamReader(redis)
    streams = {f"stream {number}".encode(): "0-0" for number in range(64)}
    assert await reader.read(streams, count=10, block_ms=10) == {}
    for number in (3, 17):
        for entry in range(3):
            await redis.xadd(f"stream {number}", {"a": f"{entry}", "b": b"\xff"}, id=f"{entry + 1}-0")
    read = await reader.read(streams, count=2, block_ms=1000)
    expected = {
        f"stream {number}".encode(): [
            (b"1-0", {b"a": b"0", b"b": b"\xff"}),
            (b"2-0", {b"a": b"1", b"b": b"\xff"}),
        ]
        for number in (3, 17)
    }
    assert read == expected
    streams[b"stream 3"], streams[b"stream 17"] = "3-0", "2-0"
    assert await reader.read(streams, count=2, block_ms=1000) == {
        b"stream 17": [(b"3-0", {b"a": b"2", b"b": b"\xff"})]
    }
    reader.close()
