"""The snapshotter put together: leases, the scanning loop, health."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from coedit.identifiers import DocumentId
from coedit.protocol.log_entry import ChainKey
from coedit.runtime.health import serve_health
from coedit.runtime.lifecycle import every, survive, until_stopped
from coedit.runtime.process_metrics import ROUND_TRIP_SECONDS, VERSION, value_of
from coedit.store.deletion.decisions import Decisions
from coedit.store.deletion.erasure import Erasure
from coedit.store.deployment.deployment import Deployment
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
from coedit.store.objects.snapshots import Snapshot, Snapshots
from coedit.store.objects.unerased import UnerasedObjects
from coedit.store.redis.discovery import connect_nodes
from coedit.store.redis.durability import Durability
from coedit.store.redis.lease_thread import LeaseThread
from coedit.store.redis.leases import ShardLeases
from coedit.store.writes.folds import FoldScripts
from services.snapshotter.erase import Eraser
from services.snapshotter.idle import Evictor
from services.snapshotter.metrics import CHANGED, COMMITS, ERRORS, SHARDS, SNAPSHOTS, WAITING_SECONDS
from services.snapshotter.room import Room
from services.snapshotter.schedule import Schedule
from services.snapshotter.settings import SnapshotterSettings
from services.snapshotter.trim import Trimmer
from services.snapshotter.webhooks.webhooks import Webhooks
from services.snapshotter.work import Worker

logger = logging.getLogger(__name__)

Work = Callable[[DocumentId, int], Awaitable[None]]

_IDLE_SCAN_SECONDS = 10.0
_DELETION_SECONDS = 0.5


class Snapshotter:
    """One snapshotter process."""

    def __init__(self, settings: SnapshotterSettings) -> None:
        self._settings = settings
        self._durability = Durability(settings.durability, settings.replica_count)
        self._nodes = connect_nodes(settings.redis_url)
        self._leases = ShardLeases(
            self._nodes,
            "snapshotter",
            Shard.folder.__get__,
            settings.shard_count,
            settings.snapshotter_lease_seconds,
        )
        self._schedule = Schedule(
            self._nodes,
            commits=settings.snapshotter_commits,
            max_bytes=settings.snapshotter_bytes,
            quiet_seconds=settings.snapshotter_quiet_seconds,
        )
        log = DocumentLog(self._nodes, settings.shard_count, self._durability)
        self._webhooks = Webhooks(settings, self._nodes, log, self._schedule, lambda: self._leases.held)
        self._worker, self._evictor, self._eraser = self._build_worker(log)
        self._notes = Notes(self._nodes, "snapshotter", self._leases.token, VERSION, self._about)

    def _build_worker(self, log: DocumentLog) -> tuple[Worker, Evictor, Eraser]:
        settings = self._settings
        objects = UnerasedObjects(
            open_object_store(
                settings.object_store_url, settings.object_store_endpoint, settings.object_store_region
            )
        )
        snapshots, archive = Snapshots(objects), Archive(objects)
        scripts = FoldScripts(self._nodes, self._leases.token, settings.shard_count)
        chain_key = ChainKey.derive(*settings.chain_secrets())
        self._deployment = Deployment(self._nodes, objects, settings.shard_count, chain_key)
        trimmer = Trimmer(
            log,
            archive,
            scripts,
            chain_key,
            tail=settings.snapshotter_tail,
            max_bytes=settings.snapshotter_bytes,
            segment_commits=settings.snapshotter_segment_commits,
        )
        reader, keeper = DocumentReader(log, snapshots, archive), HistoryKeeper(log, archive, chain_key)
        maker = SnapshotMaker(reader, snapshots, keeper, chain_key, _count)
        quarantine = Quarantine(self._nodes, settings.shard_count, "snapshotter")
        evictor = Evictor(
            self._nodes,
            log,
            snapshots,
            archive,
            scripts,
            keeper,
            idle_seconds=settings.snapshotter_idle_seconds,
        )
        # What is refused is counted with the other failures.
        tries = Tries(self._nodes, self._leases.token, log.shard, lambda _: None)
        worker = Worker(log, scripts, maker, trimmer, quarantine, tries, keep=settings.snapshotter_keep)
        worker.changes = self._webhooks.changes
        decisions = Decisions(self._nodes, log.shard, snapshots.deletions)
        erasure = Erasure(self._nodes, log.shard, objects)
        return worker, evictor, Eraser(self._nodes, decisions, erasure)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``, then finish the documents at hand and give the shards back.

        Raises:
            CoeditError: the configuration is not that of this Redis, or of this deployment.
        """
        await self._durability.check(self._nodes)
        await self._deployment.compare_if_possible()
        async with self._deployment.watched(stop):
            await self._serve(stop)

    async def _serve(self, stop: asyncio.Event) -> None:
        settings = self._settings
        health = await serve_health(self._ready, settings.health_host, settings.snapshotter_health_port)
        logger.info("snapshotter started", extra={"event": "started", "token": self._leases.token[:6]})
        try:
            connect = partial(connect_nodes, settings.redis_url)
            with LeaseThread(self._leases, connect, ERRORS.labels("lease-thread").inc):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._keep_leases(stop))
                    tasks.create_task(self._scan(stop))
                    tasks.create_task(self._webhooks.run(stop))
                    room = Room(self._nodes, stop)
                    tasks.create_task(survive("room", room.step, stop, ERRORS.labels("room").inc))
                    tasks.create_task(
                        survive("deletions", partial(self._erase, stop), stop, ERRORS.labels("deletions").inc)
                    )
                    note = every(NOTE_SECONDS, partial(self._notes.write, ROUND_TRIP_SECONDS.observe), stop)
                    tasks.create_task(survive("note", note, stop, ERRORS.labels("note").inc))
        finally:
            await self._leases.leave()
            await health.cleanup()
            await self._nodes.aclose()
        logger.info("snapshotter stopped", extra={"event": "stopped"})

    async def _scan(self, stop: asyncio.Event) -> None:
        slots = asyncio.Semaphore(self._settings.snapshotter_concurrency)
        at_work = set[DocumentId]()

        async def work(document_id: DocumentId, task: Awaitable[None]) -> None:
            try:
                await task
            finally:
                at_work.discard(document_id)
                slots.release()

        async def begin(document_id: DocumentId, now_ms: int, what: Work) -> None:
            await slots.acquire()
            holds = self._worker.pauses.holds(document_id, now_ms)
            if holds or document_id in at_work or stop.is_set():
                slots.release()
                return
            at_work.add(document_id)
            tasks.create_task(work(document_id, what(document_id, now_ms)))

        async def step() -> None:
            started_at = time.thread_time()
            scan = await self._schedule.scan(self._leases.held)
            CHANGED.set(scan.changed_count)
            WAITING_SECONDS.set(scan.longest_ms / 1000)
            scan_seconds = time.thread_time() - started_at
            for document_id in scan.due:
                await begin(document_id, scan.now_ms, self._worker.work)
            # Looking at very many changed documents may take at most a tenth of the time; of the processor's, since by
            # the clock it takes half a second where others are busy, and then every snapshot is five seconds late.
            await until_stopped(stop, max(self._settings.snapshotter_scan_seconds, 10 * scan_seconds))

        async def evict(document_id: DocumentId, now_ms: int) -> None:
            eviction = partial(self._evictor.evict, document_id, now_ms)
            await self._worker.alone("evict", document_id, now_ms, eviction)

        async def evict_step() -> None:
            for idle in await self._evictor.idle(self._leases.held):
                for document_id in idle.documents:
                    await begin(document_id, idle.now_ms, evict)
            await until_stopped(stop, min(_IDLE_SCAN_SECONDS, self._settings.snapshotter_idle_seconds / 2))

        # A document that takes long has a slot of its own; the others go on, also those that are due only later.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(survive("idle", evict_step, stop, ERRORS.labels("idle").inc))
            await survive("scan", step, stop, ERRORS.labels("scan").inc)

    async def _keep_leases(self, stop: asyncio.Event) -> None:
        async def step() -> None:
            gained, lost = await self._leases.keep()
            if gained or lost:
                SHARDS.set(len(self._leases.held))
                facts = {"gained": len(gained), "lost": len(lost), "held": len(self._leases.held)}
                logger.info("shards changed hands", extra={"event": "shards", **facts})
            await self._leases.wait_for_move(stop)

        await survive("leases", step, stop, ERRORS.labels("leases").inc)

    async def _erase(self, stop: asyncio.Event) -> None:
        await self._eraser.step(self._leases.held)
        await until_stopped(stop, _DELETION_SECONDS)

    def _about(self) -> dict[str, Any]:
        return {
            "shards": len(self._leases.held),
            "changed": int(value_of(CHANGED)),
            "waiting_seconds": value_of(WAITING_SECONDS),
        }

    async def _ready(self) -> str:
        return "" if self._leases.held else "no shards yet"


def _count(_: Snapshot, commits: int) -> None:
    SNAPSHOTS.inc()
    COMMITS.inc(commits)
