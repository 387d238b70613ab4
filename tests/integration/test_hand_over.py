"""A transformer that lost its shards together with Redis hands what it remembers to whoever owns them now."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import ChainKey
from coedit.store.document_log import Position
from coedit.store.keys import shard_of
from coedit.store.offers_stream import Given, OffersStream
from coedit.store.redis_connection import connect
from coedit.store.stream_reader import StreamReader
from coedit.store.topology import Nodes
from services.transformer.recover import Recovery, Remembered
from tests.redis_server import redis_server

SHARDS = 4
KEY = ChainKey.derive(b"secret")


def remembered(name: str, head: int, snapshot: int) -> Remembered:
    """A document of ``head`` commits, known from the second on."""
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
    stored = Position(1, Revision(head), commits[-1].mac, Revision(0), Revision(snapshot), 1)
    return Remembered(document_id, stored, commits[0].mac, commits[1:])


def recovery_on(nodes: Nodes) -> Recovery:
    """One of a transformer that has no shards; it needs no more than these parts."""
    reader: Any = SimpleNamespace(shard=lambda document_id: shard_of(document_id, SHARDS))
    nothing = cast("Any", None)
    return Recovery(nodes, nothing, nothing, reader, nothing, nothing, KEY)


async def test_commits_that_no_snapshot_covers_are_given_to_the_new_owner(tmp_path: Path) -> None:
    """Nobody else may have them: the gateway's only client has left, and the others were cut off."""
    behind, above, covered = (
        remembered("behind", 4, 1),
        remembered("above", 5, 3),
        remembered("covered", 3, 3),
    )
    with redis_server(tmp_path) as url:
        redis = connect(url)
        nodes = Nodes(redis)
        recovery = recovery_on(nodes)
        recovery.forget(redis, [behind, above, covered])
        await recovery.follow(set())
        await recovery.follow(set())  # once is enough
        places = {shard_of(known.document_id, SHARDS): "0-0" for known in (behind, above, covered)}
        found = await OffersStream(nodes).read(StreamReader(redis), places, 100)
        offers = [offer for entries in found.values() for _, offer in entries]
        expected = [
            Given(behind.document_id, behind.before, tuple(behind.commits)),
            Given(above.document_id, above.commits[1].mac, tuple(above.commits[2:])),
        ]
        assert sorted(offers, key=str) == sorted(expected, key=str)
        await nodes.aclose()


async def test_what_cannot_be_handed_over_now_is_kept_for_later(tmp_path: Path) -> None:
    known = remembered("notes", 3, 1)
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
        assert await redis.xlen(shard.offers) == 1
        await nodes.aclose()
