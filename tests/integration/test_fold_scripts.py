"""The snapshotter's scripts on a real Valkey: each compares before it writes."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from redis.asyncio import Redis

from coedit.errors import DamagedError
from coedit.identifiers import DocumentId, Revision, document_id
from coedit.ot.delta import Delta
from coedit.store.documents.log import DocumentLog
from coedit.store.documents.make_snapshot import SnapshotMaker
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from coedit.store.documents.tries import Tries
from coedit.store.objects.archive import Archive, Segment
from coedit.store.objects.folding import Fold
from coedit.store.objects.object_store import ObjectStoreError, open_object_store
from coedit.store.objects.rendered import Rendered
from coedit.store.objects.snapshots import Snapshot, Snapshots
from coedit.store.redis.connection import connect
from coedit.store.redis.durability import Durability
from coedit.store.redis.topology import Nodes
from coedit.store.writes.folds import FoldScripts
from services.snapshotter.idle import Evictor
from services.snapshotter.schedule import Schedule
from services.snapshotter.trim import Trimmer
from services.snapshotter.work import Worker
from tests.redis_server import redis_server
from tests.snapshotter_setup import CHAIN_KEY, SHARDS, Author, Store, until

Happening = Callable[[Redis, Author], Awaitable[None]]


@pytest.fixture
async def ada(redis: Redis) -> Author:
    """A document at revision 10, whose shard is held under the token ``mine``."""
    author = Author(redis, document_id("notes"))
    await author.type(10)
    await redis.set(author.shard.folder, "mine")
    return author


def snapshot(author: Author, revision: int, number: int) -> Snapshot:
    return Snapshot(author.document_id, number, Revision(revision), 1, "", b"", b"", Rendered())


async def test_note_never_goes_backwards(redis: Redis, ada: Author) -> None:
    scripts, log = FoldScripts(Nodes(redis), "mine", SHARDS), DocumentLog(Nodes(redis), SHARDS)
    outcomes = [
        await scripts.note(snapshot(ada, *what), 1) for what in [(5, 1), (8, 2), (5, 1), (8, 2), (10, 3)]
    ]
    assert outcomes == ["stored", "stored", "known", "known", "stored"]
    position = await log.position(ada.document_id)
    assert position is not None
    assert (position.snapshot, position.number) == (10, 3)


async def test_note_of_another_epoch_or_above_the_head_is_stale(redis: Redis, ada: Author) -> None:
    scripts = FoldScripts(Nodes(redis), "mine", SHARDS)
    assert await scripts.note(snapshot(ada, 5, 1), 2) == "stale"
    assert await scripts.note(snapshot(ada, 11, 1), 1) == "stale"
    await redis.delete(ada.shard.document(ada.document_id))
    assert await scripts.note(snapshot(ada, 5, 1), 1) == "stale"
    assert not await redis.exists(ada.shard.document(ada.document_id))


@pytest.mark.parametrize(
    ("token", "epoch", "floor", "new_floor", "outcome"),
    [
        ("mine", 1, 0, 7, "trimmed"),
        ("yours", 1, 0, 7, "fenced"),
        ("mine", 2, 0, 7, "stale"),
        ("mine", 1, 3, 7, "stale"),
        ("mine", 1, 0, 8, "refused"),
        ("mine", 1, 0, 0, "refused"),
    ],
)
async def test_trim_compares_before_it_writes(
    redis: Redis, ada: Author, token: str, epoch: int, floor: int, new_floor: int, outcome: str
) -> None:
    await FoldScripts(Nodes(redis), "mine", SHARDS).note(snapshot(ada, 7, 1), 1)
    scripts = FoldScripts(Nodes(redis), token, SHARDS)
    assert await scripts.trim(ada.document_id, epoch, Revision(floor), Revision(new_floor)) == outcome
    assert await redis.xlen(ada.shard.log(ada.document_id)) == (3 if outcome == "trimmed" else 10)


async def test_trim_leaves_the_head(redis: Redis, ada: Author) -> None:
    scripts = FoldScripts(Nodes(redis), "mine", SHARDS)
    await scripts.note(snapshot(ada, 10, 1), 1)
    assert await scripts.trim(ada.document_id, 1, Revision(0), Revision(10)) == "refused"
    assert await scripts.trim(ada.document_id, 1, Revision(0), Revision(9)) == "trimmed"
    assert await redis.xlen(ada.shard.log(ada.document_id)) == 1
    assert await DocumentLog(Nodes(redis), SHARDS).read(ada.document_id, 10, 10) == ada.entries[-1:]


async def test_log_keeps_what_the_archive_did_not_take(redis: Redis, ada: Author, tmp_path: Path) -> None:
    store, scripts = Store(redis, (tmp_path / "objects").as_uri()), FoldScripts(Nodes(redis), "mine", SHARDS)
    await scripts.note(snapshot(ada, 10, 1), 1)
    trimmer = Trimmer(
        store.log,
        _FullArchive(),
        scripts,
        CHAIN_KEY,
        tail=2,
        segment_commits=3,
        max_bytes=1 << 20,
    )
    with pytest.raises(ObjectStoreError):
        await trimmer.trim(ada.document_id, await store.position(ada))
    assert (await store.position(ada)).floor == 0
    assert await store.log.read(ada.document_id, 1, 10) == ada.entries


async def test_log_above_its_bound_is_cut_to_half_of_it_and_no_further(
    redis: Redis, ada: Author, tmp_path: Path
) -> None:
    """What the commits' bytes add up to is less than what they take."""
    await ada.type(290)
    store, scripts = Store(redis, (tmp_path / "objects").as_uri()), FoldScripts(Nodes(redis), "mine", SHARDS)
    await scripts.note(snapshot(ada, ada.head, 1), 1)
    bound = await store.log.size_bytes(ada.document_id) // 3
    trimmer = Trimmer(
        store.log, store.archive, scripts, CHAIN_KEY, tail=9999, segment_commits=5, max_bytes=bound
    )
    await trimmer.trim(ada.document_id, await store.position(ada))
    assert bound // 4 < await store.log.size_bytes(ada.document_id) <= bound
    assert await store.reader.commits.entries(ada.document_id, 1, ada.head) == ada.entries


