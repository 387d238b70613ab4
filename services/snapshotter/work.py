"""What is done for one due document, whose errors stay its own."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from coedit.errors import DamagedError, TooCostlyError, UnavailableError
from coedit.identifiers import DocumentId
from coedit.runtime.tracing.active import step, timed, traced
from coedit.store.documents.log import DocumentLog
from coedit.store.documents.make_snapshot import SnapshotMaker
from coedit.store.documents.pauses import Pauses
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.tries import Tries
from coedit.store.redis.connection import TROUBLE
from coedit.store.writes.folds import FoldScripts
from services.snapshotter.metrics import FAILURES, SECONDS
from services.snapshotter.trim import Trimmer
from services.snapshotter.webhooks.changes import ChangeTeller

logger = logging.getLogger(__name__)

_MERGE_EACH = 8
"""Each snapshot stores a short history segment: after so many there is something to merge."""


class Worker:
    """Deals with one document at a time, and puts those that fail aside; about ``keep`` snapshots are kept."""

    def __init__(
        self,
        log: DocumentLog,
        scripts: FoldScripts,
        maker: SnapshotMaker,
        trimmer: Trimmer,
        quarantine: Quarantine,
        tries: Tries,
        *,
        keep: int,
    ) -> None:
        self._log = log
        self._scripts = scripts
        self._maker = maker
        self._keep = keep
        self._trimmer = trimmer
        self._quarantine = quarantine
        self._tries = tries
        self.changes: ChangeTeller | None = None
        """Tells applications what changed in a document, before it is settled; None: nobody wants to be told."""
        self.pauses = Pauses()

    async def work(self, document_id: DocumentId, now_ms: int) -> None:
        """Store a snapshot, trim the log, settle the document; an error is logged, counted and kept here."""

        async def deal_with() -> None:
            with traced("snapshot", document_id), timed(SECONDS):
                await self._deal_with(document_id)
                await self._lift(document_id)

        await self.alone("fold", document_id, now_ms, deal_with)

    async def alone(
        self, kind: str, document_id: DocumentId, now_ms: int, work: Callable[[], Awaitable[None]]
    ) -> None:
        """Do something for one document; an error is logged, counted and kept here.

        What ended others who did it is not begun; the document lies until it is tried again.
        """
        try:
            async with self._tries.noted(kind, document_id):
                await work()
        except Exception as error:  # noqa: BLE001 - one document's error, whatever it is, must not hurt the others
            await self._put_aside(document_id, now_ms, error)
        else:
            self.pauses.succeeded(document_id)

    async def _deal_with(self, document_id: DocumentId) -> None:
        position = await self._log.position(document_id)
        if position is None and await self._log.left_behind(document_id):
            raise DamagedError(
                "the position in Redis is gone, and the document is on the list of changes", "position"
            )
        if position is not None and position.snapshot < position.head:
            with step("fold"):
                snapshot = await self._maker.fold(document_id, position)
            with step("note"):
                noted = await self._scripts.note(snapshot, position.epoch)
            if noted == "stale":
                # Redis lost something, or another epoch began: the owner sees to that.
                raise UnavailableError("the document was put elsewhere while it was folded")
            await self._maker.prune(snapshot, self._keep)
            if snapshot.number % _MERGE_EACH == 0:
                await self._trimmer.merge(document_id)
            position = await self._log.position(document_id)
        if position is not None:
            with step("trim"):
                await self._trimmer.trim(document_id, position)
        if self.changes is not None:
            await self.changes.tell(document_id)
        # Last of all, so that whoever dies before has left the document on the list.
        await self._scripts.settle(document_id, is_told=self.changes is not None)

    async def _lift(self, document_id: DocumentId) -> None:
        """Let a document take writes again that was found damaged here, and is not any more."""
        damage = await self._quarantine.of(document_id)
        if damage is not None and damage.found_by == "snapshotter":
            await self._quarantine.lift(document_id, damage)

    async def _put_aside(self, document_id: DocumentId, now_ms: int, error: Exception) -> None:
        reason = _reason(error)
        FAILURES.labels(reason).inc()
        pause_seconds = self.pauses.failed(document_id, now_ms)
        facts = {
            "document_id": document_id,
            "reason": reason,
            "error": repr(error),
            "pause_seconds": pause_seconds,
        }
        logger.error(
            "a document is put aside", extra={"event": "put-aside", **facts}, exc_info=reason == "unexpected"
        )
        if isinstance(error, DamagedError):
            with suppress(*TROUBLE):  # it is found again, after the pause
                await self._quarantine.enter(document_id, error)


def _reason(error: Exception) -> str:
    if isinstance(error, DamagedError):
        return error.reason
    if isinstance(error, TooCostlyError):
        return error.code
    if isinstance(error, (UnavailableError, *TROUBLE)):
        return "unavailable"
    return "unexpected"
