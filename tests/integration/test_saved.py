"""Looking for what snapshots cover, on real servers of which one is in trouble."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from coedit.identifiers import DocumentId, Revision
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.keys import shard_of
from coedit.store.redis.connection import OnDoubt, connect
from coedit.store.redis.durability import Durability
from coedit.store.redis.topology import SLOT_COUNT, Address, FollowedNodes, Places
from coedit.store.writes.commit import DocumentWrite
from coedit.store.writes.folds import FoldScripts
from services.transformer.recovery.saved import Saved
from services.transformer.recovery.unsaved import Remembered, Unsaved
from tests.ports import free_port
from tests.redis_server import redis_server

SHARDS = 8
HALVES = (range(SLOT_COUNT // 2), range(SLOT_COUNT // 2, SLOT_COUNT))
NAMES = [DocumentId(f"document {number}") for number in range(40)]
NOWHERE = Position(0, Revision(0), "", Revision(0), Revision(0), 0)
AT_TWO = Position(1, Revision(2), "mac", Revision(0), Revision(0), 0)


class Halves:
    """The lower half of the slots on a server that is not there, and the upper one on one that is."""

    def __init__(self, url: str) -> None:
        self.redis = connect(url)
        port = int(self.redis.connection_pool.connection_kwargs["port"])
        self._places: Places = {("127.0.0.1", free_port()): [HALVES[0]], ("127.0.0.1", port): [HALVES[1]]}
        self.nodes = FollowedNodes(self._look, self._open)
        self.log = DocumentLog(self.nodes, SHARDS, Durability())
        self.unsaved = Unsaved(1 << 30)
        self.lost: set[DocumentId] = set()

    async def begin(self) -> "Halves":
        await self.nodes.refresh()
        for name in NAMES:
            self.unsaved.written(DocumentWrite(name, NOWHERE, AT_TWO, b"", (b"an entry",)))
        return self

    def there(self) -> set[DocumentId]:
        """The documents whose node answers."""
        return {name for name in NAMES if self._port(name) == self._port_of(self.redis)}

    def saved(self, unsaved: Unsaved | None = None) -> Saved:
        scripts = FoldScripts(self.nodes, "mine", SHARDS)
        return Saved(self.nodes, self.log, scripts, lambda: [unsaved or self.unsaved], self._on_lost)

    def _on_lost(self, remembered: Sequence[Remembered]) -> None:
        self.lost |= {known.document_id for known in remembered}

    def _port(self, name: DocumentId) -> int:
        return self._port_of(self.nodes.at(shard_of(name, SHARDS)))

    def _port_of(self, redis: Redis) -> int:
        return int(redis.connection_pool.connection_kwargs["port"])

    async def _look(self) -> Places:
        return self._places

    def _open(self, address: Address, on_doubt: OnDoubt) -> Redis:
        return connect(f"redis://{address[0]}:{address[1]}/0", on_doubt=on_doubt)


@pytest.fixture
async def halves(tmp_path: Path) -> AsyncIterator[Halves]:
    with redis_server(tmp_path) as url:
        halves = await Halves(url).begin()
        yield halves
        await halves.nodes.aclose()
        await halves.redis.aclose()


async def test_server_that_is_gone_keeps_from_looking_at_no_other(halves: Halves) -> None:
    assert 0 < len(halves.there()) < len(NAMES)
    with pytest.raises(RedisConnectionError):
        await halves.saved().step()
    assert halves.lost == halves.there()


async def test_shard_that_cannot_be_asked_keeps_from_asking_for_no_other_snapshot(halves: Halves) -> None:
    names = sorted(halves.there())
    unsaved = Unsaved(len(names) * 2500)
    for name in names:
        shard = shard_of(name, SHARDS)
        await halves.redis.hset(shard.document(name), mapping={"epoch": 1, "head": 2, "mac": "mac"})
        unsaved.written(DocumentWrite(name, NOWHERE, AT_TWO, b"", (b"x" * 1000,)))
    first = unsaved.pressing()[0]
    assert len({shard_of(name, SHARDS) for name in unsaved.pressing()}) > 1
    await halves.redis.set(shard_of(first, SHARDS).changed, "no sorted set")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await halves.saved(unsaved).step()
    for name in unsaved.pressing():
        shard = shard_of(name, SHARDS)
        wanted = await halves.redis.hget(shard.document(name), "wanted")
        assert wanted == b"2", name


async def test_snapshots_are_asked_for_while_memory_is_short(halves: Halves) -> None:
    """They make room: without them nothing leaves Redis."""
    (name, *_) = halves.there()
    shard = shard_of(name, SHARDS)
    await halves.redis.hset(shard.document(name), mapping={"epoch": 1, "head": 2, "mac": "mac"})
    await halves.redis.config_set("maxmemory", 1)
    assert await FoldScripts(halves.nodes, "mine", SHARDS).hurry(name)
    assert await halves.redis.hget(shard.document(name), "wanted") == b"2"
