"""A socket that was closed under a connection to Redis is a lost connection, for which uvloop has a RuntimeError."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.store.redis.connection import connect
from coedit.store.redis.quick_connection import QuickConnection
from coedit.store.redis.raw_line import greeted
from coedit.store.redis.resp import pack
from tests.redis_server import redis_server


async def _closed(redis: Redis) -> Any:
    connection = await greeted(redis)
    connection._writer.transport.abort()
    await asyncio.sleep(0)
    return connection


async def _commands(redis: Redis) -> None:
    with pytest.raises(RedisConnectionError):
        await (await _closed(redis)).send_command("PING")


async def _taken_over(redis: Redis) -> None:
    quick = QuickConnection(redis)
    await quick.ask(pack((b"PING",)), 1)
    line: Any = quick._line
    line._transport.abort()
    # It is made once more, whatever the first one is found to be.
    assert await quick.ask(pack((b"PING",)), 1) == [b"PONG"]


@pytest.mark.parametrize("use", [_commands, _taken_over])
def test_closed_socket_is_a_lost_connection(tmp_path: Path, use: Callable[[Redis], Awaitable[None]]) -> None:
    async def run(url: str) -> None:
        async with connect(url) as redis:
            await use(redis)

    with redis_server(tmp_path) as url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(url))
