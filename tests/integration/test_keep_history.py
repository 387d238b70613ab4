"""History on its way into the archive, where Redis or the archive is not what it was a moment ago."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from coedit.errors import DamagedError, UnavailableError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision, document_id
from coedit.ot import Delta
from coedit.ot.commit import Commit
from coedit.protocol.history import read_entry
from coedit.protocol.log_entry import encode_commit
from coedit.store.documents.make_snapshot import SnapshotMaker
from coedit.store.objects.archive import Segment
from coedit.store.redis.topology import Nodes
from coedit.store.writes.folds import FoldScripts
from services.snapshotter.trim import Trimmer
from tests.snapshotter_setup import CHAIN_KEY, SHARDS, Author, Store

NAME = document_id("notes")


@pytest.fixture
def store(redis: Redis, tmp_path: Path) -> Store:
    return Store(redis, (tmp_path / "objects").as_uri())


async def written(redis: Redis, commits: int, *, epoch: int, incarnation: str, text: str = "") -> Author:
    """Return the author of a document that begins anew, with another text than any before."""
    author = Author(redis, NAME)
    if text:
        await author.commit(Delta().insert(text))
    await author.type(commits - author.head)
    await redis.hset(author.shard.document(NAME), mapping={"epoch": epoch, "incarnation": incarnation})
    return author


def maker(store: Store) -> SnapshotMaker:
    return SnapshotMaker(store.reader, store.snapshots, store.keeper, CHAIN_KEY, lambda *_: None)


def trimmer(redis: Redis, store: Store) -> Trimmer:
    scripts = FoldScripts(Nodes(redis), "mine", SHARDS)
    return Trimmer(store.log, store.archive, scripts, CHAIN_KEY, tail=2, segment_commits=3, max_bytes=1 << 20)


@pytest.mark.parametrize("commits", [4, 10, 14], ids=["behind", "as far", "further"])
async def test_document_that_was_put_elsewhere_since_its_position_was_read_is_not_damaged(
    redis: Redis, store: Store, commits: int
) -> None:
    before = await store.position(await written(redis, 10, epoch=1, incarnation="first"))
    await redis.flushall()
    ada = await written(redis, commits, epoch=2, incarnation="second", text="other")
    stale = replace(before, snapshot=Revision(9), number=1)
    with pytest.raises(UnavailableError):
        await maker(store).fold(NAME, before)
    if commits < 10:
        with pytest.raises(UnavailableError):
            await store.keeper.keep(NAME, before, before.head)
        await trimmer(redis, store).trim(NAME, stale)
    assert (await maker(store).fold(NAME, await store.position(ada))).mac == ada.mac


async def test_gap_of_the_log_is_damage_where_the_document_goes_on_from_its_position(
    redis: Redis, store: Store
) -> None:
    ada = await written(redis, 10, epoch=1, incarnation="first")
    before = await store.position(ada)
    await ada.type(2)
    await redis.xdel(ada.shard.log(NAME), "3-0")
    with pytest.raises(DamagedError, match="gap"):
        await maker(store).fold(NAME, before)
    with pytest.raises(DamagedError, match="gap"):
        await trimmer(redis, store).trim(NAME, replace(before, snapshot=Revision(9), number=1))


def ended(author: Author, shared: int, count: int) -> Sequence[bytes]:
    """Return entries of epoch 1 above ``shared``, which the document went on without."""
    mac = mac_at(author, shared)
    entries = []
    for revision in range(shared + 1, shared + count + 1):
        commit = Commit(
            Revision(revision),
            Delta().insert("lost"),
            AuthorId("eve"),
            ClientId("c2"),
            ClientSequence(revision),
            1,
            1,
        )
        sealed = CHAIN_KEY.seal(NAME, commit, mac)
        mac = sealed.mac
        entries.append(encode_commit(sealed))
    return entries


def mac_at(author: Author, revision: int) -> str:
    return read_entry(author.entries[revision - 1], revision).mac


@pytest.mark.parametrize("count", [2, 4, 6], ids=["within", "to the head", "above the head"])
async def test_segment_of_an_ended_epoch_that_came_late_is_not_taken_for_the_logs(
    redis: Redis, store: Store, count: int
) -> None:
    ada = await written(redis, 10, epoch=2, incarnation="second")
    await store.archive.store(NAME, Revision(1), ada.entries[:6])
    late = await store.archive.store(NAME, Revision(7), ended(ada, 6, count))
    position = await store.position(ada)
    await store.keeper.keep(NAME, position, position.head)
    assert await store.archive.read(NAME, 1, 10) == ada.entries
    assert late not in await store.archive.segments(NAME) or count == 4
    await store.keeper.keep(NAME, position, position.head)
    assert await store.archive.segments(NAME) == [Segment(Revision(1), Revision(6)), (7, 10)]


async def test_segment_of_another_history_in_the_same_epoch_is_damage(redis: Redis, store: Store) -> None:
    ada = await written(redis, 10, epoch=1, incarnation="first")
    await store.archive.store(NAME, Revision(7), ended(ada, 6, 2))
    await store.archive.store(NAME, Revision(1), ada.entries[:6])
    with pytest.raises(DamagedError, match="another history"):
        await maker(store).fold(NAME, await store.position(ada))
    assert await store.archive.read(NAME, 7, 8) != ada.entries[6:8]


async def test_late_segment_behind_what_is_archived_is_in_the_way_of_nothing(
    redis: Redis, store: Store
) -> None:
    ada = await written(redis, 10, epoch=2, incarnation="second")
    await store.archive.store(NAME, Revision(7), ended(ada, 6, 4))
    position = await store.position(ada)
    await store.keeper.keep(NAME, position, Revision(6))
    assert await store.archive.segments(NAME) == [Segment(Revision(1), Revision(6))]
    await store.keeper.keep(NAME, position, position.head)
    assert await store.archive.read(NAME, 1, 10) == ada.entries
