"""The presence service: one loop over all of its shards.

::

    wait for a report ─▶ read all ─▶ rosters ─▶ expire (once a second) ─▶ publish ─▶ pause for a tick ─┐
          ▲                                                                                            │
          └────────────────────────────────────────────────────────────────────────────────────────────┘

A first move is announced at once; those that come during the pause are merged into one announcement behind
it. While nobody moves, the loop waits in Redis.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from redis.asyncio import Redis

from coedit.runtime.health import add_health_routes, serve
from coedit.runtime.lifecycle import survive, until_stopped
from coedit.store.keys import Shard
from coedit.store.leases import ShardLeases
from coedit.store.presence_keeper import READ_COUNT, Entry, PresenceKeeper
from coedit.store.redis_connection import TROUBLE, connect
from services.presence import metrics
from services.presence.expire import Expiry
from services.presence.heartbeat import ShardRosters
from services.presence.publish import publish
from services.presence.settings import PresenceSettings

logger = logging.getLogger(__name__)

_IDLE_BLOCK_MS = 1000
"""How long one read waits for reports; well below what `connect` grants an answer."""
_NO_SHARD_SECONDS = 0.25
_LAST_TICK_SECONDS = 5.0


class PresenceService:
    """Keeps and announces the presence of the shards it has leases on."""

    def __init__(self, settings: PresenceSettings) -> None:
        self._settings = settings
        self._ttl_ms = int(settings.presence_ttl_seconds * 1000)
        self._redis: Redis = connect(settings.redis_url)
        self._leases = ShardLeases(
            self._redis,
            "presence",
            Shard.keeper.__get__,
            settings.shard_count,
            settings.presence_lease_seconds,
        )
        self._keeper = PresenceKeeper(self._redis, self._leases.token)
        self._expiry = Expiry(self._keeper)
        self._shards: dict[Shard, ShardRosters] = {}
        self._tick_ends_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``, then announce what is left and give the shards back.

        Raises:
            OSError: the health port is taken.
        """
        metrics.SHARDS.set_function(lambda: len(self._shards))
        metrics.CLIENTS.set_function(lambda: sum(len(rosters) for rosters in self._shards.values()))
        health = web.Application()
        add_health_routes(health, self._why_not_ready)
        runner = await serve(health, self._settings.health_host, self._settings.presence_health_port)
        logger.info("the presence service runs", extra={"event": "start", "token": self._leases.token[:4]})
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._loop("leases", lambda: self._keep_leases(stop), stop))
                tasks.create_task(self._loop("tick", lambda: self._tick(stop), stop))
            await self._finish()
        finally:
            await runner.cleanup()
            await self._redis.aclose()

    async def _why_not_ready(self) -> str:
        try:
            await self._redis.ping()
        except TROUBLE as error:
            return f"Redis does not answer: {error!r}"
        return ""

    @staticmethod
    async def _loop(what: str, step: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
        await survive(what, step, stop, lambda: metrics.FAILURES.labels(what).inc())

    async def _keep_leases(self, stop: asyncio.Event) -> None:
        try:
            gained, lost = await self._leases.keep()
        except Exception:
            # A shard may have gone and come back without our being told.
            self._shards.clear()
            raise
        self._forget(gained | lost)
        if gained or lost:
            facts = {
                "event": "shards",
                "gained": len(gained),
                "lost": len(lost),
                "held": len(self._leases.held),
            }
            logger.info("shards changed hands", extra=facts)
        await until_stopped(stop, self._leases.interval_seconds)

    async def _tick(self, stop: asyncio.Event) -> None:
        if not self._leases.held:
            await until_stopped(stop, _NO_SHARD_SECONDS)
        elif await self._work(_IDLE_BLOCK_MS):
            await until_stopped(stop, max(0.0, self._tick_ends_at - asyncio.get_running_loop().time()))

    async def _work(self, block_ms: int | None) -> bool:
        """Read, expire and publish once; return whether there was anything to do."""
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
        self._forget(stale)
        await self._observe_delay(read)
        return bool(read or documents)

    async def _loaded(self) -> dict[Shard, ShardRosters]:
        """Return the rosters of the shards that are ours now, loading what is missing."""
        for shard in self._leases.held - self._shards.keys():
            stored = await self._keeper.load(shard)
            self._shards[shard] = ShardRosters(shard, self._settings.shard_count, stored, self._ttl_ms)
        self._forget(self._shards.keys() - self._leases.held)
        return dict(self._shards)

    def _forget(self, shards: set[Shard]) -> None:
        for shard in shards:
            self._shards.pop(shard, None)

    async def _observe_delay(self, read: dict[Shard, list[Entry]]) -> None:
        if read:
            oldest_ms = min(entries[0].at_ms for entries in read.values())
            metrics.DELAY_SECONDS.observe(max(0, await self._keeper.now_ms() - oldest_ms) / 1000)

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(_LAST_TICK_SECONDS):
                await self._work(None)
                await self._leases.leave()
        except TROUBLE as error:
            # The leases end by themselves, and their next holder reads what we did not.
            logger.warning("could not finish in order", extra={"event": "stop", "error": repr(error)})
        logger.info("the presence service ends", extra={"event": "stop"})
