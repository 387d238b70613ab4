"""What waits in the shards, and for how long, on a real Valkey."""

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.store.keys import Shard
from coedit.store.redis.connection import connect
from coedit.store.redis.topology import Nodes
from coedit.store.streams.ops import OpsStream, Queue
from tests.ports import free_port

_SHARDS = [Shard(number) for number in range(4)]


async def test_oldest_entry_says_for_how_long_a_shard_has_waited(redis: Redis) -> None:
    seconds, _ = await redis.time()
    for entry_id in (f"{(seconds - 60) * 1000}-0", f"{(seconds - 1) * 1000}-0"):
        await redis.xadd(_SHARDS[1].ops, {"submissions": b"x" * 100_000}, id=entry_id)
    await redis.xadd(
        _SHARDS[2].ops, {"submissions": b""}, id=f"{(seconds + 3600) * 1000}-0"
    )  # its clock went back
    queues = await OpsStream(Nodes(redis)).queues(_SHARDS)
    assert [queues[shard].length for shard in _SHARDS] == [0, 2, 1, 0]
    assert 60 <= queues[_SHARDS[1]].age_seconds < 3600
    assert [queues[shard].age_seconds for shard in (_SHARDS[0], _SHARDS[2], _SHARDS[3])] == [0.0, 0.0, 0.0]


async def test_shard_that_cannot_be_asked_for_hides_no_other(redis: Redis) -> None:
    await redis.set(_SHARDS[0].ops, "no stream")
    queues = await OpsStream(Nodes(redis)).queues(_SHARDS)
    assert queues == {shard: Queue(0, 0.0) for shard in _SHARDS[1:]}
    assert await OpsStream(Nodes(redis)).queues(_SHARDS[:1]) == {}


async def test_node_that_does_not_answer_is_no_empty_queue() -> None:
    nowhere = connect(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(RedisConnectionError):
        await OpsStream(Nodes(nowhere)).queues(_SHARDS)
    await nowhere.aclose()
