"""Leases whose shards lie on several Redis nodes, one of which is in trouble."""

from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE, connect
from coedit.store.redis.leases import ShardLeases
from coedit.store.redis.topology import Nodes
from tests.redis_server import redis_server

SHARDS = 8


class TwoNodes(Nodes):
    """Even shards on one node, odd ones and all else on the other."""

    def __init__(self, even: Redis, odd: Redis) -> None:
        self._places = even, odd

    def _find(self, key: str) -> Redis | None:
        number = key.strip("{}")
        return self._places[int(number) % 2 if number.isdigit() else 1]


async def test_trouble_with_one_node_leaves_the_leases_on_the_other_alone(tmp_path: Path) -> None:
    async with AsyncExitStack() as clients:
        with redis_server(tmp_path / "even") as even_url, ExitStack() as odd_server:
            odd_url = odd_server.enter_context(redis_server(tmp_path / "odd"))
            even = await clients.enter_async_context(connect(even_url))
            odd = await clients.enter_async_context(connect(odd_url))
            leases = ShardLeases(TwoNodes(even, odd), "tester", Shard.owner.__get__, SHARDS, ttl_seconds=60)
            assert await leases.keep() == ({Shard(number) for number in range(SHARDS)}, set())
            await even.pexpire(Shard(0).owner, 30_000)
            odd_server.close()
            gained, lost = await leases.keep()
            assert not gained
            assert not lost
            assert await even.pttl(Shard(0).owner) > 30_000  # renewed
    with pytest.raises(TROUBLE):
        await leases.keep()  # nobody answers: that is for the loop to back off from
