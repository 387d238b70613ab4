"""Puts a document that Redis lost, in part or in whole, back to where it is known to have been."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from coedit.identifiers import DocumentId
from coedit.protocol.events import Event, encode_events
from coedit.store.document_log import Position
from coedit.store.durability import Durability
from coedit.store.keys import Shard
from coedit.store.scripts import Script
from coedit.store.topology import Nodes

Restored = Literal["restored", "fenced", "stale", "broken"]


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
    """Runs the script under the owner's lease token."""

    def __init__(self, nodes: Nodes, token: str, durability: Durability | None = None) -> None:
        self._nodes = nodes
        self._durability = durability or Durability()
        self._token = token
        self._script = Script("restore.lua")

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
        ]
        message = encode_events(list(restoration.events)) if restoration.events else b""
        redis, must_wait = self._nodes.at(shard), self._durability.must_wait
        answer = await self._script.run(
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
                *restoration.commits,
            ],
        )
        restored: Restored = answer.decode()
        if must_wait and message and restored == "restored":
            await self._durability.wait(redis, shard)
            await redis.spublish(shard.events(document_id), message)
        return restored
