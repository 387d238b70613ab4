"""A Redis that would break the configured level is refused, with reason and remedy; nothing is told too early."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from coedit.errors import UnavailableError
from coedit.identifiers import Revision, document_id
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.keys import Shard, shard_of
from coedit.store.redis.connection import connect
from coedit.store.redis.durability import Durability, Level, UnsafeRedisError
from coedit.store.redis.topology import Nodes
from coedit.store.writes.commit import BatchWrite, CommitScript, Committed, DocumentWrite
from tests.redis_topologies import Single
from tests.system import ServerKind, until

SHARDS = 4
DOCUMENT = document_id("notes")
SHARD = shard_of(DOCUMENT, SHARDS)


@pytest.fixture(scope="module", params=["valkey", "redis7"])
def kind(request: pytest.FixtureRequest) -> ServerKind:
    found: ServerKind = request.param
    return found


@pytest.fixture(scope="module")
def servers(kind: ServerKind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Single]:
    """A server that is as it should be at any level, with one replica."""
    single = Single(tmp_path_factory.mktemp(kind), kind, replicas=1)
    try:
        single.start()
        yield single
    finally:
        single.stop()


@pytest.fixture
async def redis(servers: Single) -> AsyncIterator[Redis]:
    client = connect(servers.url)
    await client.config_set("min-replicas-to-write", 1)
    await client.flushall()
    await client.set(SHARD.owner, "mine")
    yield client
    await client.aclose()


@pytest.fixture
def change(servers: Single) -> Iterator[Callable[[str, str], None]]:
    """A function that changes a setting of the server, until the test is over."""
    before: dict[str, str] = {}

    def set_it(name: str, value: str) -> None:
        before.update({name: servers.setting(name)} | before)
        servers.set(name, value)

    yield set_it
    for name, value in before.items():
        servers.set(name, value)


@pytest.mark.parametrize("level", ["memory", "fsync", "replicated"])
async def test_redis_as_it_should_be_is_accepted(redis: Redis, level: Level) -> None:
    durability = Durability(level, 1)
    await durability.check(Nodes(redis))
    assert durability.must_wait == (level == "replicated")


@pytest.mark.parametrize(
    ("level", "setting", "value", "reason", "remedy"),
    [
        ("memory", "maxmemory-policy", "allkeys-lru", "would evict edits", "set it to noeviction"),
        ("fsync", "maxmemory-policy", "volatile-ttl", "would evict edits", "set it to noeviction"),
        (
            "fsync",
            "appendonly",
            "no",
            "nothing reaches the disk",
            "set appendonly yes, or COEDIT_DURABILITY=memory",
        ),
        (
            "fsync",
            "appendfsync",
            "no",
            "cannot wait for the disk",
            "set it to always, or COEDIT_DURABILITY=memory",
        ),
        ("fsync", "no-appendfsync-on-rewrite", "yes", "unsynced during a rewrite", "set it to no"),
        ("replicated", "appendonly", "no", "nothing reaches the disk", "set appendonly yes"),
        ("replicated", "min-replicas-to-write", "0", "min-replicas-to-write is 0", "set it to 1"),
    ],
)
async def test_setting_that_breaks_the_level_is_refused(
    redis: Redis,
    change: Callable[[str, str], None],
    level: Level,
    setting: str,
    value: str,
    reason: str,
    remedy: str,
) -> None:
    change(setting, value)
    await _refused(redis, Durability(level, 1), reason, remedy)


async def test_memory_asks_nothing_of_the_disk(redis: Redis, change: Callable[[str, str], None]) -> None:
    change("appendonly", "no")
    await Durability("memory").check(Nodes(redis))


@pytest.mark.parametrize(
    ("count", "reason", "remedy"),
    [
        (2, "1 of 2 replicas are connected", "connect the others, or lower COEDIT_REPLICA_COUNT"),
        (0, "1 replicas are connected, and acks wait for 0", "set COEDIT_REPLICA_COUNT=1"),
    ],
)
async def test_other_number_of_replicas_than_is_waited_for_is_refused(
    redis: Redis, count: int, reason: str, remedy: str
) -> None:
    await _refused(redis, Durability("replicated", count), reason, remedy)


async def test_replica_is_refused(servers: Single) -> None:
    replica = connect(servers.url.replace(str(servers.servers[0].port), str(servers.servers[1].port)))
    await _refused(
        replica, Durability("memory"), "it is a replica", "name the master, or use redis[+]sentinel"
    )
    await replica.aclose()


async def test_every_master_is_checked(redis: Redis, servers: Single) -> None:
    replica = connect(servers.url.replace(str(servers.servers[0].port), str(servers.servers[1].port)))
    with pytest.raises(UnsafeRedisError):
        await Durability("memory").check(Several([redis, replica]))
    await replica.aclose()


async def test_everysec_is_accepted_where_the_disk_can_be_waited_for(
    redis: Redis, kind: ServerKind, change: Callable[[str, str], None]
) -> None:
    change("appendfsync", "everysec")
    durability = Durability("fsync")
    if kind == "redis7":
        await _refused(redis, durability, "Redis 7.0.* cannot wait for the disk", "set it to always")
    else:
        await durability.check(Nodes(redis))
        assert durability.must_wait


async def test_cluster_is_refused_as_one_server() -> None:
    node = cast("Redis", Fake(redis_version="7.0.15", redis_mode="cluster"))
    await _refused(node, Durability("memory"), "it is a node of a cluster", "use redis[+]cluster")


async def test_old_version_is_refused() -> None:
    old = cast("Redis", Fake(redis_version="6.2.14"))
    await _refused(old, Durability("memory"), "Redis 6.2.14 is too old", "7.0 or newer, or Valkey")


async def test_waiting_for_the_disk_is_done_once_for_all_batches_and_told_after_it(
    redis: Redis, kind: ServerKind, change: Callable[[str, str], None]
) -> None:
    if kind == "redis7":
        pytest.skip("Redis 7.0 has no WAITAOF")
    change("appendfsync", "everysec")
    durability = Durability("fsync")
    await durability.check(Nodes(redis))
    pubsub = redis.pubsub()
    await pubsub.ssubscribe(SHARD.events(DOCUMENT))
    await pubsub.get_message(timeout=5)
    others = [shard for shard in map(Shard, range(SHARDS)) if shard != SHARD]
    for shard in others:
        await redis.set(shard.owner, "mine")
    await redis.config_resetstat()
    outcomes = await CommitScript(redis, "mine", durability).run([_batch(SHARD), *map(_batch, others)])
    assert [type(outcome) for outcome in outcomes] == [Committed] * SHARDS
    # Once when Redis did not know the script yet, once when it did.
    calls = (await redis.info("commandstats"))["cmdstat_waitaof"]["calls"]
    assert calls <= 2
    told = await pubsub.get_message(timeout=5)
    assert told is not None
    assert told["data"] == b"message"
    assert await pubsub.get_message(timeout=0.1) is None
    await pubsub.aclose()  # type: ignore[no-untyped-call]


async def test_reader_is_told_nothing_that_the_replicas_lack(redis: Redis, servers: Single) -> None:
    """Whoever wrote it: a gateway reads what it did not write, and would tell it."""
    durability = Durability("replicated", 1)
    reader = connect(servers.url)
    log = DocumentLog(Nodes(reader), SHARDS, durability)
    await CommitScript(redis, "mine", durability).run([_batch(SHARD)])
    found = await log.position(DOCUMENT)
    assert found is not None
    servers.servers[1].process.signal(signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            await CommitScript(redis, "mine", durability).run([_batch(SHARD, 1)])
        with pytest.raises(TimeoutError):
            await log.position(DOCUMENT)
    finally:
        servers.servers[1].process.signal(signal.SIGCONT)
    async with asyncio.timeout(10):
        while (found := await _position(log)) is None or found.head < 2:
            pass
    await reader.aclose()


async def test_nothing_is_half_written_when_redis_refuses(
    redis: Redis, change: Callable[[str, str], None], servers: Single
) -> None:
    """Out of memory, or without replicas, a script ends before its first write or goes through."""
    script = CommitScript(redis, "mine")
    await script.run([_batch(SHARD)])
    before = await _everything(redis)
    change("maxmemory", "1")
    with pytest.raises(Exception, match="maxmemory"):
        await script.run([_batch(SHARD, 1)])
    assert await _everything(redis) == before
    servers.set("maxmemory", "0")
    change("min-replicas-to-write", "2")
    with pytest.raises(Exception, match="NOREPLICAS"):
        await script.run([_batch(SHARD, 1)])
    assert await _everything(redis) == before
    servers.set("min-replicas-to-write", "0")
    assert await script.run([_batch(SHARD, 1)]) != []
    until(lambda: servers.servers[1].client.get(SHARD.cursor) == b"2-0", "the replica has it")


class Several(Nodes):
    """Several masters."""

    def __init__(self, masters: Sequence[Redis]) -> None:
        self._masters = masters

    def masters(self) -> Sequence[Redis]:
        return self._masters


class Fake:
    """A master that says ``facts`` of itself."""

    def __init__(self, **facts: str) -> None:
        self._facts = facts

    async def info(self) -> dict[str, Any]:
        return {"role": "master", **self._facts}


async def _refused(redis: Redis, durability: Durability, reason: str, remedy: str) -> None:
    with pytest.raises(UnsafeRedisError, match=f"{reason}.*{remedy}"):
        await durability.check(Nodes(redis))


async def _position(log: DocumentLog) -> Position | None:
    try:
        return await log.position(DOCUMENT)
    except (TimeoutError, UnavailableError):
        return None


async def _everything(redis: Redis) -> dict[Any, Any]:
    return {key: await redis.dump(key) for key in sorted(await redis.keys("*"))}


def _stands_at(head: int) -> Position:
    return Position(min(1, head), Revision(head), f"mac{head}", Revision(0), Revision(0), 0)


def _batch(shard: Shard, head: int = 0) -> BatchWrite:
    write = DocumentWrite(DOCUMENT, _stands_at(head), _stands_at(head + 1), b"message", (b"commit",))
    return BatchWrite(shard, f"{head}-0", f"{head + 1}-0", [write])
