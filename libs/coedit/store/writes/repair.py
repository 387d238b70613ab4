"""The one script by which a damaged document is put right in Redis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from coedit.identifiers import DocumentId
from coedit.protocol.events import Event, encode_events
from coedit.store.documents.log import Position
from coedit.store.documents.quarantine import Damage, pack_damage
from coedit.store.keys import shard_of
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script
from coedit.store.writes.commit import listed_as

Repaired = Literal["repaired", "moved", "quarantine"]

_STAGED_SECONDS = 600
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found, which must still be so, and what takes its place."""

    document_id: DocumentId
    quarantine: Damage
    fields: tuple[bytes, ...] | None
    """The position as it stands (see `coedit.store.documents.log.raw_position`)."""
    after: Position
    log: Sequence[bytes] | None
    """The entries that end at the head; None: the log is sound as it is."""
    events: Sequence[Event]


class RepairScript:
    """Runs the script; the document is quarantined, so that nobody commits to it meanwhile."""

    def __init__(self, nodes: Nodes, shard_count: int) -> None:
        self._nodes = nodes
        self._shard_count = shard_count
        self._script = Script("repair.lua")

    async def run(self, repair: Repair) -> Repaired:
        """Write all of it, or nothing; return what did not fit.

        Raises:
            RedisError, OSError: it may or may not have been written; looking again tells.
        """
        document_id, after = repair.document_id, repair.after
        shard = shard_of(document_id, self._shard_count)
        if repair.log is not None:
            await self._stage(repair, repair.log)
        answer = await self._script.run(
            self._nodes.at(shard),
            [
                shard.document(document_id),
                shard.log(document_id),
                shard.staged(document_id),
                shard.damaged,
                shard.events(document_id),
                shard.changed,
                shard.fresh,
            ],
            [
                document_id,
                pack_damage(repair.quarantine),
                int(repair.fields is not None),
                *(repair.fields or [b""] * 9),
                *(after.epoch, after.head, after.mac, after.floor, after.snapshot, after.number),
                *(after.incarnation, after.lost, after.bridge.stored() if after.bridge else ""),
                int(repair.log is not None),
                encode_events(list(repair.events)),
                listed_as(document_id, after.number),
            ],
        )
        repaired: Repaired = answer.decode()
        return repaired

    async def _stage(self, repair: Repair, log: Sequence[bytes]) -> None:
        """Put the log together beside the other one; if all ends here, it goes by itself."""
        shard = shard_of(repair.document_id, self._shard_count)
        redis, key = self._nodes.at(shard), shard.staged(repair.document_id)
        await redis.delete(key)
        first = repair.after.head - len(log) + 1
        for start in range(0, len(log), _PAGE):
            async with redis.pipeline(transaction=False) as pipe:
                for offset, entry in enumerate(log[start : start + _PAGE], first + start):
                    pipe.xadd(key, {"commit": entry}, id=f"{offset}-0")
                pipe.expire(key, _STAGED_SECONDS)
                await pipe.execute()