class _FullArchive(Archive):
    def __init__(self) -> None:
        pass

    async def store(self, document_id: DocumentId, first: Revision, entries: Sequence[bytes]) -> Segment:
        raise ObjectStoreError("no space is left")


async def test_document_is_settled_only_when_all_of_it_is_covered(redis: Redis, ada: Author) -> None:
    scripts = FoldScripts(Nodes(redis), "mine", SHARDS)
    await scripts.note(snapshot(ada, 9, 1), 1)
    assert not await scripts.settle(ada.document_id)
    assert await redis.zcard(ada.shard.changed) == 1
    await scripts.note(snapshot(ada, 10, 2), 1)
    assert await scripts.settle(ada.document_id)
    assert await redis.zcard(ada.shard.changed) == 0


async def test_document_that_redis_does_not_hold_is_settled(redis: Redis, ada: Author) -> None:
    await redis.delete(ada.shard.document(ada.document_id))
    assert await FoldScripts(Nodes(redis), "mine", SHARDS).settle(ada.document_id)


def schedule(redis: Redis, **bounds: int) -> Schedule:
    return Schedule(Nodes(redis), **{"commits": 99, "max_bytes": 1 << 20, "quiet_seconds": 3600} | bounds)


async def test_scan_finds_a_large_log_though_its_commits_are_few(redis: Redis, ada: Author) -> None:
    size_bytes = sum(map(len, ada.entries))
    shards = {ada.shard}
    assert (await schedule(redis, max_bytes=size_bytes).scan(shards)).due == []
    await ada.commit(Delta().insert("x" * 1000))
    assert (await schedule(redis, max_bytes=size_bytes + 1000).scan(shards)).due == [ada.document_id]


