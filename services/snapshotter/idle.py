"""Out of Redis: documents that nobody edits, once the object store has been read and holds all of them."""

import asyncio
import logging
from collections.abc import Collection
from typing import NamedTuple, cast

from redis.asyncio import Redis

from coedit.errors import DamagedError
from coedit.identifiers import DocumentId, Revision
from coedit.store.documents.keep_history import HistoryKeeper
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.keys import Shard
from coedit.store.objects.archive import Archive
from coedit.store.objects.snapshots import Snapshots
from coedit.store.redis.topology import Nodes
from coedit.store.writes.folds import Evicted, FoldScripts
from services.snapshotter.metrics import EVICTED

logger = logging.getLogger(__name__)

_NOWHERE = Position(0, Revision(0), "", Revision(0), Revision(0), 0)
_AT_ONCE = 100
"""So many of a shard are looked at in one go; the others come next time."""


class Idle(NamedTuple):
    """The documents that are idle by the clock of their Redis, ``now_ms``."""

    now_ms: int
    documents: list[DocumentId]


class Evictor:
    """Finds idle documents, and evicts them one by one."""

    def __init__(
        self,
        nodes: Nodes,
        log: DocumentLog,
        snapshots: Snapshots,
        archive: Archive,
        scripts: FoldScripts,
        keeper: HistoryKeeper,
        *,
        idle_seconds: float,
    ) -> None:
        self._nodes = nodes
        self._log = log
        self._snapshots = snapshots
        self._archive = archive
        self._scripts = scripts
        self._keeper = keeper
        self._idle_ms = int(idle_seconds * 1000)

    async def idle(self, shards: Collection[Shard]) -> list[Idle]:
        """Return the idle documents of ``shards``, by node, the longest idle first.

        Raises:
            RedisError, OSError: Redis cannot be asked.
        """
        placed = self._nodes.by_node(shards)
        return list(await asyncio.gather(*(self._idle_on(redis, some) for redis, some in placed.items())))

    async def _idle_on(self, redis: Redis, shards: list[Shard]) -> Idle:
        seconds, microseconds = await redis.time()
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        async with redis.pipeline(transaction=False) as pipe:
            for shard in shards:
                pipe.zrangebyscore(shard.idle, "-inf", now_ms - self._idle_ms, start=0, num=_AT_ONCE)
            found = cast("list[list[bytes]]", await pipe.execute())
        return Idle(now_ms, [DocumentId(name.decode()) for names in found for name in names])

    async def evict(self, document_id: DocumentId, now_ms: int) -> None:
        """Evict a document, unless something of it stands in Redis alone, or it was edited meanwhile.

        Raises:
            DamagedError: what the object store has of it is not what Redis has.
            RedisError, OSError, CoeditError: a store cannot be read now; nothing was taken away.
        """
        position = await self._log.position(document_id)
        outcome: Evicted = "kept"
        if position is None or await self._is_stored(document_id, position):
            found = position or _NOWHERE
            outcome = await self._scripts.evict(document_id, found, now_ms - self._idle_ms)
        EVICTED.labels(outcome).inc()
        facts = {"event": "evict", "document_id": document_id, "outcome": outcome}
        logger.info("an idle document was to leave Redis", extra=facts)
        if outcome == "kept":  # it is looked at again when it has been idle for as long once more
            shard = self._log.shard(document_id)
            await self._nodes.at(shard).zadd(shard.idle, {document_id: now_ms}, xx=True)

    async def _is_stored(self, document_id: DocumentId, position: Position) -> bool:
        """Read back what takes the place of what Redis holds; return whether it does.

        Raises:
            DamagedError: it is something else.
            UnavailableError: the document does not go on from ``position`` any more.
        """
        async with self._keeper.judging(document_id, position):
            return await self._was_read_back(document_id, position)

    async def _was_read_back(self, document_id: DocumentId, position: Position) -> bool:
        snapshot = await self._snapshots.newest(document_id, position.number)
        if snapshot is None or (snapshot.revision, snapshot.epoch) != (position.head, position.epoch):
            return False
        if snapshot.mac != position.mac:
            raise DamagedError(f"snapshot {snapshot.number} is of another history than the document", "chain")
        await self._keeper.keep(document_id, position, position.head)
        entries = await self._log.read(document_id, position.floor + 1, position.head)
        if await self._archive.read(document_id, position.floor + 1, position.head) != entries:
            raise DamagedError("the archive holds another history than the log", "object")
        return True
