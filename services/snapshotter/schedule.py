"""Which documents are due: those that went quiet, and those with many commits above their snapshot.

The lists of changed documents are only a hint, written by the commit script; where a document really stands is
read again when it is dealt with. All times are Redis's.
"""

from collections.abc import Collection
from typing import NamedTuple

from redis.asyncio import Redis

from coedit.identifiers import DocumentId
from coedit.store.keys import Shard


class Changed(NamedTuple):
    """A document with commits above its snapshot, as the list of its shard has it."""

    shard: Shard
    document_id: DocumentId
    last_commit_ms: float


class Scan(NamedTuple):
    """What one look at the lists found, at ``now_ms`` by Redis's clock."""

    now_ms: int
    changed_count: int
    due: list[DocumentId]


class Schedule:
    """Looks for due documents, in two round trips, or one where nothing is being edited."""

    def __init__(self, redis: Redis, *, commits: int, quiet_seconds: float) -> None:
        self._redis = redis
        self._commits = commits
        self._quiet_ms = quiet_seconds * 1000

    async def scan(self, shards: Collection[Shard]) -> Scan:
        """Return the due documents of ``shards``, those that changed first coming first.

        Raises:
            RedisError: Redis cannot be asked.
        """
        now_ms, changed = await self._changed(list(shards))
        quiet = [item for item in changed if item.last_commit_ms <= now_ms - self._quiet_ms]
        edited = [item for item in changed if item.last_commit_ms > now_ms - self._quiet_ms]
        due = [*quiet, *await self._long(edited)]
        due.sort(key=lambda item: item.last_commit_ms)
        return Scan(now_ms, len(changed), [item.document_id for item in due])

    async def _changed(self, shards: list[Shard]) -> tuple[int, list[Changed]]:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for shard in shards:
                pipe.zrange(shard.changed, 0, -1, withscores=True)
            (seconds, microseconds), *lists = await pipe.execute()
        changed = [
            Changed(shard, DocumentId(member.decode()), score)
            for shard, members in zip(shards, lists, strict=True)
            for member, score in members
        ]
        return seconds * 1000 + microseconds // 1000, changed

    async def _long(self, edited: list[Changed]) -> list[Changed]:
        """Return those of the documents whose logs are long enough above their snapshots."""
        if not edited:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for item in edited:
                pipe.hmget(item.shard.document(item.document_id), ["head", "snapshot"])
            positions = await pipe.execute()
        return [
            item
            for item, (head, snapshot) in zip(edited, positions, strict=True)
            if int(head or 0) - int(snapshot or 0) >= self._commits
        ]
