"""One Redis node's part of the work: read reports, keep the rosters of its shards, announce what changed.

::

    wait for a report ─▶ read all ─▶ rosters ─▶ expire (once a second) ─▶ publish ─▶ pause for a tick ─┐
          ▲                                                                                            │
          └────────────────────────────────────────────────────────────────────────────────────────────┘

A first move is announced at once; those that come during the pause are merged into one announcement behind
it. While nobody moves, the loop waits in Redis.
"""

import asyncio
from collections.abc import Iterable

from coedit.runtime.lifecycle import until_stopped
from coedit.store.keys import Shard
from coedit.store.presence.keeper import READ_COUNT, Entry, PresenceKeeper
from coedit.store.redis.stream_reader import StreamReader
from services.presence import metrics
from services.presence.expire import Expiry
from services.presence.heartbeat import ShardRosters
from services.presence.publish import publish
from services.presence.settings import PresenceSettings

_IDLE_BLOCK_MS = 1000
"""How long one read waits for reports; well below what `connect` grants an answer."""
_NO_SHARD_SECONDS = 0.25


class Ticker:
    """Keeps and announces the presence of the shards that `own` names, which lie on one node."""

    def __init__(
        self, reader: StreamReader, token: str, settings: PresenceSettings, stop: asyncio.Event
    ) -> None:
        self._settings = settings
        self._ttl_ms = int(settings.presence_ttl_seconds * 1000)
        self._keeper = PresenceKeeper(reader, token)
        self._expiry = Expiry(self._keeper)
        self._stop = stop
        self._held: set[Shard] = set()
        self._shards: dict[Shard, ShardRosters] = {}
        self._tick_ends_at = 0.0

    @property
    def rosters(self) -> Iterable[ShardRosters]:
        """What is kept."""
        return self._shards.values()

    def own(self, held: Iterable[Shard]) -> None:
        """Say which shards to work on from now on."""
        self._held = set(held)

    def forget(self, shards: Iterable[Shard]) -> None:
        """Load these shards again before anything else is done with them."""
        for shard in shards:
            self._shards.pop(shard, None)

    async def step(self) -> None:
        """Work once, after at most a second of waiting, and pause for the rest of the tick."""
        if not self._held:
            await until_stopped(self._stop, _NO_SHARD_SECONDS)
        elif await self.work(_IDLE_BLOCK_MS):
            seconds = self._tick_ends_at - asyncio.get_running_loop().time()
            await until_stopped(self._stop, max(0.0, seconds))

    async def work(self, block_ms: int | None) -> bool:
        """Read, expire and publish once; return whether there was anything to do.

        Raises:
            RedisError, OSError: everything is loaded again with the next step.
        """
        try:
            shards = await self._loaded()
            if not shards:
                return False  # lost since we looked
            # The clock first, the reports second: then every sign of life up to `now_ms` is among them.
            now_ms = await self._keeper.now_ms()
            read = await self._keeper.read({shard: shards[shard].position for shard in shards}, block_ms)
            self._tick_ends_at = asyncio.get_running_loop().time() + self._settings.presence_tick_seconds
            with metrics.TICK_SECONDS.time():
                for shard, entries in read.items():
                    shards[shard].take(entries)
                if all(len(entries) < READ_COUNT for entries in read.values()):
                    await self._expiry.look(shards, now_ms)
                stale, documents = await publish(self._keeper, shards.values())
        except Exception:
            # Nobody knows what Redis did of it. It knows: load everything again.
            self._shards.clear()
            raise
        self.forget(stale)
        await self._observe_delay(read)
        return bool(read or documents)

    async def _loaded(self) -> dict[Shard, ShardRosters]:
        """Return the rosters of the shards that are ours now, loading what is missing."""
        for shard in self._held - self._shards.keys():
            stored = await self._keeper.load(shard)
            self._shards[shard] = ShardRosters(shard, self._settings.shard_count, stored, self._ttl_ms)
        self.forget(self._shards.keys() - self._held)
        return dict(self._shards)

    async def _observe_delay(self, read: dict[Shard, list[Entry]]) -> None:
        if read:
            oldest_ms = min(entries[0].at_ms for entries in read.values())
            metrics.DELAY_SECONDS.observe(max(0, await self._keeper.now_ms() - oldest_ms) / 1000)
