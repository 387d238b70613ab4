"""Which documents are due: those that went quiet, that have many commits above their snapshot, or large logs, or that
somebody asked for.

The lists of changed documents are only a hint, written by the commit script; where a document really stands is
read again when it is dealt with. All times are those of the Redis that has the document.
"""

import asyncio
from collections.abc import Collection
from typing import Any, NamedTuple

from redis.asyncio import Redis

from coedit.identifiers import DocumentId
from coedit.store.keys import Shard
from coedit.store.redis.topology import Nodes


class Changed(NamedTuple):
    """A document with commits above its snapshot, as the list of its shard has it."""

    shard: Shard
    document_id: DocumentId
    changed_ms: float
    """When its last commit was, since 1970."""
    quiet_ms: float
    """Since then."""


class Scan(NamedTuple):
    """What one look at the lists found, at ``now_ms`` by the clock of a Redis; 0 where there was none to look at."""

    now_ms: int
    changed_count: int
    longest_ms: float
    """How long ago the last commit was of the document that waits longest for a snapshot of it; 0: none waits."""
    due: list[DocumentId]


class Schedule:
    """Looks for due documents, in two round trips to each node, or one where nothing is being edited."""

    def __init__(self, nodes: Nodes, *, commits: int, max_bytes: int, quiet_seconds: float) -> None:
        self._nodes = nodes
        self._commits = commits
        self._max_bytes = max_bytes
        self._quiet_ms = quiet_seconds * 1000
        self._short: dict[DocumentId, float] = {}
        """Documents whose logs are short, and when they had changed last: until they change they stay short."""

    async def scan(self, shards: Collection[Shard]) -> Scan:
        """Return the due documents of ``shards``, those that changed first coming first.

        Raises:
            RedisError: Redis cannot be asked.
        """
        now_ms, changed = await self.changed(shards)
        quiet = [item for item in changed if item.quiet_ms >= self._quiet_ms]
        edited = [item for item in changed if item.quiet_ms < self._quiet_ms]
        due = [*quiet, *await self._long(edited)]
        self._short = {item.document_id: item.changed_ms for item in edited}
        for item in due:
            self._short.pop(item.document_id, None)
        due.sort(key=lambda item: -item.quiet_ms)
        longest_ms = max((item.quiet_ms for item in changed), default=0.0)
        return Scan(now_ms, len(changed), longest_ms, [item.document_id for item in due])

    async def changed(self, shards: Collection[Shard]) -> tuple[int, list[Changed]]:
        """Return the documents of ``shards`` with commits above their snapshots, and the time by Redis's clock.

        Raises:
            RedisError: Redis cannot be asked.
        """
        found = await asyncio.gather(
            *(_changed_on(redis, some) for redis, some in self._nodes.by_node(shards).items())
        )
        now_ms = max((now_ms for now_ms, _ in found), default=0)
        return now_ms, [item for _, changed in found for item in changed]

    async def _long(self, edited: list[Changed]) -> list[Changed]:
        """Return those of the documents whose logs are long enough above their snapshots, or too large."""
        grown = [item for item in edited if self._short.get(item.document_id) != item.changed_ms]
        if not grown:
            return []
        positions = await self._nodes.each(
            grown,
            lambda item: item.shard,
            lambda pipe, item: pipe.hmget(
                item.shard.document(item.document_id), ["head", "snapshot", "log_bytes", "wanted"]
            ),
            raise_on_error=False,
        )
        return [item for item, found in zip(grown, positions, strict=True) if self._is_long(found)]

    def _is_long(self, found: Any) -> bool:
        """Return, by the reply of Redis, whether there are enough commits, or bytes, or a snapshot is wanted.

        What cannot be read is due: whoever deals with the document finds out what is wrong with it.
        """
        try:
            head, snapshot, log_bytes, wanted = found
            is_long = int(head or 0) - int(snapshot or 0) >= self._commits
            is_wanted = int(wanted or 0) > int(snapshot or 0)
            return is_long or is_wanted or int(log_bytes or 0) > self._max_bytes
        except (TypeError, ValueError):
            return True


async def _changed_on(redis: Redis, shards: list[Shard]) -> tuple[int, list[Changed]]:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        for shard in shards:
            pipe.zrange(shard.changed, 0, -1, withscores=True)
        (seconds, microseconds), *lists = await pipe.execute()
    now_ms = seconds * 1000 + microseconds // 1000
    changed = [
        Changed(shard, DocumentId(member.decode()), score, now_ms - score)
        for shard, members in zip(shards, lists, strict=True)
        for member, score in members
    ]
    return now_ms, changed
