"""The commit script's runner on a real Valkey."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from coedit.identifiers import ClientId, Revision, document_id
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.keys import shard_of
from coedit.store.redis.connection import connect
from coedit.store.redis.durability import Durability
from coedit.store.redis.topology import Nodes
from coedit.store.writes.commit import (
    BatchWrite,
    CommitScript,
    Committed,
    DocumentWrite,
    Fenced,
    Misfit,
    Moved,
)
from tests.redis_server import redis_server
from tests.snapshotter_setup import until

SHARDS = 4
DOCUMENT = document_id("notes")


@pytest.fixture
async def redis(redis: Redis) -> Redis:
    """The shard of the one document is owned under the token ``mine``."""
    await redis.set(shard_of(DOCUMENT, SHARDS).owner, "mine")
    return redis


def position(head: int) -> Position:
    return Position(min(1, head), Revision(head), f"mac{head}", Revision(0), Revision(0), 0)


def batch(head: int) -> BatchWrite:
    """The one commit that follows ``head``, from the entry of that number."""
    write = DocumentWrite(DOCUMENT, position(head), position(head + 1), b"message", (b"commit",))
    return BatchWrite(shard_of(DOCUMENT, SHARDS), f"{head}-0", f"{head + 1}-0", [write])


async def test_script_that_redis_forgot_is_loaded_again(redis: Redis) -> None:
    script = CommitScript(redis, "mine")
    (first,) = await script.run([batch(0)])
    await redis.script_flush()
    (second,) = await script.run([batch(1)])
    assert isinstance(first, Committed)
    assert isinstance(second, Committed)
    assert len(await DocumentLog(Nodes(redis), SHARDS).read(DOCUMENT, 1, 2)) == 2


async def test_batch_is_told_when_it_was_written_by_the_clock_of_redis(redis: Redis) -> None:
    before, _ = await redis.time()
    (outcome,) = await CommitScript(redis, "mine").run([batch(0)])
    after, _ = await redis.time()
    assert isinstance(outcome, Committed)
    assert before * 1000 <= outcome.at < (after + 1) * 1000


async def test_bytes_of_a_log_are_counted(redis: Redis) -> None:
    script = CommitScript(redis, "mine")
    await script.run([batch(0)])
    await script.run([batch(1)])
    size_bytes = await redis.hget(shard_of(DOCUMENT, SHARDS).document(DOCUMENT), "log_bytes")
    assert size_bytes == str(2 * len(b"commit")).encode()


async def _everything(redis: Redis) -> dict[Any, Any]:
    return {key: await redis.dump(key) for key in sorted(await redis.keys("*"))}


async def test_stale_owner_writes_nothing_and_tells_nobody(redis: Redis) -> None:
    pubsub = redis.pubsub()
    await pubsub.ssubscribe(shard_of(DOCUMENT, SHARDS).events(DOCUMENT))
    await pubsub.get_message(timeout=5)
    before = await _everything(redis)
    (outcome,) = await CommitScript(redis, "somebody else's").run([batch(0)])
    assert isinstance(outcome, Fenced)
    assert await _everything(redis) == before
    await CommitScript(redis, "mine").run([batch(0)])
    told = [await pubsub.get_message(timeout=5) for _ in range(1)]
    assert [message and message["data"] for message in told] == [b"message"]
    assert await pubsub.get_message(timeout=0.1) is None
    await pubsub.aclose()  # type: ignore[no-untyped-call]


async def test_batch_that_comes_again_is_told_where_the_cursor_is(redis: Redis) -> None:
    script = CommitScript(redis, "mine")
    await script.run([batch(0)])
    before = await _everything(redis)
    assert await script.run([batch(0)]) == [Moved("1-0")]
    assert await _everything(redis) == before


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        (("HSET", "document", "head", "7"), False),
        (("HSET", "document", "epoch", "2"), False),
        (("DEL", "document"), False),
        (("DEL", "log"), True),
        (("XADD", "log", "9-0", "commit", "stray"), True),
        (("XDEL", "log", "1-0"), True),
        (("SET", "log", "not a stream"), True),
        (("SET", "document", "not a hash"), True),
        (("HSET", "damaged", DOCUMENT, "what is wrong"), True),
        (("HSET", "deleted", DOCUMENT, "1 trash 1 2"), False),
        (("HSET", "deleted", DOCUMENT, "2 erasing 1 0"), False),
    ],
    ids=str,
)
async def test_document_that_is_not_where_it_was_stops_the_batch_before_its_first_write(
    redis: Redis, damage: tuple[str, ...], broken: bool
) -> None:
    shard = shard_of(DOCUMENT, SHARDS)
    script = CommitScript(redis, "mine")
    await script.run([batch(0)])
    names = {"document": shard.document(DOCUMENT), "log": shard.log(DOCUMENT)}
    names |= {"damaged": shard.damaged, "deleted": shard.deleted}
    command: Any = redis.execute_command
    await command(*(names.get(word, word) for word in damage))
    before = await _everything(redis)
    assert await script.run([batch(1)]) == [Misfit((DOCUMENT,), broken)]
    assert await _everything(redis) == before


async def test_document_that_was_restored_takes_commits(redis: Redis) -> None:
    await redis.hset(shard_of(DOCUMENT, SHARDS).deleted, DOCUMENT, "2 restored 1 0")
    (outcome,) = await CommitScript(redis, "mine").run([batch(0)])
    assert isinstance(outcome, Committed)


async def test_nothing_is_remembered_of_who_was_refused_in_a_deleted_document(redis: Redis) -> None:
    shard = shard_of(DOCUMENT, SHARDS)
    await redis.hset(shard.deleted, DOCUMENT, "1 erased 1 0")
    write = DocumentWrite(DOCUMENT, position(0), position(0), b"refused", ended=(ClientId("c1"),))
    (outcome,) = await CommitScript(redis, "mine").run([BatchWrite(shard, "0-0", "1-0", [write])])
    assert isinstance(outcome, Committed)
    assert not await redis.exists(shard.ended(DOCUMENT))


async def test_entries_behind_the_cursor_are_trimmed_and_none_before_it(redis: Redis) -> None:
    shard = shard_of(DOCUMENT, SHARDS)
    for number in range(1, 6):
        await redis.xadd(shard.ops, {"submissions": b""}, f"{number}-0")
    await redis.set(shard.cursor, "1-0")
    write = BatchWrite(shard, "1-0", "3-0", [], [b"what could not be decoded"])
    assert isinstance((await CommitScript(redis, "mine").run([write]))[0], Committed)
    left: Any = await redis.xrange(shard.ops)
    assert [entry for entry, _ in left] == [b"4-0", b"5-0"]
    assert await redis.xlen(shard.refused) == 1


async def test_replicated_batch_is_told_only_once_the_replicas_have_it(redis: Redis, tmp_path: Path) -> None:
    with redis_server(tmp_path / "replica") as replica_url:
        replica = connect(replica_url)
        await replica.replicaof("127.0.0.1", str(redis.connection_pool.connection_kwargs["port"]))
        await until(partial(has_replica, redis))
        process_id = (await replica.info("server"))["process_id"]
        script = CommitScript(redis, "mine", Durability("replicated", 1))
        pubsub = redis.pubsub()
        await pubsub.ssubscribe(shard_of(DOCUMENT, SHARDS).events(DOCUMENT))
        await pubsub.get_message(timeout=5)
        await script.run([batch(0)])
        told = await pubsub.get_message(timeout=5)
        assert told is not None
        assert told["data"] == b"message"
        os.kill(process_id, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                await script.run([batch(1)])
        finally:
            os.kill(process_id, signal.SIGCONT)
        assert await pubsub.get_message(timeout=0.1) is None  # neither this batch, nor the first once more
        await pubsub.aclose()  # type: ignore[no-untyped-call]
        await replica.aclose()


async def has_replica(redis: Redis) -> bool:
    await redis.ping()
    return bool(await redis.wait(1, 1))
