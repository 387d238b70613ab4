"""Puts a document that Redis lost, in part or in whole, back to where it is known to have been, or in another epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from redis.asyncio import Redis

from coedit.identifiers import DocumentId
from coedit.protocol.events import EpochBegun, Event, encode_events
from coedit.protocol.webhooks.events import DocumentLost, packed
from coedit.store.documents.log import Position
from coedit.store.keys import Shard
from coedit.store.redis.durability import Durability
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script
from coedit.store.writes.commit import listed_as

Restored = Literal["restored", "fenced", "stale", "broken", "erased"]
Begun = Literal["begun", "fenced", "stale", "broken", "erased"]


@dataclass(frozen=True, slots=True)
class Restoration:
    """Where a document stands in Redis (None: it is not there), where it is put, and what is told of it."""

    document_id: DocumentId
    expected: Position | None
    after: Position
    commits: Sequence[bytes] = ()
    """What is appended to the log; ends at ``after.head``."""
    drops_log: bool = False
    events: Sequence[Event] = field(default=())


class RestoreScript:
    """Runs the scripts under the owner's lease token."""

    def __init__(self, nodes: Nodes, token: str, durability: Durability | None = None) -> None:
        self._nodes = nodes
        self._durability = durability or Durability()
        self._token = token
        self._restore = Script("restore.lua")
        self._begin_epoch = Script("begin_epoch.lua")

    async def run(self, shard: Shard, restoration: Restoration) -> Restored:
        """Write all of it, or nothing; return what did not fit.

        Raises:
            RedisError, OSError: it may or may not have been written; doing it again is harmless.
        """
        document_id, expected, after = restoration.document_id, restoration.expected, restoration.after
        keys = [
            shard.owner,
            shard.changed,
            shard.document(document_id),
            shard.log(document_id),
            shard.events(document_id),
            shard.damaged,
            shard.idle,
            shard.fresh,
            shard.deleted,
        ]
        message = encode_events(list(restoration.events)) if restoration.events else b""
        redis, must_wait = self._nodes.at(shard), self._durability.must_wait
        answer = await self._restore.run(
            redis,
            keys,
            [
                self._token,
                expected.epoch if expected else 0,
                expected.head if expected else 0,
                document_id,
                after.epoch,
                after.head,
                after.mac,
                after.floor,
                after.snapshot,
                after.number,
                after.incarnation,
                after.lost,
                after.bridge.stored() if after.bridge else "",
                int(restoration.drops_log),
                b"" if must_wait else message,
                listed_as(document_id, after.number),
                *restoration.commits,
            ],
        )
        restored: Restored = answer.decode()
        if must_wait and message and restored == "restored":
            await self._tell_durable(redis, shard, document_id, message)
        return restored

    async def begin_epoch(
        self, shard: Shard, document_id: DocumentId, ended: int, after: Position, event: EpochBegun | None
    ) -> Begun:
        """Begin the epoch of ``after``, with its incarnation and loss, wherever the document stands in Redis.

        ``ended`` is the epoch before; 0: it is not there.

        Raises:
            RedisError, OSError: it may or may not have begun.
        """
        keys = [
            shard.owner,
            shard.changed,
            shard.document(document_id),
            shard.events(document_id),
            shard.damaged,
            shard.idle,
            shard.happened,
            shard.fresh,
            shard.deleted,
        ]
        message = encode_events([event]) if event is not None else b""
        redis, must_wait = self._nodes.at(shard), self._durability.must_wait
        told = b"" if must_wait else message
        arguments: list[str | bytes | int] = [
            self._token,
            ended,
            document_id,
            after.epoch,
            after.incarnation,
            after.lost,
            told,
            after.head,
            after.mac,
            after.floor,
            after.snapshot,
            after.number,
            after.bridge.stored() if after.bridge else "",
            b"" if event is None else packed(_lost(document_id, event)),
            listed_as(document_id, after.number),
        ]
        begun: Begun = (await self._begin_epoch.run(redis, keys, arguments)).decode()
        if must_wait and message and begun == "begun":
            await self._tell_durable(redis, shard, document_id, message)
        return begun

    async def _tell_durable(
        self, redis: Redis, shard: Shard, document_id: DocumentId, message: bytes
    ) -> None:
        await self._durability.wait(redis, shard)
        await redis.spublish(shard.events(document_id), message)


def _lost(document_id: DocumentId, event: EpochBegun) -> DocumentLost:
    return DocumentLost(
        document=document_id,
        epoch=event.epoch,
        first_revision=event.revision + 1,
        last_revision=event.last_lost,
    )
