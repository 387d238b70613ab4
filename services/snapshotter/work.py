"""What is done for one due document, whose errors stay its own."""

import logging

from coedit.errors import DamagedError, UnavailableError
from coedit.identifiers import DocumentId, Revision
from coedit.store.document_log import DocumentLog
from coedit.store.fold_scripts import FoldScripts
from coedit.store.redis_connection import TROUBLE
from services.snapshotter.fold import Folder
from services.snapshotter.metrics import FAILURES, SECONDS
from services.snapshotter.quarantine import Quarantine
from services.snapshotter.trim import Trimmer

logger = logging.getLogger(__name__)


class Worker:
    """Deals with one document at a time, and puts those that fail aside."""

    def __init__(
        self,
        log: DocumentLog,
        scripts: FoldScripts,
        folder: Folder,
        trimmer: Trimmer,
    ) -> None:
        self._log = log
        self._scripts = scripts
        self._folder = folder
        self._trimmer = trimmer
        self.quarantine = Quarantine()

    async def work(self, document_id: DocumentId, now_ms: int) -> None:
        """Store a snapshot, trim the log, settle the document; an error is logged, counted and kept here."""
        try:
            with SECONDS.time():
                await self._deal_with(document_id)
        except Exception as error:  # noqa: BLE001 - one document's error, whatever it is, must not hurt the others
            self._put_aside(document_id, now_ms, error)
        else:
            self.quarantine.succeeded(document_id)

    async def _deal_with(self, document_id: DocumentId) -> None:
        position = await self._log.position(document_id)
        if position is not None and position.snapshot < position.head:
            snapshot = await self._folder.fold(document_id, position)
            covered = Revision(min(snapshot.revision, position.head))
            await self._trimmer.keep(document_id, position, covered)
            if await self._scripts.note(snapshot, position.epoch) == "stale":
                raise DamagedError("the snapshot is ahead of the document, or of another epoch", "log")
            await self._folder.prune(snapshot)
            position = await self._log.position(document_id)
        if position is not None:
            await self._trimmer.trim(document_id, position)
        # Last of all, so that whoever dies before has left the document on the list.
        await self._scripts.settle(document_id)

    def _put_aside(self, document_id: DocumentId, now_ms: int, error: Exception) -> None:
        reason = _reason(error)
        FAILURES.labels(reason).inc()
        pause_seconds = self.quarantine.failed(document_id, now_ms)
        facts = {
            "document_id": document_id,
            "reason": reason,
            "error": repr(error),
            "pause_seconds": pause_seconds,
        }
        logger.error(
            "a document is put aside", extra={"event": "quarantine", **facts}, exc_info=reason == "unexpected"
        )


def _reason(error: Exception) -> str:
    if isinstance(error, DamagedError):
        return error.reason
    if isinstance(error, (UnavailableError, *TROUBLE)):
        return "unavailable"
    return "unexpected"
