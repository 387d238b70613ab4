"""The snapshotter as a process, on a real Valkey: nothing is lost, and one document's trouble stays its own."""

import asyncio
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from coedit.crdt.document import YjsDocument
from coedit.identifiers import ClientId, document_id, escape
from coedit.ot.delta import Delta
from coedit.protocol.events import SnapshotStored, decode_events
from coedit.store.keys import Shard
from tests.snapshotter_setup import Author, Process, Store, snapshotter, until

NEVER = 3600
STRANGE_IDS = ["room a/b?x", "é%2F", "..", "😀", "x" * 255, "日" * 85]


@pytest.fixture
def objects_url(tmp_path: Path) -> str:
    return (tmp_path / "objects").as_uri()


@pytest.fixture
def store(redis: Redis, objects_url: str) -> Store:
    return Store(redis, objects_url)


def author(redis: Redis, name: str = "notes") -> Author:
    return Author(redis, document_id(name))


async def metric(process: Process, line_start: str) -> float:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{process.health_url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
    except aiohttp.ClientConnectionError:  # not up yet
        return 0.0
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(line_start)), 0.0)


async def test_snapshot_appears_once_a_document_is_quiet(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    ada = author(redis)
    await ada.type(20)
    channel = redis.pubsub()
    await channel.ssubscribe(ada.shard.events(ada.document_id))
    async with snapshotter(redis_url, objects_url):
        snapshot = await until(lambda: store.covered(ada))
        message = await until(lambda: channel.get_message(ignore_subscribe_messages=True, timeout=1))
    assert decode_events(message["data"]) == [SnapshotStored(snapshot.revision)]
    assert (snapshot.number, snapshot.revision, snapshot.mac, snapshot.epoch) == (1, 20, ada.mac, 1)
    assert snapshot.document == ada.document == YjsDocument(ada.document_id, snapshot.update).content
    assert snapshot.last_sequences == {ClientId("c1"): 20}
    await channel.aclose()  # type: ignore[no-untyped-call]


async def test_snapshot_appears_after_enough_commits_though_it_is_never_quiet(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    ada = author(redis)
    await ada.type(9)
    async with snapshotter(redis_url, objects_url, commits=10, quiet_seconds=NEVER) as process:
        await until(lambda: metric(process, "coedit_snapshotter_changed 1"))
        assert await store.snapshots.newest(ada.document_id) is None
        await ada.type(1)
        snapshot = await until(lambda: store.covered(ada))
    assert (snapshot.number, snapshot.revision) == (1, 10)


async def test_log_of_few_large_commits_is_folded_and_cut_though_it_is_never_quiet(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    """Bounded by their count alone, a thousand frames of 4 MB would stay in Redis."""
    ada = author(redis)
    async with snapshotter(redis_url, objects_url, quiet_seconds=NEVER, bytes=1 << 20):
        for _ in range(20):
            await ada.commit(Delta().insert("x" * 200_000))
            await ada.commit(Delta().delete(200_000))

        async def is_cut() -> bool:
            return await store.log.size_bytes(ada.document_id) <= 1 << 20

        await until(is_cut)
        assert (await store.position(ada)).floor > 0
    await store.assert_whole(ada)


async def test_commit_larger_than_a_log_may_be_stays_at_its_head(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    ada = author(redis)
    await ada.type(5)
    await ada.commit(Delta().insert("x" * 200_000))
    async with snapshotter(redis_url, objects_url, bytes=1 << 16):
        await until(lambda: store.covered(ada))
    assert await redis.xlen(ada.shard.log(ada.document_id)) == 1
    await store.assert_whole(ada)


async def test_snapshots_go_on_from_one_another(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    ada = author(redis)
    async with snapshotter(redis_url, objects_url):
        for number in range(1, 4):
            await ada.type(7)
            snapshot = await until(lambda: store.covered(ada))
            assert snapshot.document == ada.document
            assert snapshot.number >= number
    assert snapshot.state_vector[0] == 1, "all of them derived under one client id"


async def test_trimmed_revisions_are_read_from_the_archive(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    ada = author(redis)
    await ada.type(57)
    async with snapshotter(redis_url, objects_url, tail=5, segment_commits=10):
        await until(lambda: store.covered(ada))
    position = await store.position(ada)
    assert position.floor == 52
    assert await redis.xlen(ada.shard.log(ada.document_id)) == 5
    assert await store.archive.segments(ada.document_id) == [(1, 20), (1, 57), (21, 40), (41, 52)]
    await store.assert_whole(ada)


async def test_history_that_a_snapshot_covers_outlives_redis(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    """Whoever kept these commits lets go of them when the snapshot is told of."""
    ada = author(redis)
    async with snapshotter(redis_url, objects_url):
        for count in (7, 1, 30):
            await ada.type(count)
            await until(lambda: store.covered(ada))
    assert (await store.position(ada)).floor == 0
    await redis.flushall()
    assert await store.archive.read(ada.document_id, 1, ada.head) == ada.entries


async def test_short_segments_are_replaced_when_the_log_is_trimmed(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    ada = author(redis)
    async with snapshotter(redis_url, objects_url, tail=5, segment_commits=20):
        for _ in range(9):
            await ada.type(5)
            await until(lambda: store.covered(ada))
    floor = (await store.position(ada)).floor
    assert floor >= 20
    segments = [segment for segment in await store.archive.segments(ada.document_id) if segment.last <= floor]
    assert all(segment.last - segment.first >= 19 for segment in segments)
    await store.assert_whole(ada)


async def test_log_keeps_its_head(redis: Redis, redis_url: str, objects_url: str, store: Store) -> None:
    ada = author(redis)
    await ada.type(6)
    async with snapshotter(redis_url, objects_url, tail=1, segment_commits=1):
        await until(lambda: store.covered(ada))
        await ada.type(1)
        await until(lambda: store.covered(ada))
    assert await redis.xlen(ada.shard.log(ada.document_id)) == 1
    await store.assert_whole(ada)


async def test_old_snapshots_are_pruned(redis: Redis, redis_url: str, objects_url: str, store: Store) -> None:
    ada = author(redis)
    async with snapshotter(redis_url, objects_url, keep=2, quiet_seconds=0.01):
        for _ in range(5):
            await ada.type(2)
            snapshot = await until(lambda: store.covered(ada))
    assert await store.snapshots.read(ada.document_id, 1) is None
    assert snapshot.document == ada.document
    await store.assert_whole(ada)


@pytest.mark.parametrize("name", STRANGE_IDS)
async def test_any_document_id_works(
    redis: Redis, redis_url: str, objects_url: str, store: Store, name: str
) -> None:
    ada = author(redis, name)
    await ada.type(12)
    async with snapshotter(redis_url, objects_url, tail=1, segment_commits=2):
        snapshot = await until(lambda: store.covered(ada))
    assert snapshot.document == ada.document
    await store.assert_whole(ada)


async def test_two_snapshotters_do_no_harm(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    authors = [author(redis, f"document {number}") for number in range(24)]
    settings = {"tail": 3, "segment_commits": 5, "commits": 4, "quiet_seconds": 0.05}
    async with (
        snapshotter(redis_url, objects_url, **settings),
        snapshotter(redis_url, objects_url, **settings),
    ):
        for _ in range(6):
            await asyncio.gather(*(writer.type(5) for writer in authors))
        for writer in authors:
            await until(partial(store.covered, writer))
    for writer in authors:
        await store.assert_whole(writer)


async def test_killed_snapshotter_loses_nothing(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    """Killed just when a snapshot has appeared: before it is noted, or while the log is trimmed."""
    ada = author(redis)
    settings = {"tail": 3, "segment_commits": 4, "commits": 3, "quiet_seconds": 0.02, "scan_seconds": 0.01}
    for life in range(8):
        before = await newest_number(store, ada)
        async with snapshotter(redis_url, objects_url, **settings) as process, asyncio.TaskGroup() as tasks:
            killed = asyncio.Event()
            tasks.create_task(keep_typing(ada, killed))
            await until(partial(made_since, store, ada, before + life % 4))
            process.kill()
            killed.set()
        await store.assert_whole(ada)
    async with snapshotter(redis_url, objects_url, **settings):
        snapshot = await until(lambda: store.covered(ada))
    assert snapshot.document == ada.document
    await store.assert_whole(ada)


async def keep_typing(writer: Author, killed: asyncio.Event) -> None:
    while not killed.is_set():
        await writer.type(1)


async def newest_number(store: Store, writer: Author) -> int:
    snapshot = await store.snapshots.newest(writer.document_id)
    return snapshot.number if snapshot else 0


async def made_since(store: Store, writer: Author, number: int) -> bool:
    return await newest_number(store, writer) > number


async def test_document_that_takes_minutes_hurts_only_itself(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    """Yjs needs seconds for a commit of very many ops; leases and other documents do not wait for it."""
    heavy, later = author(redis, "heavy"), author(redis, "later")
    await heavy.commit(Delta().insert("ab" * 9_500))
    for size in range(10):
        await heavy.commit(
            Delta.from_json([{"retain": 1}, {"retain": 1, "attributes": {"size": size}}] * 9_500)
        )
    async with snapshotter(redis_url, objects_url) as process:
        await until(lambda: metric(process, "coedit_snapshotter_changed"))
        await later.type(3)
        snapshot = await until(lambda: store.covered(later))
        assert snapshot.document == later.document
        assert await store.covered(heavy) is None


async def test_damaged_document_hurts_only_itself(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    damaged, forged, misfit, gap = (author(redis, name) for name in ("damaged", "forged", "misfit", "gap"))
    healthy = [author(redis, f"healthy {number}") for number in range(5)]
    for writer in (damaged, forged, misfit, gap, *healthy):
        await writer.type(5)
    await damaged.commit(Delta().insert("x"), entry=b"\xc1 not a commit")
    await forged.commit(Delta().insert("x"), entry=forged.entries[-1].replace(b"ada", b"eve"))
    misfit.document = Delta().insert("y" * 1000)
    await misfit.commit(Delta().delete(999))
    await redis.xdel(gap.shard.log(gap.document_id), "3-0")
    async with snapshotter(redis_url, objects_url) as process:
        for writer in healthy:
            snapshot = await until(partial(store.covered, writer))
            assert snapshot.document == writer.document
        for reason in ("entry", "log", "fold"):
            line_start = f'coedit_snapshotter_failures_total{{reason="{reason}"}}'
            await until(partial(metric, process, line_start))
    for writer in (damaged, forged, misfit, gap):
        assert await store.snapshots.newest(writer.document_id) is None
        assert await redis.zscore(writer.shard.changed, writer.document_id) is not None


async def test_altered_commit_breaks_the_chain(
    redis: Redis, redis_url: str, objects_url: str, store: Store
) -> None:
    ada = author(redis)
    await ada.type(3)
    entry = ada.entries[-1].replace(b"ada", b"eve")
    key = ada.shard.log(ada.document_id)
    await redis.delete(key)
    for number, body in enumerate([*ada.entries[:2], entry], start=1):
        await redis.xadd(key, {"commit": body}, id=f"{number}-0")
    async with snapshotter(redis_url, objects_url) as process:
        await until(lambda: metric(process, 'coedit_snapshotter_failures_total{reason="chain"}'))
    assert await store.snapshots.newest(ada.document_id) is None


async def test_damaged_snapshot_is_not_built_upon(
    redis: Redis, redis_url: str, objects_url: str, store: Store, tmp_path: Path
) -> None:
    ada = author(redis)
    await ada.type(3)
    async with snapshotter(redis_url, objects_url) as process:
        await until(lambda: store.covered(ada))
        path = tmp_path / "objects" / escape(ada.document_id) / "snapshot" / f"{1:012d}"
        body = path.read_bytes()
        path.write_bytes(body[:-5] + b"other")
        await ada.type(3)
        await until(lambda: metric(process, 'coedit_snapshotter_failures_total{reason="object"}'))
        path.write_bytes(body)
        await until(lambda: store.covered(ada))
    await store.assert_whole(ada)


async def test_told_to_stop_it_gives_its_shards_back(redis: Redis, redis_url: str, objects_url: str) -> None:
    async with snapshotter(redis_url, objects_url, lease_seconds=60) as process:
        await until(lambda: redis.exists(*(Shard(number).folder for number in range(8))))
        assert await process.end() == 0
    assert await redis.exists(*(Shard(number).folder for number in range(8)), "members:snapshotter") == 0


async def test_misspelt_setting_is_refused(redis: Redis, redis_url: str, objects_url: str) -> None:
    async with snapshotter(redis_url, objects_url, quite_seconds=1) as process:
        assert await process.process.wait() == 1
