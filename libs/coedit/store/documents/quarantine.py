"""Documents that are damaged: quarantined one by one, whoever found it, until they are repaired.

Redis holds it (``damaged:{s}``), and the commit script looks there, so that nothing is written whoever owns the shard;
it outlives every process, and is lifted without a restart of any.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, cast

import msgpack

from coedit.errors import DamagedError, DamageReason
from coedit.identifiers import DocumentId
from coedit.protocol.events import DamageFound, DamageRepaired, encode_events
from coedit.protocol.webhooks.events import DocumentQuarantined, packed
from coedit.store.keys import Shard, shard_of
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script

logger = logging.getLogger(__name__)

Finder = Literal["transformer", "gateway", "snapshotter", "doctor"]


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with a document."""

    reason: DamageReason
    message: str
    revision: int = 0
    """The first one that is concerned; 0: none in particular."""
    found_by: Finder = "doctor"
    at: int = 0
    """When it was found (ms since 1970)."""


class Quarantine:
    """Which documents are damaged, in Redis; ``role`` is who finds and lifts here."""

    def __init__(self, nodes: Nodes, shard_count: int, role: Finder) -> None:
        self._nodes = nodes
        self._shard_count = shard_count
        self._role: Finder = role
        self._mark = Script("mark_damaged.lua")
        self._lift = Script("lift_quarantine.lua")

    async def enter(self, document_id: DocumentId, error: DamagedError, *, anew: bool = False) -> bool:
        """Quarantine a document, and tell whoever has it open; return False where it was before.

        ``anew`` takes the place of what was found before.

        Raises:
            RedisError, OSError: it may or may not be quarantined.
        """
        shard = shard_of(document_id, self._shard_count)
        redis = self._nodes.at(shard)
        seconds, microseconds = await redis.time()
        at = int(seconds) * 1000 + int(microseconds) // 1000
        damage = Damage(error.reason, str(error), error.revision, self._role, at)
        message = encode_events([DamageFound(str(error))])
        event = DocumentQuarantined(document=document_id, reason=error.reason, message=str(error))
        entered = await self._mark.run(
            redis,
            [shard.damaged, shard.events(document_id), shard.happened],
            [document_id, pack_damage(damage), int(anew), message, packed(event)],
        )
        if entered:
            facts = {"event": "quarantine", "document_id": document_id, "reason": error.reason}
            logger.error("a document is quarantined", extra=facts | {"error": str(error)})
        return bool(entered)

    async def lift(self, document_id: DocumentId, damage: Damage) -> bool:
        """Let a document take writes again; return False where it is quarantined for another reason, or not at all.

        Raises:
            RedisError, OSError: it may or may not be lifted.
        """
        shard = shard_of(document_id, self._shard_count)
        lifted = await self._lift.run(
            self._nodes.at(shard),
            [shard.damaged, shard.events(document_id)],
            [document_id, pack_damage(damage), encode_events([DamageRepaired()])],
        )
        if lifted:
            facts = {"event": "quarantine-over", "document_id": document_id}
            logger.warning("a document takes writes again", extra=facts)
        return bool(lifted)

    async def of(self, document_id: DocumentId) -> Damage | None:
        """Return what was found wrong with a document; None: it is not quarantined.

        Raises:
            RedisError, OSError: Redis cannot tell now.
        """
        shard = shard_of(document_id, self._shard_count)
        packed = cast("bytes | None", await self._nodes.at(shard).hget(shard.damaged, document_id))
        return None if packed is None else _unpacked(packed)

    async def all_in(self, shards: Collection[Shard]) -> dict[DocumentId, Damage]:
        """Return every document of ``shards`` that is quarantined.

        Raises:
            RedisError, OSError: Redis cannot tell now.
        """
        found: list[dict[bytes, bytes]] = await self._nodes.each(
            list(shards), lambda shard: shard, lambda pipe, shard: pipe.hgetall(shard.damaged)
        )
        return {
            DocumentId(name.decode()): _unpacked(packed) for page in found for name, packed in page.items()
        }


def pack_damage(damage: Damage) -> bytes:
    """Return the value of ``damaged:{s}``."""
    packed: bytes = msgpack.packb(
        [damage.reason, damage.message, damage.revision, damage.found_by, damage.at]
    )
    return packed


def _unpacked(packed: bytes) -> Damage:
    return Damage(*msgpack.unpackb(packed))