async def test_scan_finds_what_is_quiet_or_long(redis: Redis, ada: Author) -> None:
    grace = Author(redis, document_id("long"))
    await grace.type(20)
    shards = {ada.shard, grace.shard}
    assert (await schedule(redis, commits=20, quiet_seconds=3600).scan(shards)).due == [grace.document_id]
    assert (await schedule(redis, commits=99, quiet_seconds=3600).scan(shards)).due == []
    await redis.zadd(ada.shard.changed, {ada.document_id: 1})
    scan = await schedule(redis, commits=99, quiet_seconds=3600).scan(shards)
    assert (scan.due, scan.changed_count) == ([ada.document_id], 2)
    assert (await schedule(redis, commits=1, quiet_seconds=0).scan(set())).due == []


async def test_scan_asks_for_the_length_of_a_log_once_until_it_changes(redis: Redis, ada: Author) -> None:
    """Of many documents that are edited now and then, each costs by its edits and not by the scans."""
    scanned, shards = schedule(redis, commits=11), {ada.shard}
    assert (await scanned.scan(shards)).due == []
    asked = await _lengths_asked(redis)
    assert (await scanned.scan(shards)).due == []
    assert await _lengths_asked(redis) == asked
    await ada.type(1)
    await redis.zincrby(ada.shard.changed, 1, ada.document_id)  # it is a millisecond later at least
    assert (await scanned.scan(shards)).due == [ada.document_id]
    assert (await scanned.scan(shards)).due == [ada.document_id], "until it has been dealt with"
    assert await _lengths_asked(redis) == asked + 2


async def _lengths_asked(redis: Redis) -> int:
    stats = await redis.info("commandstats")
    return int(stats["cmdstat_hmget"]["calls"])


def worker(redis: Redis, objects_url: str, durability: Durability | None = None, *, tail: int = 2) -> Worker:
    store = Store(redis, objects_url, durability)
    scripts = FoldScripts(Nodes(redis), "mine", SHARDS)
    reader = DocumentReader(store.log, store.snapshots, store.archive)
    maker = SnapshotMaker(reader, store.snapshots, store.keeper, CHAIN_KEY, lambda *_: None)
    trimmer = Trimmer(
        store.log,
        store.archive,
        scripts,
        CHAIN_KEY,
        tail=tail,
        segment_commits=3 * tail // 2,
        max_bytes=1 << 20,
    )
    quarantine = Quarantine(Nodes(redis), SHARDS, "snapshotter")
    tries = Tries(Nodes(redis), "mine", store.log.shard, lambda _: None)
    return Worker(store.log, scripts, maker, trimmer, quarantine, tries, keep=2)


async def test_short_segments_are_merged_though_the_log_is_never_trimmed(
    redis: Redis, ada: Author, tmp_path: Path
) -> None:
    objects_url = tmp_path.as_uri()
    store, snapshotter = Store(redis, objects_url), worker(redis, objects_url, tail=100)
    for _ in range(24):
        await ada.type(1)
        await snapshotter.work(ada.document_id, 0)
    assert (await store.position(ada)).floor == 0
    assert len(await store.archive.segments(ada.document_id)) < 8
    await store.assert_whole(ada)
    assert await store.archive.read(ada.document_id, 1, ada.head) == ada.entries


LATER_MS = 2**45


async def is_in_redis(ada: Author) -> bool:
    keys = ada.shard.document(ada.document_id), ada.shard.log(ada.document_id)
    return bool(await ada.redis.exists(*keys))


async def evict(redis: Redis, ada: Author, tmp_path: Path) -> None:
    """Evict the document if it may go; what is wrong with it is an outcome as well."""
    store = Store(redis, (tmp_path / "objects").as_uri())
    scripts = FoldScripts(Nodes(redis), "mine", SHARDS)
    evictor = Evictor(
        Nodes(redis), store.log, store.snapshots, store.archive, scripts, store.keeper, idle_seconds=1
    )
    with suppress(DamagedError):
        await evictor.evict(ada.document_id, LATER_MS)


async def settled(redis: Redis, ada: Author, tmp_path: Path) -> Store:
    objects_url = (tmp_path / "objects").as_uri()
    await worker(redis, objects_url).work(ada.document_id, 0)
    assert await redis.zscore(ada.shard.idle, ada.document_id) is not None
    return Store(redis, objects_url)


