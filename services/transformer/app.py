"""The transformer put together: leases, the consuming loop, heads, health."""

import asyncio
import logging
import time

from aiohttp import web

from coedit.protocol.log_entry import ChainKey
from coedit.runtime.health import add_health_routes, serve
from coedit.runtime.lifecycle import survive, until_stopped
from coedit.store.archive import Archive
from coedit.store.commit_script import CommitScript
from coedit.store.document_log import DocumentLog
from coedit.store.documents import DocumentReader
from coedit.store.incarnation import Grace, Incarnations
from coedit.store.keys import Shard
from coedit.store.leases import ShardLeases
from coedit.store.object_store import open_object_store
from coedit.store.redis_connection import connect, refuse_unsafe
from coedit.store.restore_script import RestoreScript
from coedit.store.server_pin import ServerChangedError, ServerPin
from coedit.store.snapshots import Snapshots
from services.transformer.batch import BatchDecider
from services.transformer.consume import Consumer
from services.transformer.documents import WorkingDocuments
from services.transformer.heads import HeadAnnouncer
from services.transformer.metrics import ERRORS, SHARDS
from services.transformer.recover import Recovery
from services.transformer.settings import TransformerSettings

logger = logging.getLogger(__name__)


class Transformer:
    """One transformer process."""

    def __init__(self, settings: TransformerSettings) -> None:
        self._settings = settings
        self._pin = ServerPin()
        self._redis = connect(settings.redis_url, pin=self._pin)
        objects = open_object_store(settings.object_store_url, settings.object_store_endpoint)
        chain_key = ChainKey.derive(*settings.chain_secrets())
        self._log = DocumentLog(self._redis, settings.shard_count)
        reader = DocumentReader(self._log, Snapshots(objects), Archive(objects), chain_key)
        self._leases = ShardLeases(
            self._redis,
            "transformer",
            Shard.owner.__get__,
            settings.shard_count,
            settings.transformer_lease_seconds,
        )
        replica_count = settings.replica_count if settings.durability == "replicated" else 0
        self._script = CommitScript(self._redis, self._leases.token, replica_count=replica_count)
        self._heads = HeadAnnouncer(self._redis, self._log, time.monotonic)
        grace = Grace(settings.transformer_grace_seconds, settings.transformer_restart_grace_seconds)
        self._incarnations = Incarnations(
            self._redis, objects, self._leases.token, settings.shard_count, grace
        )
        self._recovery = Recovery(
            self._redis,
            self._incarnations,
            reader,
            RestoreScript(self._redis, self._leases.token),
            self._heads,
            chain_key,
            self._log.shard,
        )
        self._recovery.on_cleared = self._own_sound
        documents = WorkingDocuments(
            reader,
            self._recovery,
            capacity=settings.transformer_documents,
            max_units=settings.transformer_document_units,
        )
        self._consumer = Consumer(
            self._redis,
            documents,
            BatchDecider(documents, chain_key),
            self._script,
            self._heads,
            self._log.shard,
            settings.transformer_batch_entries,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``, then finish the batch and give the shards back."""
        settings = self._settings
        await refuse_unsafe(self._redis, settings.durability)
        await self._incarnations.begin_deployment()
        app = web.Application()
        add_health_routes(app, self._ready)
        health = await serve(app, settings.health_host, settings.transformer_health_port)
        logger.info("transformer started", extra={"event": "started", "token": self._leases.token[:6]})
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_leases(stop))
            consuming = tasks.create_task(
                survive("consume", self._consume, stop, ERRORS.labels("consume").inc)
            )
            announcing = tasks.create_task(
                survive("heads", self._heads.step, stop, ERRORS.labels("heads").inc)
            )
            recovering = tasks.create_task(
                survive("recover", self._recovery.step, stop, ERRORS.labels("recover").inc)
            )
            await stop.wait()
            await consuming
            announcing.cancel()
            recovering.cancel()
        await self._leases.leave()
        await health.cleanup()
        await self._redis.aclose()
        logger.info("transformer stopped", extra={"event": "stopped"})

    async def _consume(self) -> None:
        try:
            if self._pin.has_changed:
                raise ServerChangedError("Redis restarted, or another server took over")
            await self._consumer.step()
        except Exception:
            self._recovery.forget(self._consumer.recover())
            self._consumer.own(frozenset())
            if self._pin.has_changed:
                await self._redis.connection_pool.disconnect()
                self._pin.release()
            await self._follow()
            raise

    async def _follow(self) -> None:
        """Examine what was gained; consume what is sound."""
        await self._recovery.follow(set(self._leases.held), lambda: self._pin.server)
        self._own_sound()

    def _own_sound(self) -> None:
        self._consumer.own(self._recovery.sound())

    async def _keep_leases(self, stop: asyncio.Event) -> None:
        async def step() -> None:
            gained, lost = await self._leases.keep()
            await self._follow()
            if gained or lost:
                SHARDS.set(len(self._leases.held))
                facts = {
                    "event": "shards",
                    "gained": len(gained),
                    "lost": len(lost),
                    "held": len(self._leases.held),
                }
                logger.info("shards changed hands", extra=facts)
            await until_stopped(stop, self._leases.interval_seconds)

        await survive("leases", step, stop, ERRORS.labels("leases").inc)

    async def _ready(self) -> str:
        if not self._leases.held:
            return "no shards yet"
        return ""
