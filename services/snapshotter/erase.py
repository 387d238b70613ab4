"""What was decided about documents that were deleted: carried out, and told again where whoever decided it died.

The list ``deletions:{s}`` says what is to be looked at when; what is done follows from the decision in the object store
alone, so it is the same whoever begins it, and whoever goes on with it.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import cast

from redis.asyncio import Redis

from coedit.errors import CoeditError
from coedit.identifiers import DocumentId
from coedit.store.deletion.decisions import KEPT_MS, Decisions
from coedit.store.deletion.erasure import Erasure
from coedit.store.documents.pauses import Pauses
from coedit.store.keys import Shard
from coedit.store.objects.deletions import Deletion
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.topology import Nodes
from services.snapshotter.metrics import ERASED, FAILURES, SWEPT

logger = logging.getLogger(__name__)

_AT_ONCE = 100
"""So many of a shard are dealt with in one go; the others come next time."""


class Eraser:
    """Looks after the deletions of the shards that this process works on."""

    def __init__(self, nodes: Nodes, decisions: Decisions, erasure: Erasure) -> None:
        self._nodes = nodes
        self._decisions = decisions
        self._erasure = erasure
        self._pauses = Pauses()

    async def step(self, shards: Collection[Shard]) -> None:
        """Deal with what is due.

        Raises:
            RedisError, OSError, ObjectStoreError: a store cannot be asked now.
        """
        await self._review(shards)
        placed = self._nodes.by_node(shards)
        await asyncio.gather(*(self._deal_with(redis, some) for redis, some in placed.items()))

    async def _review(self, shards: Collection[Shard]) -> None:
        """Have everything looked at that the object store knows of, where Redis may have lost it."""
        lost = {shard: found for shard in shards if (found := await self._lost(shard))}
        if not lost:
            return
        decided = await self._decisions.records.documents()
        for document_id in decided:
            shard = self._decisions.shard_of(document_id)
            if shard in lost:
                await self._nodes.at(shard).zadd(shard.deletions, {document_id: 0})
        for shard, incarnation in lost.items():
            await self._nodes.at(shard).set(shard.reviewed, incarnation)

    async def _lost(self, shard: Shard) -> bytes:
        """Return in which incarnation of a shard nobody has looked yet; empty: in this one somebody has."""
        redis = self._nodes.at(shard)
        found = cast("bytes | None", await redis.hget(shard.incarnation, "id"))
        return b"" if found is None or found == await redis.get(shard.reviewed) else found

    async def _deal_with(self, redis: Redis, shards: Sequence[Shard]) -> None:
        seconds, microseconds = await redis.time()
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        async with redis.pipeline(transaction=False) as pipe:
            for shard in shards:
                pipe.zrangebyscore(shard.deletions, "-inf", now_ms, start=0, num=_AT_ONCE)
            found = cast("list[list[bytes]]", await pipe.execute())
        for document_id in (DocumentId(name.decode()) for names in found for name in names):
            if not self._pauses.holds(document_id, now_ms):
                await self._look(document_id, now_ms)

    async def _look(self, document_id: DocumentId, now_ms: int) -> None:
        """Do what follows from the decision about one document, whose trouble is its own."""
        try:
            await self._follow(document_id, now_ms)
        except (CoeditError, *TROUBLE) as error:
            FAILURES.labels("deletion").inc()
            pause_seconds = self._pauses.failed(document_id, now_ms)
            facts = {"event": "deletion-error", "document_id": document_id, "error": repr(error)}
            logger.error("a deletion is not carried out yet", extra=facts | {"pause_seconds": pause_seconds})
        else:
            self._pauses.succeeded(document_id)

    async def _follow(self, document_id: DocumentId, now_ms: int) -> None:
        newest = await self._decisions.expire(document_id)
        if newest is None:  # whoever was about to decide did not
            await self._decisions.forget(document_id, 0)
            return
        await self._decisions.tell(document_id, newest)
        if newest.state == "erasing":
            newest = await self._erase(document_id, newest)
        elif newest.state == "erased":
            await self._sweep(document_id)
        if newest.state in ("restored", "erased") and now_ms - newest.at > KEPT_MS:
            await self._decisions.forget(document_id, newest.number)

    async def _erase(self, document_id: DocumentId, erasing: Deletion) -> Deletion:
        count = await self._erasure.erase(document_id)
        erased = await self._decisions.done(document_id, erasing)
        await self._decisions.tell(document_id, erased)
        ERASED.inc()
        facts = {"event": "erased", "document_id": document_id, "count": count}
        logger.info("a document is erased", extra=facts)
        return erased

    async def _sweep(self, document_id: DocumentId) -> None:
        """Take away what came late."""
        count = await self._erasure.erase(document_id)
        if count:
            SWEPT.inc(count)
            facts = {"event": "swept", "document_id": document_id, "count": count}
            logger.info("what came late of a document that was erased is gone, too", extra=facts)
