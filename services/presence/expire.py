"""Who gave no sign of life in time: found by the deadlines in Redis, decided by the rosters.

Keyspace notifications are not used: they are lost when nobody listens, come late, and cost every key that
expires in the whole Redis.
"""

from collections.abc import Mapping

from coedit.store.keys import Shard
from coedit.store.presence.keeper import PresenceKeeper
from services.presence.heartbeat import ShardRosters

INTERVAL_MS = 1000


class Expiry:
    """Looks once a second, by Redis's clock, at the deadlines that have passed."""

    def __init__(self, keeper: PresenceKeeper) -> None:
        self._keeper = keeper
        self._looked_at_ms = 0

    async def look(self, shards: Mapping[Shard, ShardRosters], now_ms: int) -> None:
        """End the presence of everybody whose deadline is past at ``now_ms``; retry what was put off.

        The rosters must hold every report up to ``now_ms``: a service that was held up for long would
        otherwise say of everybody that they left, with their signs of life still unread.
        """
        if now_ms - self._looked_at_ms < INTERVAL_MS:
            return
        self._looked_at_ms = now_ms
        for rosters in shards.values():
            rosters.retry()
        for shard, overdue in (await self._keeper.overdue(list(shards), now_ms)).items():
            shards[shard].expire(overdue, now_ms)
