"""The commits of documents, from the log and, below it, from the archive."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from coedit.errors import RevisionTooOldError
from coedit.identifiers import DocumentId, Revision
from coedit.ot.commit import Commit
from coedit.protocol.history import follow, unchecked
from coedit.protocol.log_entry import ChainKey
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.objects.archive import Archive

_LONG_BYTES = 256 * 1024
"""Entries that take tens of milliseconds to decode; a loop has leases to renew and others to serve meanwhile."""

OnUnchecked = Callable[[DocumentId, Sequence[Revision]], None]

T = TypeVar("T")


class CommitReader:
    """Reads commits by their revisions. ``chain_key``, if given, checks the MAC chain of those that are decoded.

    ``on_unchecked`` is told of revisions that are handed out, and could not be checked; it may be called in a thread.
    """

    def __init__(
        self,
        log: DocumentLog,
        archive: Archive,
        chain_key: ChainKey | None = None,
        on_unchecked: OnUnchecked | None = None,
    ) -> None:
        self._log = log
        self._archive = archive
        self._chain_key = chain_key
        self._on_unchecked = on_unchecked

    async def archived_above(self, document_id: DocumentId, revision: Revision) -> list[bytes]:
        """Return the log's entries above ``revision`` that the archive has in a row: it may be ahead of all else.

        Raises:
            DamagedError, ObjectStoreError: the archive is damaged, or cannot be read now.
        """
        segments = await self._archive.segments(document_id)
        last = max((segment.last for segment in segments), default=0)
        if last <= revision or not any(segment.first <= revision + 1 <= segment.last for segment in segments):
            return []
        return await self._archive.read(document_id, revision + 1, last)

    async def archive_tail(self, document_id: DocumentId, position: Position) -> None:
        """Archive what the log still has, before it is dropped for a snapshot that is further.

        Raises:
            RedisError, OSError, ObjectStoreError: a store cannot do it now.
        """
        entries = await self._log.read(document_id, position.floor + 1, position.head)
        if entries:
            # The log may have been trimmed since: what is read is one run that ends at the head.
            await self._archive.store(document_id, Revision(position.head - len(entries) + 1), entries)

    async def history(self, document_id: DocumentId, first: int, last: int) -> tuple[list[Commit], int]:
        """Return the first of the commits of revisions ``first`` to ``last``, at least one, and their bytes.

        Raises:
            RevisionTooOldError: it is kept nowhere.
            DamagedError: a commit is damaged.
        """
        entries, below, before = await self._page_with_one_below(document_id, first, last)
        commits = await self._followed(document_id, entries, below, before, first)
        return commits[first - below :], sum(map(len, entries[first - below :]))

    async def checked_page(self, document_id: DocumentId, first: int, last: int) -> list[bytes]:
        """Return the entries of the same, for whoever sends them on as they are."""
        entries, below, before = await self._page_with_one_below(document_id, first, last)
        await self._followed(document_id, entries, below, before, first)
        return entries[first - below :]

    async def whole_history(self, document_id: DocumentId, first: int, last: int) -> tuple[list[Commit], int]:
        """Return all commits of revisions ``first`` to ``last``, and their bytes; raises as `history` does."""
        if first > last:
            return [], 0
        below = max(1, first - 1)
        try:
            entries = await self.entries(document_id, below, last)
        except RevisionTooOldError:
            below, entries = first, await self.entries(document_id, first, last)
        commits = await self._followed(document_id, entries, below, "" if below == 1 else None, first)
        return commits[first - below :], sum(map(len, entries[first - below :]))

    async def _followed(
        self, document_id: DocumentId, entries: Sequence[bytes], below: int, before: str | None, first: int
    ) -> list[Commit]:
        """Return the commits that entries from ``below`` on are, checked; those from ``first`` on are handed out."""

        def followed(entries: Sequence[bytes]) -> list[Commit]:
            commits = list(follow(document_id, entries, below - 1, before, self._chain_key))
            found = unchecked(commits, before, self._chain_key)
            self.tell_unchecked(document_id, [revision for revision in found if revision >= first])
            return commits

        return await beside(entries, followed)

    def tell_unchecked(self, document_id: DocumentId, revisions: Sequence[Revision]) -> None:
        """Say which revisions are handed out and could not be checked."""
        if revisions and self._on_unchecked is not None:
            self._on_unchecked(document_id, revisions)

    async def _page_with_one_below(
        self, document_id: DocumentId, first: int, last: int
    ) -> tuple[list[bytes], int, str | None]:
        """Return a page with the entry below it, behind whose mac the first is sealed, if that is kept.

        And the revision with which they begin, and the mac before that, if it is known.
        """
        below = max(1, first - 1)
        try:
            entries = await self.page(document_id, below, last) if first <= last else []
        except RevisionTooOldError:
            below, entries = first, await self.page(document_id, first, last)
        if entries and below + len(entries) == first:
            entries += await self.page(document_id, first, last)
        return entries, below, "" if below == 1 else None

    async def entries(self, document_id: DocumentId, first: int, last: int) -> list[bytes]:
        """Return the entries of revisions ``first`` to ``last``, from the log and, below it, from the archive.

        Raises:
            RevisionTooOldError: a revision is kept nowhere.
        """
        if first > last:
            return []
        entries = await self._log.read(document_id, first, last)
        missing = (last - first + 1) - len(entries)
        if missing:
            return await self._archive.read(document_id, first, first + missing - 1) + entries
        return entries

    async def page(self, document_id: DocumentId, first: int, last: int) -> list[bytes]:
        """Return the first of these entries, at least one; raises as `entries` does.

        Not all of them where they are in several places: each is bounded in bytes, and all of them together are not.
        """
        entries = await self._log.read(document_id, first, last)
        missing = (last - first + 1) - len(entries)
        return await self._archive.page(document_id, first, first + missing - 1) if missing else entries


async def beside(entries: Sequence[bytes], decode: Callable[[Sequence[bytes]], T]) -> T:
    """Return what ``decode`` makes of ``entries``; of many bytes in a thread, beside the loop."""
    if sum(map(len, entries)) < _LONG_BYTES:
        return decode(entries)
    return await asyncio.to_thread(decode, entries)
