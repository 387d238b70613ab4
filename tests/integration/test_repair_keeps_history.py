"""A repair makes snapshots as everybody does: the history that one covers is archived before (ADR 17)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from coedit.doctor.repair import Surgeon
from coedit.identifiers import document_id
from coedit.store.documents.make_snapshot import SnapshotMaker
from coedit.store.objects.archive import Archive
from coedit.store.objects.local_folder import LocalFolder
from coedit.store.objects.snapshots import snapshot_key
from coedit.store.redis.connection import connect
from coedit.store.redis.topology import Nodes
from tests.redis_server import redis_server
from tests.snapshotter_setup import CHAIN_KEY, SHARDS, Author, Store

NAME = document_id("notes")


class WatchedFolder(LocalFolder):
    """A folder that says what of the history was archived when a snapshot was stored."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.archived: list[list[bytes]] = []

    async def create(self, key: str, body: bytes) -> bool:
        if "/snapshot/" in key:
            segments = await Archive(self).segments(NAME)
            reached = max((segment.last for segment in segments), default=0)
            self.archived.append(await Archive(self).read(NAME, 1, reached))
        return await super().create(key, body)


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    with redis_server(tmp_path / "redis") as url:
        async with connect(url) as redis:
            yield redis


async def test_history_is_archived_before_the_snapshot_that_a_repair_makes(
    redis: Redis, tmp_path: Path
) -> None:
    objects = WatchedFolder(tmp_path / "objects")
    store, ada = Store(redis, (tmp_path / "objects").as_uri()), Author(redis, NAME)
    await ada.type(6)
    maker = SnapshotMaker(store.reader, store.snapshots, store.keeper, CHAIN_KEY, lambda *_: None)
    made = await maker.fold(NAME, await store.position(ada))
    await redis.hset(ada.shard.document(NAME), mapping={"snapshot": made.revision, "number": made.number})
    await ada.type(6)
    # What was noted in Redis, and told everybody, is not there any more: the repair makes another, of all revisions.
    await objects.delete(snapshot_key(NAME, made.number))

    plan = await Surgeon(Nodes(redis), objects, SHARDS, CHAIN_KEY, 1).repair(NAME, accepts_loss=False)

    assert (plan.makes_snapshot, plan.after.snapshot) == (True, 12)
    assert objects.archived == [ada.entries]
