"""Out of the log, into the archive: first stored and read back, then cut off."""

import logging

from coedit.errors import DamagedError, UnavailableError
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.history import follow
from coedit.protocol.log_entry import ChainKey
from coedit.store.archive import Archive, VanishedSegmentError
from coedit.store.document_log import DocumentLog, Position
from coedit.store.fold_scripts import FoldScripts
from coedit.store.merging import merge
from services.snapshotter.metrics import MERGED, TRIMMED

logger = logging.getLogger(__name__)

_PAGE = 100
_PAGE_BYTES = 1024 * 1024
_SEGMENT_BYTES = 8 * 1024 * 1024
"""A segment is closed above this, however few its commits are: it is read as a whole."""


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
        self._chain_key = chain_key
        self._tail = tail
        self._segment_commits = segment_commits
        self._max_bytes = max_bytes

    async def keep(self, document_id: DocumentId, position: Position, revision: Revision) -> None:
        """Archive what a snapshot at ``revision`` covers, before there is one; it stays in the log as well.

        Those who hold these commits in case Redis loses them let go of them then, and the snapshot has no history.

        Raises:
            DamagedError: the log has a gap, or the archive another history.
            UnavailableError: the log is being trimmed by another; nothing is lost.
            RedisError, ObjectStoreError: a store cannot be read or written now; nothing is lost.
        """
        size_bytes = await self._log.size_bytes(document_id)
        page = _page_commits(position, size_bytes)
        # Not of all of its past: a long one is thousands of segments. One that began below the floor is stored anew.
        segments = await self._archive.segments(document_id, above=position.floor)
        archived = max([position.floor, *(segment.last for segment in segments)])
        while archived < revision:
            # As large as they come: the snapshot waits for them, and trimming stores them anew.
            entries = await self._segment(document_id, archived + 1, revision, page, _SEGMENT_BYTES)
            if not entries:
                await self._refuse_gap(document_id, position.floor)
                raise UnavailableError("the log was trimmed meanwhile")
            self._check(document_id, archived, entries)
            archived = (await self._archive.store(document_id, Revision(archived + 1), entries)).last

    async def trim(self, document_id: DocumentId, position: Position) -> None:
        """Move the oldest commits to the archive, if enough of them are covered by the snapshot.

        Raises:
            DamagedError: the log has a gap, or the archive another history.
            RedisError, ObjectStoreError: a store cannot be read or written now; nothing is lost.
        """
        floor, covered = position.floor, min(position.snapshot, position.head - 1)
        target = min(position.snapshot, position.head - self._tail)
        size_bytes = await self._log.size_bytes(document_id)
        excess_bytes = size_bytes - self._max_bytes // 2 if size_bytes > self._max_bytes else 0
        page = _page_commits(position, size_bytes)
        while target - floor >= self._segment_commits or (excess_bytes > 0 and covered > floor):
            segment_bytes = min(_SEGMENT_BYTES, excess_bytes) if excess_bytes > 0 else _SEGMENT_BYTES
            last = min(covered if excess_bytes > 0 else target, floor + 2 * self._segment_commits)
            entries = await self._segment(document_id, floor + 1, last, page, segment_bytes)
            if not entries:
                await self._refuse_gap(document_id, floor)
                return
            self._check(document_id, floor, entries)
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

    async def _segment(
        self, document_id: DocumentId, first: int, end: int, page_commits: int, segment_bytes: int
    ) -> list[bytes]:
        """Return the entries from ``first`` to ``end``, as far as a segment may be large; none if one is missing."""
        entries: list[bytes] = []
        size_bytes = 0
        while size_bytes < segment_bytes and first + len(entries) <= end:
            start = first + len(entries)
            last = min(end, start + page_commits - 1)
            page = await self._log.read(document_id, start, last)
            if len(page) < last - start + 1:
                return []
            entries += page
            size_bytes += sum(map(len, page))
        return entries

    def _check(self, document_id: DocumentId, floor: int, entries: list[bytes]) -> None:
        """Refuse to take out of the log what has been damaged in it since it was folded.

        Raises:
            DamagedError: an entry is not what was committed.
        """
        before = None if floor else ""  # the mac at the floor stands in the archive
        for _ in follow(document_id, entries, floor, before, self._chain_key):
            pass

    async def _refuse_gap(self, document_id: DocumentId, floor: Revision) -> None:
        """Tell a log that somebody else is trimming from one with a gap."""
        position = await self._log.position(document_id)
        if position is not None and position.floor == floor:
            raise DamagedError(f"the log has a gap above its floor {floor}", "log")


def _page_commits(position: Position, size_bytes: int) -> int:
    """Return how many commits of a log of so many bytes to read at once."""
    return max(1, min(_PAGE, _PAGE_BYTES * (position.head - position.floor) // max(1, size_bytes)))
