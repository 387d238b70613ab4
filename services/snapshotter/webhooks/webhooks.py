"""The webhooks of one snapshotter put together: what it tells applications of the shards that it holds."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial

from coedit.identifiers import DocumentId
from coedit.protocol.webhooks.endpoints import Endpoint, endpoints_of
from coedit.runtime.lanes import Lanes
from coedit.runtime.lifecycle import every, until_stopped
from coedit.runtime.settings import SettingsError
from coedit.store.documents.log import DocumentLog
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.topology import Nodes
from coedit.store.webhooks.deliveries import Deliveries
from coedit.store.webhooks.happened import HappenedStream
from coedit.store.webhooks.states import EndpointStates
from services.snapshotter.metrics import ERRORS, WEBHOOK_OLDEST_SECONDS, WEBHOOK_WAITING
from services.snapshotter.schedule import Schedule
from services.snapshotter.settings import SnapshotterSettings
from services.snapshotter.webhooks.changes import ChangeTeller, Edits
from services.snapshotter.webhooks.delivering import Delivering
from services.snapshotter.webhooks.sender import Sender
from services.snapshotter.webhooks.taking import Taker

logger = logging.getLogger(__name__)

_COUNT_SECONDS = 5.0
_AT_ONCE = 8
"""Of so many documents it is told at a time what changed."""


class Webhooks:
    """Whom to tell, and the loops that do it; ``changes`` is None where nobody is to be told of edits.

    Raises:
        SettingsError: the settings are not what they should be.
    """

    def __init__(
        self,
        settings: SnapshotterSettings,
        nodes: Nodes,
        log: DocumentLog,
        schedule: Schedule,
        held: Callable[[], Collection[Shard]],
    ) -> None:
        self._settings = settings
        self._schedule = schedule
        self._held = held
        self._endpoints, self._delays = _configured(settings)
        happened = HappenedStream(nodes, settings.shard_count)
        self._deliveries = Deliveries(nodes)
        self._taker = Taker(
            self._endpoints,
            happened,
            self._deliveries,
            EndpointStates(nodes),
            held,
            waiting=settings.webhook_waiting,
        )
        self._sender = Sender(seconds=settings.webhook_seconds, private=settings.webhook_private)
        tells_changes = any("document.changed" in endpoint.events for endpoint in self._endpoints)
        self.changes = ChangeTeller(log, happened) if tells_changes else None
        self._edits = Edits(
            quiet_seconds=settings.webhook_quiet_seconds, latest_seconds=settings.webhook_latest_seconds
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Tell them until ``stop``; what is under way then is sent again, by whoever comes next."""
        pace = self._settings.snapshotter_scan_seconds
        try:
            async with asyncio.TaskGroup() as tasks:
                lanes: Lanes[str] = Lanes(tasks, "webhook", stop, ERRORS.labels("webhook").inc)
                lanes.start("take", partial(self._take, stop, pace))
                if self._endpoints:
                    lanes.start("count", every(_COUNT_SECONDS, self._count, stop))
                if self.changes is not None:
                    lanes.start("changes", every(pace, partial(self._tell_changes, self.changes), stop))
                for endpoint in self._endpoints:
                    lane = Delivering(
                        endpoint, self._deliveries, self._sender, self._taker, self._held, self._delays
                    )
                    lanes.start(f"endpoint {endpoint.name}", partial(lane.step, stop, pace))
                await stop.wait()
                lanes.end_all()
        finally:
            await self._sender.aclose()

    async def _take(self, stop: asyncio.Event, pace: float) -> None:
        if not await self._taker.step():
            await until_stopped(stop, pace)

    async def _tell_changes(self, changes: ChangeTeller) -> None:
        now_ms, changed = await self._schedule.changed(self._held())
        due = self._edits.due(changed, now_ms)
        for start in range(0, len(due), _AT_ONCE):
            async with asyncio.TaskGroup() as tasks:
                for document_id in due[start : start + _AT_ONCE]:
                    tasks.create_task(self._tell(changes, document_id))

    async def _tell(self, changes: ChangeTeller, document_id: DocumentId) -> None:
        """Tell what changed in one document; what is wrong with it hurts no other."""
        changed_ms = self._edits.changed_ms(document_id)
        try:
            await changes.tell(document_id)
        except TROUBLE:
            raise
        except Exception as error:  # noqa: BLE001 - one document's error, whatever it is
            ERRORS.labels("webhook-changes").inc()
            facts = {"event": "webhook-error", "document_id": document_id, "error": repr(error)}
            logger.warning("nobody is told that a document changed, until it does again", extra=facts)
        self._edits.told(document_id, changed_ms)

    async def _count(self) -> None:
        waiting = [
            await self._deliveries.waiting(endpoint.name, self._held()) for endpoint in self._endpoints
        ]
        WEBHOOK_WAITING.set(sum(one.count for one in waiting))
        WEBHOOK_OLDEST_SECONDS.set(max((one.oldest_ms for one in waiting), default=0) / 1000)


def _configured(settings: SnapshotterSettings) -> tuple[list[Endpoint], Sequence[float]]:
    try:
        endpoints = endpoints_of(
            settings.webhook_endpoints.get_secret_value(), private=settings.webhook_private
        )
    except ValueError as error:
        raise SettingsError(f"COEDIT_WEBHOOK_ENDPOINTS: {error}") from None
    try:
        return endpoints, settings.retry_delays()
    except ValueError as error:
        raise SettingsError(f"COEDIT_WEBHOOK_RETRY_SECONDS: {error}") from None
