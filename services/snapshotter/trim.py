"""Out of the log, into the archive: first stored and read back, then cut off."""

import logging

from coedit.errors import DamagedError
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.log_entry import ChainKey
from coedit.store.documents.keep_history import SEGMENT_BYTES, HistoryKeeper, page_commits
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.objects.archive import Archive, VanishedSegmentError
from coedit.store.objects.merging import merge
from coedit.store.writes.folds import FoldScripts
from services.snapshotter.metrics import MERGED, TRIMMED

logger = logging.getLogger(__name__)


class Trimmer:
    """Keeps logs short; ``tail`` and ``segment_commits`` count commits. Above ``max_bytes`` a log is cut to half."""

    def __init__(
        self,
        log: DocumentLog,
        archive: Archive,
        scripts: FoldScripts,
        chain_key: ChainKey,
        *,
        tail: int,
        segment_commits: int,
        max_bytes: int,
    ) -> None:
        self._log = log
        self._archive = archive
        self._scripts = scripts
        self._keeper = HistoryKeeper(log, archive, chain_key)
        self._tail = tail
        self._segment_commits = segment_commits
        self._max_bytes = max_bytes

    async def trim(self, document_id: DocumentId, position: Position) -> None:
        """Move the oldest commits to the archive, if enough of them are covered by the snapshot.

        Raises:
            DamagedError: the log has a gap, or the archive another history.
            UnavailableError: the document does not go on from ``position`` any more.
            RedisError, ObjectStoreError: a store cannot be read or written now; nothing is lost.
        """
        async with self._keeper.judging(document_id, position):
            await self._trim(document_id, position)

    async def _trim(self, document_id: DocumentId, position: Position) -> None:
        floor, covered = position.floor, min(position.snapshot, position.head - 1)
        target = min(position.snapshot, position.head - self._tail)
        size_bytes = await self._log.size_bytes(document_id)
        excess_bytes = size_bytes - self._max_bytes // 2 if size_bytes > self._max_bytes else 0
        page = page_commits(position, size_bytes)
        while target - floor >= self._segment_commits or (excess_bytes > 0 and covered > floor):
            segment_bytes = min(SEGMENT_BYTES, excess_bytes) if excess_bytes > 0 else SEGMENT_BYTES
            last = min(covered if excess_bytes > 0 else target, floor + 2 * self._segment_commits)
            entries = await self._keeper.run(document_id, floor + 1, last, page, segment_bytes)
            if not entries:
                await self._keeper.refuse_gap(document_id, position, floor)
                return
            self._keeper.check(document_id, floor, entries)
            segment = await self._archive.store(document_id, Revision(floor + 1), entries)
            outcome = await self._scripts.trim(document_id, position.epoch, floor, segment.last)
            facts = {
                "document_id": document_id,
                "first": segment.first,
                "last": segment.last,
                "outcome": outcome,
            }
            logger.info("history archived", extra={"event": "trim", **facts})
            if outcome != "trimmed":
                return
            TRIMMED.inc(len(entries))
            floor = segment.last
            if excess_bytes > 0:  # measured anew: what an entry takes is more than its bytes
                excess_bytes = await self._log.size_bytes(document_id) - self._max_bytes // 2
        if floor > position.floor:
            # What was kept at each snapshot stands in the longer segments now.
            await self._archive.compact(document_id, floor)

    async def merge(self, document_id: DocumentId) -> None:
        """Merge short segments of a document; what is damaged is left for whoever reads it to find.

        Raises:
            ObjectStoreError: the store cannot do it now; nothing is lost.
        """
        try:
            gone = await merge(self._archive, document_id, 2 * self._segment_commits)
        except VanishedSegmentError:
            return  # another is at it
        except DamagedError as error:
            facts = {"event": "merge-error", "document_id": document_id, "error": str(error)}
            logger.warning("short segments cannot be merged", extra=facts)
            return
        MERGED.inc(gone)
