"""The transformer put together: leases, the consuming loop, heads, health."""

import asyncio
import logging
import time
from functools import partial
from typing import Any

from redis.asyncio import Redis

from coedit.protocol.log_entry import ChainKey
from coedit.runtime.health import serve_health
from coedit.runtime.lanes import Lanes
from coedit.runtime.lifecycle import every, survive
from coedit.runtime.process_metrics import ROUND_TRIP_SECONDS, VERSION, value_of
from coedit.store.deployment.deployment import Deployment
from coedit.store.deployment.incarnation import Grace, Incarnations
from coedit.store.deployment.notes import NOTE_SECONDS, Notes
from coedit.store.documents.keep_history import HistoryKeeper
from coedit.store.documents.log import DocumentLog
from coedit.store.documents.make_snapshot import SnapshotMaker
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from coedit.store.documents.tries import Tries
from coedit.store.keys import Shard
from coedit.store.objects.archive import Archive
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshots
from coedit.store.objects.unerased import UnerasedObjects
from coedit.store.redis.discovery import connect_nodes
from coedit.store.redis.durability import Durability
from coedit.store.redis.lease_thread import LeaseThread
from coedit.store.redis.leases import ShardLeases
from coedit.store.redis.server_pin import Pins
from coedit.store.streams.ops import OpsStream
from coedit.store.writes.commit import CommitScript
from coedit.store.writes.folds import FoldScripts
from coedit.store.writes.restore import RestoreScript
from services.transformer.deciding.aside import Aside
from services.transformer.deciding.batch import BatchDecider
from services.transformer.deciding.bridging import Bridging
from services.transformer.deciding.large_updates import LargeUpdates, decode
from services.transformer.deciding.orders import Orders, answered_by, told_by
from services.transformer.deciding.yjs import YjsDecider
from services.transformer.documents.working import WorkingDocuments
from services.transformer.heads import HeadAnnouncer
from services.transformer.heavy.beside import Beside
from services.transformer.loop.consume import Consumer
from services.transformer.loop.lanes import ConsumerLanes
from services.transformer.loop.queues import Queues
from services.transformer.metrics import DOCUMENT_BYTES, DOCUMENTS, ERRORS, GIVEN_UP, SHARDS, UNSAVED_BYTES
from services.transformer.recovery.recheck import Recheck
from services.transformer.recovery.recover import Recovery
from services.transformer.recovery.saved import Saved
from services.transformer.recovery.unsaved import Unsaved
from services.transformer.settings import TransformerSettings

logger = logging.getLogger(__name__)


