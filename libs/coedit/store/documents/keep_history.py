"""Into the archive: stored and read back before a snapshot covers it, and before the log loses it."""

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from coedit.errors import DamagedError, UnavailableError
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.history import follow, read_entry
from coedit.protocol.log_entry import ChainKey
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.objects.archive import Archive, Segment, VanishedSegmentError

logger = logging.getLogger(__name__)

_PAGE = 100
_PAGE_BYTES = 1024 * 1024
SEGMENT_BYTES = 8 * 1024 * 1024
"""A segment is closed above this, however few its commits are: it is read as a whole."""
_MOST_FOLLOWED = 20_000
"""Segments that are known to hold the log's history, of all documents."""


class HistoryKeeper:
    """Archives what the log has."""

    def __init__(self, log: DocumentLog, archive: Archive, chain_key: ChainKey) -> None:
        self._log = log
        self._archive = archive
        self._chain_key = chain_key
        self._followed: OrderedDict[tuple[DocumentId, int, str, Segment], None] = OrderedDict()
        """By document, epoch, incarnation: in one of these the log's history does not become another."""

    async def keep(self, document_id: DocumentId, position: Position, revision: Revision) -> None:
        """Archive all of the log up to ``revision``; it stays in the log as well.

        Raises:
            DamagedError: the log has a gap, or the archive another history.
            UnavailableError: the log is being trimmed by another; nothing is lost.
            RedisError, ObjectStoreError: a store cannot be read or written now; nothing is lost.
        """
        size_bytes = await self._log.size_bytes(document_id)
        page = page_commits(position, size_bytes)
        # Not of all of its past: a long one is thousands of segments. One that began below the floor is stored anew.
        segments = await self._archive.segments(document_id, above=position.floor)
        archived = await self._reached(document_id, position, segments)
        while archived < revision:
            # As large as they come: the snapshot waits for them, and trimming stores them anew.
            entries = await self.run(document_id, archived + 1, revision, page, SEGMENT_BYTES)
            if not entries:
                await self.refuse_gap(document_id, position, position.floor)
                raise UnavailableError("the log was trimmed meanwhile")
            self.check(document_id, archived, entries)
            segment = await self._archive.store(document_id, Revision(archived + 1), entries)
            self._note_followed(document_id, position, segment)
            archived = segment.last

    async def run(
        self, document_id: DocumentId, first: int, end: int, page: int, segment_bytes: int
    ) -> list[bytes]:
        """Return the log's entries from ``first`` to ``end``, as far as a segment may be large; none if one is missing.

        They are read ``page`` at a time.
        """
        entries: list[bytes] = []
        size_bytes = 0
        while size_bytes < segment_bytes and first + len(entries) <= end:
            start = first + len(entries)
            last = min(end, start + page - 1)
            found = await self._log.read(document_id, start, last)
            if len(found) < last - start + 1:
                return []
            entries += found
            size_bytes += sum(map(len, found))
        return entries

    def check(self, document_id: DocumentId, floor: int, entries: list[bytes]) -> None:
        """Refuse to take out of the log what has been damaged in it since it was folded.

        Raises:
            DamagedError: an entry is not what was committed.
        """
        before = None if floor else ""  # the mac at the floor stands in the archive
        for _ in follow(document_id, entries, floor, before, self._chain_key):
            pass

    async def refuse_gap(self, document_id: DocumentId, position: Position, floor: int) -> None:
        """Tell a log with a gap from one that is being trimmed, or is another one than at ``position``."""
        now = await self._log.position(document_id)
        if now is not None and now.floor == floor and _goes_on(position, now):
            raise DamagedError(f"the log has a gap above its floor {floor}", "log")

    @asynccontextmanager
    async def judging(self, document_id: DocumentId, position: Position) -> AsyncIterator[None]:
        """Take what is found for damage only while the document goes on from ``position``, by which it was judged.

        Raises:
            DamagedError: what was raised within.
            UnavailableError: instead of it, where Redis lost something since, or an epoch began.
        """
        try:
            yield
        except DamagedError as error:
            now = await self._log.position(document_id)
            if now is not None and _goes_on(position, now):
                raise
            raise UnavailableError("the document was put elsewhere meanwhile") from error

    async def _reached(self, document_id: DocumentId, position: Position, segments: list[Segment]) -> int:
        """Return up to where segments hold the log above its floor: what stands behind a gap does not count."""
        reached: int = position.floor
        for segment in sorted(segments):
            # Each, since one of another history would be in the way of those to come, too.
            follows = segment.first <= position.head and await self._follows(document_id, position, segment)
            if follows and segment.first <= reached + 1:
                reached = max(reached, segment.last)
        return reached

    async def _follows(self, document_id: DocumentId, position: Position, segment: Segment) -> bool:
        """Return whether a segment holds the log's history; one that does not, and is of an ended epoch, is deleted.

        Whoever owned the shard before may have been slow to store it.

        Raises:
            DamagedError: it holds another history, and not of an ended epoch.
        """
        if (document_id, position.epoch, position.incarnation, segment) in self._followed:
            return True
        last = min(segment.last, position.head)
        found = await self._log.read(document_id, last, last)
        if not found:
            return False
        logged = read_entry(found[0], last)
        try:
            archived = read_entry(
                (await self._archive.load(document_id, segment))[last - segment.first], last
            )
        except VanishedSegmentError:
            return False  # merged with others meanwhile; at worst it is stored twice
        if archived.mac == logged.mac:
            self._note_followed(document_id, position, segment)
            return True
        if archived.epoch >= position.epoch:
            raise DamagedError(f"segment {segment} holds another history than the log", "object")
        # Left there it would be read, or be taken for what other segments hold as well.
        await self._archive.delete(document_id, segment)
        facts = {"event": "segment-of-ended-epoch", "document_id": document_id, "epoch": archived.epoch}
        logger.warning("a segment came late, and is deleted", extra=facts | segment._asdict())
        return False

    def _note_followed(self, document_id: DocumentId, position: Position, segment: Segment) -> None:
        self._followed[document_id, position.epoch, position.incarnation, segment] = None
        if len(self._followed) > _MOST_FOLLOWED:
            self._followed.popitem(last=False)


def _goes_on(position: Position, now: Position) -> bool:
    """Return whether a document is ``now`` where it was, or further on in the same history."""
    return (now.epoch, now.incarnation) == (position.epoch, position.incarnation) and (
        now.head >= position.head
    )


def page_commits(position: Position, size_bytes: int) -> int:
    """Return how many commits of a log of so many bytes to read at once."""
    return max(1, min(_PAGE, _PAGE_BYTES * (position.head - position.floor) // max(1, size_bytes)))
