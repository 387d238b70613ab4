"""Into the archive: stored and read back before a snapshot covers it, and before the log loses it."""

from collections.abc import Sequence

from coedit.errors import DamagedError, UnavailableError
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.history import follow
from coedit.protocol.log_entry import ChainKey
from coedit.store.archive import Archive, Segment
from coedit.store.document_log import DocumentLog, Position

_PAGE = 100
_PAGE_BYTES = 1024 * 1024
SEGMENT_BYTES = 8 * 1024 * 1024
"""A segment is closed above this, however few its commits are: it is read as a whole."""


class HistoryKeeper:
    """Archives what the log has."""

    def __init__(self, log: DocumentLog, archive: Archive, chain_key: ChainKey) -> None:
        self._log = log
        self._archive = archive
        self._chain_key = chain_key

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
        archived = _reached(segments, position.floor)
        while archived < revision:
            # As large as they come: the snapshot waits for them, and trimming stores them anew.
            entries = await self.run(document_id, archived + 1, revision, page, SEGMENT_BYTES)
            if not entries:
                await self.refuse_gap(document_id, position.floor)
                raise UnavailableError("the log was trimmed meanwhile")
            self.check(document_id, archived, entries)
            archived = (await self._archive.store(document_id, Revision(archived + 1), entries)).last

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

    async def refuse_gap(self, document_id: DocumentId, floor: Revision) -> None:
        """Tell a log that somebody else is trimming from one with a gap."""
        position = await self._log.position(document_id)
        if position is not None and position.floor == floor:
            raise DamagedError(f"the log has a gap above its floor {floor}", "log")


def page_commits(position: Position, size_bytes: int) -> int:
    """Return how many commits of a log of so many bytes to read at once."""
    return max(1, min(_PAGE, _PAGE_BYTES * (position.head - position.floor) // max(1, size_bytes)))


def _reached(segments: Sequence[Segment], floor: int) -> int:
    """Return up to where segments hold all revisions above ``floor``: what stands behind a gap does not count."""
    reached = floor
    for segment in sorted(segments):
        if segment.first <= reached + 1:
            reached = max(reached, segment.last)
    return reached