async def test_idle_document_is_evicted_whole(redis: Redis, ada: Author, tmp_path: Path) -> None:
    store = await settled(redis, ada, tmp_path)
    await evict(redis, ada, tmp_path)
    assert not await is_in_redis(ada)
    assert await redis.zcard(ada.shard.idle) == 0
    await store.assert_whole(ada)


async def _edit(redis: Redis, ada: Author) -> None:
    await ada.type(1)


async def _lose_the_shard(redis: Redis, ada: Author) -> None:
    await redis.set(ada.shard.folder, "another's")


async def _damage(redis: Redis, ada: Author) -> None:
    await redis.hset(ada.shard.damaged, ada.document_id, "x")


async def _begin_epoch(redis: Redis, ada: Author) -> None:
    await redis.hset(ada.shard.document(ada.document_id), mapping={"epoch": 2, "lost": "11-12"})


async def _lose_history(redis: Redis, ada: Author) -> None:
    await redis.hset(ada.shard.document(ada.document_id), "mac", "00")


async def _was_just_edited(redis: Redis, ada: Author) -> None:
    await redis.zadd(ada.shard.idle, {ada.document_id: LATER_MS - 500})


@pytest.mark.parametrize(
    "happening",
    [_edit, _lose_the_shard, _damage, _begin_epoch, _lose_history, _was_just_edited],
    ids=lambda happening: happening.__name__,
)
async def test_document_that_is_not_idle_and_stored_whole_stays(
    redis: Redis, ada: Author, tmp_path: Path, happening: Happening
) -> None:
    await settled(redis, ada, tmp_path)
    await happening(redis, ada)
    await evict(redis, ada, tmp_path)
    assert await redis.exists(ada.shard.document(ada.document_id)) == 1
    assert await redis.xlen(ada.shard.log(ada.document_id)) == ada.head - (await store_floor(redis, ada))


async def store_floor(redis: Redis, ada: Author) -> int:
    return int(await redis.hget(ada.shard.document(ada.document_id), "floor") or 0)


async def test_edit_between_reading_and_evicting_keeps_the_document(
    redis: Redis, ada: Author, tmp_path: Path
) -> None:
    store = await settled(redis, ada, tmp_path)
    before = await store.position(ada)
    await ada.type(1)
    scripts = FoldScripts(Nodes(redis), "mine", SHARDS)
    assert await scripts.evict(ada.document_id, before, LATER_MS) == "stale"
    await redis.zrem(ada.shard.changed, ada.document_id)
    await redis.zadd(ada.shard.idle, {ada.document_id: 1})
    assert await scripts.evict(ada.document_id, before, LATER_MS) == "stale"
    assert await is_in_redis(ada)


async def test_history_that_the_archive_lacks_is_stored_before_its_document_leaves(
    redis: Redis, ada: Author, tmp_path: Path
) -> None:
    store = await settled(redis, ada, tmp_path)
    objects = open_object_store((tmp_path / "objects").as_uri())
    for key in await objects.list(f"{ada.document_id}/history/"):
        if int(key.rpartition("-")[2]) == ada.head:
            await objects.delete(key)
    await evict(redis, ada, tmp_path)
    assert not await is_in_redis(ada)
    assert await store.reader.commits.entries(ada.document_id, ada.head, ada.head) == ada.entries[-1:]


async def test_race_for_one_document_has_one_winner_a_round(
    redis: Redis, ada: Author, tmp_path: Path
) -> None:
    """Both believe that the shard is theirs, as after a pause that outlasted the lease."""
    objects_url = tmp_path.as_uri()
    store, racers = Store(redis, objects_url), [worker(redis, objects_url) for _ in range(3)]
    for round_number in range(1, 6):
        await ada.type(4)
        await asyncio.gather(*(racer.work(ada.document_id, 0) for racer in racers))
        assert not any(racer.pauses.holds(ada.document_id, 1) for racer in racers)
        newest = await store.snapshots.newest(ada.document_id)
        assert newest is not None
        assert (newest.number, newest.revision) == (round_number, ada.head)
        await store.assert_whole(ada)


