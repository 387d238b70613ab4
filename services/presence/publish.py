"""One tick's way back: what changed is stored and announced, then the position moves on.

In this order, so that a service that dies in between leaves reports that are read again: they come to the
same rosters, and what was announced already is then no change.
"""

import logging
from collections.abc import Iterable

from redis.exceptions import RedisError

from coedit.presence.roster import Changes
from coedit.store.keys import Shard
from coedit.store.presence.keeper import PresenceKeeper, Work
from services.presence import metrics
from services.presence.heartbeat import ShardRosters

logger = logging.getLogger(__name__)


async def publish(keeper: PresenceKeeper, shards: Iterable[ShardRosters]) -> tuple[set[Shard], int]:
    """Store and announce what changed; return the shards to be loaded again, and the number of documents.

    Raises:
        RedisError, OSError, TimeoutError: nobody knows what Redis did of it; load every shard again.
    """
    by_shard = {rosters.shard: rosters for rosters in shards}
    work = [
        Work(rosters.shard, rosters.kept_position, document_id, changes)
        for rosters in by_shard.values()
        for document_id, changes in rosters.take_changes()
    ]
    stale = await _keep(keeper, by_shard, work) if work else set()
    return stale | await _advance(keeper, [by_shard[shard] for shard in by_shard.keys() - stale]), len(work)


async def _keep(keeper: PresenceKeeper, by_shard: dict[Shard, ShardRosters], work: list[Work]) -> set[Shard]:
    stale: set[Shard] = set()
    for item, answer in zip(work, await keeper.keep(work), strict=True):
        if isinstance(answer, RedisError):
            _put_off(by_shard[item.shard], item, answer)
        elif answer:
            _count(item.changes)
        else:
            stale.add(item.shard)
    return stale


def _put_off(rosters: ShardRosters, item: Work, error: RedisError) -> None:
    rosters.give_back(item.document_id, item.changes)
    metrics.FAILURES.labels("document").inc()
    facts = {"event": "presence-not-kept", "document_id": item.document_id, "error": repr(error)}
    logger.warning("a document's presence could not be stored and will be tried again", extra=facts)


async def _advance(keeper: PresenceKeeper, shards: list[ShardRosters]) -> set[Shard]:
    moved = [rosters for rosters in shards if rosters.position != rosters.kept_position]
    if not moved:
        return set()
    stale = await keeper.advance(
        {rosters.shard: (rosters.kept_position, rosters.position) for rosters in moved}
    )
    for rosters in moved:
        rosters.kept_position = rosters.position
    return stale


def _count(changes: Changes) -> None:
    metrics.ANNOUNCED.labels("present").inc(len(changes.present))
    metrics.ANNOUNCED.labels("left").inc(len(changes.left))
    if changes.present or changes.left:
        metrics.MESSAGES.inc()