class Transformer:
    """One transformer process."""

    def __init__(self, settings: TransformerSettings) -> None:
        self._settings = settings
        self._durability = Durability(settings.durability, settings.replica_count)
        pins = Pins()
        self._nodes = connect_nodes(settings.redis_url, pins)
        objects = UnerasedObjects(
            open_object_store(
                settings.object_store_url, settings.object_store_endpoint, settings.object_store_region
            )
        )
        self._chain_key = ChainKey.derive(*settings.chain_secrets())
        self._log = DocumentLog(self._nodes, settings.shard_count, self._durability)
        snapshots = Snapshots(objects)
        archive = Archive(objects)
        self._reader = DocumentReader(self._log, snapshots, archive, self._chain_key)
        ops = OpsStream(self._nodes)
        self._leases = ShardLeases(
            self._nodes,
            "transformer",
            Shard.owner.__get__,
            settings.shard_count,
            settings.transformer_lease_seconds,
        )
        self._queues = Queues(ops, lambda: self._leases.held)
        self._notes = Notes(self._nodes, "transformer", self._leases.token, VERSION, self._about)
        tries = Tries(
            self._nodes, self._leases.token, self._log.shard, lambda kind: GIVEN_UP.labels(kind).inc()
        )
        self._aside = Aside(self._reader, ops, self._log.shard, tries)
        keeper = HistoryKeeper(self._log, archive, self._chain_key)
        maker = SnapshotMaker(self._reader, snapshots, keeper, self._chain_key, lambda *_: None)
        scripts = self._scripts = FoldScripts(self._nodes, self._leases.token, settings.shard_count)
        self._large = LargeUpdates("update", decode, ops, self._log.shard, tries)
        self._beside = Beside()
        self._orders = Orders("order", told_by(self._beside), ops, self._log.shard, tries, answered_by)
        self._bridging = Bridging(self._log, maker, scripts, ops, self._log.shard, tries)
        self._yjs = YjsDecider(
            self._chain_key, self._bridging, self._large, self._orders, settings.transformer_document_units
        )
        self._heads = HeadAnnouncer(self._nodes, self._log, time.monotonic)
        grace = Grace(settings.transformer_grace_seconds, settings.transformer_restart_grace_seconds)
        self._deployment = Deployment(self._nodes, objects, settings.shard_count, self._chain_key)
        self._incarnations = Incarnations(
            self._nodes,
            objects,
            self._leases.token,
            settings.shard_count,
            grace,
            on_loss=self._deployment.found_lost,
        )
        self._quarantine = Quarantine(self._nodes, settings.shard_count, "transformer")
        self._recovery = Recovery(
            self._nodes,
            pins,
            self._incarnations,
            self._reader,
            RestoreScript(self._nodes, self._leases.token, self._durability),
            self._heads,
            self._chain_key,
        )

        self._recheck = Recheck(
            self._reader,
            self._quarantine,
            lambda: self._leases.held,
            settings.transformer_recheck_seconds,
        )

    def _consumer(self, redis: Redis) -> Consumer:
        """Return the consumer of a node, which shares the memory for documents with those of the others."""
        settings = self._settings
        documents = WorkingDocuments(
            self._reader,
            self._recovery,
            self._quarantine,
            max_bytes=settings.transformer_memory_bytes // max(1, len(self._nodes.masters())),
            max_units=settings.transformer_document_units,
            unsaved=Unsaved(settings.transformer_unsaved_bytes // max(1, len(self._nodes.masters()))),
        )
        return Consumer(
            self._nodes.quick_reader(redis),
            documents,
            BatchDecider(documents, self._chain_key, self._aside, self._yjs),
            CommitScript(redis, self._leases.token, self._durability),
            self._heads,
            self._log.shard,
            settings.transformer_batch_entries,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``, then finish the batch and give the shards back."""
        settings = self._settings
        await self._durability.check(self._nodes)
        await self._deployment.compare()
        await self._incarnations.begin_deployment()
        await self._deployment.note()
        health = await serve_health(self._ready, settings.health_host, settings.transformer_health_port)
        logger.info("transformer started", extra={"event": "started", "token": self._leases.token[:6]})
        connect = partial(connect_nodes, settings.redis_url)
        with LeaseThread(self._leases, connect, ERRORS.labels("lease-thread").inc):
            await self._work(stop)
        await self._leases.leave()
        await health.cleanup()
        await self._nodes.aclose()
        logger.info("transformer stopped", extra={"event": "stopped"})

    async def _work(self, stop: asyncio.Event) -> None:
        """Run all loops until ``stop``, and the batches at hand to their end."""
        async with asyncio.TaskGroup() as tasks:
            lanes: Lanes[Redis] = Lanes(tasks, "consume", stop, ERRORS.labels("consume").inc)
            consumers = ConsumerLanes(self._nodes, self._recovery, self._consumer, lanes)
            tasks.create_task(self._keep_leases(consumers, stop))
            saved = Saved(self._nodes, self._log, self._scripts, consumers.unsaved, self._recovery.remember)
            beside = {
                "heads": self._heads.step,
                "recover": self._recovery.step,
                "recheck": self._recheck.step,
                "aside": self._aside.step,
                "bridging": self._bridging.step,
                "large-updates": self._large.step,
                "orders": self._orders.step,
                "saved": saved.step,
                "note": every(NOTE_SECONDS, self._note, stop),
            }
            loops = [
                tasks.create_task(survive(name, step, stop, ERRORS.labels(name).inc))
                for name, step in beside.items()
            ]
            await stop.wait()
            consumers.interrupt()
            await lanes.join()
            consumers.close()
            for task in loops:
                task.cancel()
        await self._beside.aclose()

    async def _note(self) -> None:
        """Say how this process is."""
        await self._notes.write(ROUND_TRIP_SECONDS.observe)
        await self._queues.look()

    def _about(self) -> dict[str, Any]:
        queued, age_seconds = self._queues.longest
        return {
            "shards": len(self._leases.held),
            "documents": int(value_of(DOCUMENTS)),
            "document_bytes": int(value_of(DOCUMENT_BYTES)),
            "unsaved_bytes": int(value_of(UNSAVED_BYTES)),
            "queued": queued,
            "queue_age_seconds": age_seconds,
        }

    async def _keep_leases(self, consumers: ConsumerLanes, stop: asyncio.Event) -> None:
        async def step() -> None:
            await consumers.let_go_of_changed()
            gained, lost = await self._leases.keep()
            # A shard that was lost and taken again may have been somebody else's, or another's data, in between.
            await consumers.follow(self._leases.held - lost)
            await consumers.follow(set(self._leases.held))
            if gained or lost:
                SHARDS.set(len(self._leases.held))
                facts = {
                    "event": "shards",
                    "gained": len(gained),
                    "lost": len(lost),
                    "held": len(self._leases.held),
                }
                logger.info("shards changed hands", extra=facts)
            await self._leases.wait_for_move(stop)

        await survive("leases", step, stop, ERRORS.labels("leases").inc)

    async def _ready(self) -> str:
        if not self._leases.held:
            return "no shards yet"
        return ""
