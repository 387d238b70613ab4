"""A transformer that lost its shards together with Redis hands what it remembers to whoever owns them now."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from coedit.crdt.document import YjsDocument
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import ChainKey, encode_commit
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.documents.reader import DocumentReader
from coedit.store.keys import shard_of
from coedit.store.objects.object_store import ObjectStore, open_object_store
from coedit.store.objects.rendered import Rendered
from coedit.store.objects.snapshots import Snapshot, Snapshots
from coedit.store.redis.connection import connect
from coedit.store.redis.stream_reader import StreamReader
from coedit.store.redis.topology import Nodes
from coedit.store.streams.offers import OffersStream, Seen
from services.transformer.recovery.recover import Recovery
from services.transformer.recovery.unsaved import Remembered
from tests.redis_server import redis_server

SHARDS = 4
KEY = ChainKey.derive(b"secret")


def remembered(name: str, head: int, first: int) -> Remembered:
    """A document of ``head`` commits, known from ``first`` on, which is 2 or above."""
    document_id, commits = DocumentId(name), list[Commit]()
    for revision in range(1, head + 1):
        commit = Commit(
            Revision(revision),
            Delta().insert("x"),
            AuthorId("ada"),
            ClientId("c"),
            ClientSequence(revision),
            1,
            1,
        )
        commits.append(KEY.seal(document_id, commit, commits[-1].mac if commits else ""))
    stored = Position(1, Revision(head), commits[-1].mac, Revision(0), Revision(first - 1), 1)
    known = tuple(map(encode_commit, commits[first - 1 :]))
    return Remembered(document_id, stored, commits[first - 2].mac, known)


def recovery_on(nodes: Nodes, objects: ObjectStore | None = None) -> Recovery:
    """One of a transformer that has no shards; it needs no more than these parts."""
    nothing = cast("Any", None)
    snapshots = Snapshots(objects or open_object_store("memory://"))
    reader = DocumentReader(DocumentLog(nodes, SHARDS), snapshots, nothing)
    return Recovery(nodes, nothing, nothing, reader, nothing, nothing, KEY)


async def test_commits_that_no_snapshot_covers_are_given_to_the_new_owner(tmp_path: Path) -> None:
    """Nobody else may have them: the gateway's only client has left, and the others were cut off."""
    behind, large = remembered("behind", 4, 2), remembered("large", 500, 4)
    with redis_server(tmp_path) as url:
        redis = connect(url)
        nodes = Nodes(redis)
        recovery = recovery_on(nodes)
        recovery.forget(redis, [behind, large])
        await recovery.follow(set())
        await recovery.follow(set())  # once is enough
        places = {shard_of(known.document_id, SHARDS): "0-0" for known in (behind, large)}
        found = await OffersStream(nodes).read(StreamReader(redis), places, 100)
        offers = [offer for entries in found.values() for _, offer in entries]
        for known in (behind, large):
            mine = [offer for offer in offers if offer and offer.document_id == known.document_id]
            assert mine == known.offers()
            # What was seen is read last: it says that there was more, if that is not all that is needed.
            assert isinstance(mine[-1], Seen)
        assert [len(given.commits) for given in large.given()] == [200, 200, 97]
        await nodes.aclose()


async def test_what_cannot_be_handed_over_now_is_kept_for_later(tmp_path: Path) -> None:
    known = remembered("notes", 3, 2)
    shard = shard_of(known.document_id, SHARDS)
    with redis_server(tmp_path) as url:
        redis = connect(url)
        nodes = Nodes(redis)
        recovery = recovery_on(nodes)
        recovery.forget(redis, [known])
        await redis.config_set("maxmemory", 1)
        await recovery.follow(set())
        assert await redis.xlen(shard.offers) == 0
        await redis.config_set("maxmemory", 0)
        await recovery.follow(set())
        assert await redis.xlen(shard.offers) == len(known.offers())
        await nodes.aclose()


async def test_what_redis_still_has_is_not_handed_over(tmp_path: Path) -> None:
    """A connection that is lost is no loss: all that is kept would be written to Redis each time."""
    known, other = remembered("notes", 3, 2), remembered("other", 3, 2)
    with redis_server(tmp_path) as url:
        redis = connect(url)
        nodes = Nodes(redis)
        recovery = recovery_on(nodes)
        for each in (known, other):
            shard, name = shard_of(each.document_id, SHARDS), each.document_id
            for revision, entry in enumerate(each.entries, 2):
                await redis.xadd(shard.log(name), {"commit": entry}, id=f"{revision}-0")
            await redis.hset(shard.document(name), mapping={"epoch": 1, "head": 3, "mac": each.stored.mac})
        forked = replace(other, stored=replace(other.stored, mac="of another history"))
        recovery.remember([known, forked])
        await recovery.follow(set())
        places = {shard_of(each.document_id, SHARDS): "0-0" for each in (known, other)}
        found = await OffersStream(nodes).read(StreamReader(redis), places, 100)
        assert [offer for entries in found.values() for _, offer in entries] == forked.offers()
        await nodes.aclose()


async def test_what_is_whole_in_the_object_store_is_not_handed_over(tmp_path: Path) -> None:
    """It was evicted, and would be put back into Redis, from where it left because nobody used it."""
    evicted, forked = remembered("evicted", 3, 2), remembered("forked", 3, 2)
    objects = open_object_store("memory://")
    for known, mac in ((evicted, evicted.stored.mac), (forked, "of another history")):
        yjs = YjsDocument(known.document_id)
        yjs.fold(Delta().insert("xxx"))
        rendered, vector, update = Rendered(yjs.content), yjs.state_vector(), yjs.update()
        snapshot = Snapshot(known.document_id, 1, Revision(3), 1, mac, vector, update, rendered, {})
        assert await Snapshots(objects).create(snapshot)
    with redis_server(tmp_path) as url:
        redis = connect(url)
        nodes = Nodes(redis)
        recovery = recovery_on(nodes, objects)
        recovery.remember([evicted, forked])
        await recovery.follow(set())
        places = {shard_of(known.document_id, SHARDS): "0-0" for known in (evicted, forked)}
        found = await OffersStream(nodes).read(StreamReader(redis), places, 100)
        assert [offer for entries in found.values() for _, offer in entries] == forked.offers()
        await nodes.aclose()
