"""The way in on a real Valkey: the submissions of a turn arrive together, or none of them does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Submission
from coedit.store.keys import Shard
from coedit.store.redis.stream_reader import QuickStreamReader
from coedit.store.redis.topology import Nodes
from coedit.store.streams.ops import Addressed, OpsStream
from tests.system import eventually

SHARDS = (Shard(0), Shard(1), Shard(2))
TURN: dict[Shard, Any] = {
    shard: [
        Addressed(
            DocumentId(f"in {shard.number}"),
            Submission(
                ClientId("c"), ClientSequence(1), AuthorId("ada"), 1, Revision(0), Delta().insert("x")
            ),
        )
    ]
    for shard in SHARDS
}


@pytest.fixture
def ops(redis: Redis) -> Iterator[OpsStream]:
    stream = OpsStream(Nodes(redis))
    yield stream
    stream.close()


@pytest.fixture
async def unrestricted(redis: Redis) -> AsyncIterator[Redis]:
    yield redis
    await redis.config_set("maxmemory", 0)


async def test_whoever_reads_gets_all_shards_of_a_turn_at_once(redis: Redis, ops: OpsStream) -> None:
    reader = QuickStreamReader(redis)
    reading = asyncio.create_task(
        reader.read({shard.ops.encode(): "0-0" for shard in SHARDS}, count=10, block_ms=4000)
    )

    async def is_blocked() -> bool:
        return bool((await redis.info("clients"))["blocked_clients"])

    await eventually(is_blocked, "it waits")
    assert await ops.add(TURN) == {}
    assert set(await reading) == {shard.ops.encode() for shard in SHARDS}
    reader.close()


async def test_each_shard_of_a_turn_that_was_refused_is_named_with_the_reason(
    unrestricted: Redis, ops: OpsStream
) -> None:
    await unrestricted.config_set("maxmemory", 1)
    failed = await ops.add(TURN)
    assert failed.keys() == set(SHARDS)
    assert all(isinstance(error, RedisError) and "maxmemory" in str(error) for error in failed.values())
    await unrestricted.config_set("maxmemory", 0)
    assert await ops.add(TURN) == {}
    assert [await unrestricted.xlen(shard.ops) for shard in SHARDS] == [1, 1, 1]
