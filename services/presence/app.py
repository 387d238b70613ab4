"""The presence service put together: leases, one loop for each Redis node that has shards of ours, health."""

import asyncio
import logging
from functools import partial
from typing import Any

from redis.asyncio import Redis

from coedit.protocol.log_entry import ChainKey
from coedit.runtime.health import serve_health
from coedit.runtime.lanes import Lanes
from coedit.runtime.lifecycle import every, survive
from coedit.runtime.process_metrics import ROUND_TRIP_SECONDS, VERSION
from coedit.store.deployment.deployment import Deployment
from coedit.store.deployment.notes import NOTE_SECONDS, Notes
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.discovery import connect_nodes
from coedit.store.redis.lease_thread import LeaseThread
from coedit.store.redis.leases import ShardLeases
from services.presence import metrics
from services.presence.heartbeat import ShardRosters
from services.presence.settings import PresenceSettings
from services.presence.tick import Ticker

logger = logging.getLogger(__name__)

_LAST_TICK_SECONDS = 5.0


class PresenceService:
    """Keeps and announces the presence of the shards it has leases on."""

    def __init__(self, settings: PresenceSettings) -> None:
        self._settings = settings
        self._nodes = connect_nodes(settings.redis_url)
        self._leases = ShardLeases(
            self._nodes,
            "presence",
            Shard.keeper.__get__,
            settings.shard_count,
            settings.presence_lease_seconds,
        )
        chain_key = ChainKey.derive(*settings.chain_secrets())
        self._deployment = Deployment(self._nodes, None, settings.shard_count, chain_key)
        self._tickers: dict[Redis, Ticker] = {}
        self._notes = Notes(self._nodes, "presence", self._leases.token, VERSION, self._about)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``, then announce what is left and give the shards back.

        Raises:
            OSError: the health port is taken.
            CoeditError: the configuration is not the deployment's.
        """
        await self._deployment.compare_if_possible()
        async with self._deployment.watched(stop):
            await self._serve(stop)

    async def _serve(self, stop: asyncio.Event) -> None:
        metrics.SHARDS.set_function(lambda: len(self._rosters()))
        metrics.CLIENTS.set_function(lambda: sum(len(rosters) for rosters in self._rosters()))
        runner = await serve_health(
            self._why_not_ready, self._settings.health_host, self._settings.presence_health_port
        )
        logger.info("the presence service runs", extra={"event": "start", "token": self._leases.token[:4]})
        try:
            async with asyncio.TaskGroup() as tasks:
                lanes: Lanes[Redis] = Lanes(tasks, "tick", stop, metrics.FAILURES.labels("tick").inc)
                self._nodes.on_change(lambda: self._place(lanes, stop))

                async def step() -> None:
                    await self._keep_leases(lanes, stop)

                tasks.create_task(survive("leases", step, stop, metrics.FAILURES.labels("leases").inc))
                note = every(NOTE_SECONDS, partial(self._notes.write, ROUND_TRIP_SECONDS.observe), stop)
                tasks.create_task(survive("note", note, stop, metrics.FAILURES.labels("note").inc))
                connect = partial(connect_nodes, self._settings.redis_url)
                with LeaseThread(self._leases, connect, metrics.FAILURES.labels("lease-thread").inc):
                    await stop.wait()
                    await lanes.join()
            await self._finish()
        finally:
            await runner.cleanup()
            await self._nodes.aclose()

    def _about(self) -> dict[str, Any]:
        rosters = self._rosters()
        return {"shards": len(self._leases.held), "clients": sum(map(len, rosters))}

    def _rosters(self) -> list[ShardRosters]:
        return [rosters for ticker in self._tickers.values() for rosters in ticker.rosters]

    async def _why_not_ready(self) -> str:
        try:
            await self._nodes.ping()
        except TROUBLE as error:
            return f"Redis does not answer: {error!r}"
        return ""

    async def _keep_leases(self, lanes: Lanes[Redis], stop: asyncio.Event) -> None:
        try:
            gained, lost = await self._leases.keep()
        except Exception:
            # A shard may have gone and come back without our being told.
            for ticker in self._tickers.values():
                ticker.forget(self._leases.held)
            raise
        for ticker in self._tickers.values():
            ticker.forget(gained | lost)
        self._place(lanes, stop)
        if gained or lost:
            facts = {
                "event": "shards",
                "gained": len(gained),
                "lost": len(lost),
                "held": len(self._leases.held),
            }
            logger.info("shards changed hands", extra=facts)
        await self._leases.wait_for_move(stop)

    def _place(self, lanes: Lanes[Redis], stop: asyncio.Event) -> None:
        """Give each node's loop the shards that are ours and lie there."""
        placed = self._nodes.by_node(self._leases.held)
        for redis in self._tickers.keys() - set(self._nodes.masters()):
            lanes.end(redis)
            del self._tickers[redis]
        for redis in placed.keys() - self._tickers.keys():
            self._tickers[redis] = Ticker(self._nodes.reader(redis), self._leases.token, self._settings, stop)
            lanes.start(redis, self._tickers[redis].step)
        for redis, ticker in self._tickers.items():
            ticker.own(placed.get(redis, ()))

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(_LAST_TICK_SECONDS):
                for ticker in self._tickers.values():
                    await ticker.work(None)
                await self._leases.leave()
        except TROUBLE as error:
            # The leases end by themselves, and their next holder reads what we did not.
            logger.warning("could not finish in order", extra={"event": "stop", "error": repr(error)})
        logger.info("the presence service ends", extra={"event": "stop"})