async def test_snapshot_that_was_stored_and_not_noted_is_noted(
    redis: Redis, ada: Author, tmp_path: Path
) -> None:
    """As if the process had died between the two."""
    objects_url = tmp_path.as_uri()
    store = Store(redis, objects_url)
    await worker(redis, objects_url).work(ada.document_id, 0)
    await redis.hdel(ada.shard.document(ada.document_id), "snapshot", "number")
    await redis.zadd(ada.shard.changed, {ada.document_id: 1})
    await worker(redis, objects_url).work(ada.document_id, 0)
    covered = await store.covered(ada)
    assert covered is not None
    assert covered.number == 1


async def test_snapshot_of_another_history_is_not_noted(redis: Redis, ada: Author, tmp_path: Path) -> None:
    objects_url = tmp_path.as_uri()
    store = Store(redis, objects_url)
    await worker(redis, objects_url).work(ada.document_id, 0)
    first = await store.snapshots.newest(ada.document_id)
    assert first is not None
    await store.snapshots.create(replace(first, number=2, mac="of a fork"))
    await redis.hdel(ada.shard.document(ada.document_id), "snapshot", "number")
    suspicious = worker(redis, objects_url)
    await suspicious.work(ada.document_id, 0)
    assert suspicious.pauses.holds(ada.document_id, 1)


class OvertakenSnapshots(Snapshots):
    """Somebody else, who read an older head, is always a little faster."""

    faster: Snapshot | None = None

    async def create(self, snapshot: Snapshot) -> bool:
        if self.faster is not None:
            faster, self.faster = self.faster, None
            await super().create(faster)
        return await super().create(snapshot)


async def test_loser_of_a_race_goes_on_from_the_winners_snapshot(
    redis: Redis, ada: Author, tmp_path: Path
) -> None:
    objects_url = tmp_path.as_uri()
    store = Store(redis, objects_url)
    overtaken = OvertakenSnapshots(open_object_store(objects_url))
    fold = Fold.begin(ada.document_id, None)
    for entry in ada.entries[:5]:
        fold.add(entry, CHAIN_KEY)
    overtaken.faster = fold.finish(1)
    reader = DocumentReader(store.log, overtaken, store.archive)
    made = await SnapshotMaker(reader, overtaken, store.keeper, CHAIN_KEY, lambda *_: None).fold(
        ada.document_id, await store.position(ada)
    )
    assert (made.number, made.revision) == (2, 10)
    assert made == await store.snapshots.newest(ada.document_id)
    first = await store.snapshots.read(ada.document_id, 1)
    assert first is not None
    assert first.revision == 5


async def test_what_a_failover_could_take_back_is_not_folded(
    redis: Redis, redis_url: str, ada: Author, tmp_path: Path
) -> None:
    objects_url = (tmp_path / "objects").as_uri()
    store = Store(redis, objects_url)
    with redis_server(tmp_path / "replica") as replica_url:
        replica = connect(replica_url)
        await replica.replicaof("127.0.0.1", str(redis.connection_pool.connection_kwargs["port"]))
        await until(partial(has_replica, redis))
        process_id = (await replica.info("server"))["process_id"]
        os.kill(process_id, signal.SIGSTOP)
        # Not the connections that wrote: to Valkey, WAIT is about the writes of its own.
        other = connect(redis_url)
        try:
            await ada.type(1)
            await worker(other, objects_url, Durability("replicated", 1)).work(ada.document_id, 0)
            assert await store.snapshots.newest(ada.document_id) is None
        finally:
            os.kill(process_id, signal.SIGCONT)
            await other.aclose()
        await worker(redis, objects_url, Durability("replicated", 1)).work(ada.document_id, 0)
        assert await store.covered(ada) is not None
        await replica.aclose()


async def has_replica(redis: Redis) -> bool:
    await redis.ping()
    return bool(await redis.wait(1, 1))
