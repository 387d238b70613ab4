"""A document's past: its changes, what it was at a revision or a time, who wrote it, and what takes some of it back.

Everything is read in pages of bounded size and worked on in threads, beside the loop: a history may be long. How long
it may take is for whoever asks to bound; it can be cancelled between two pages.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from coedit.errors import CoeditError, DamagedError, FutureRevisionError, NotTextError
from coedit.identifiers import AuthorId, DocumentId, Revision
from coedit.ot.apply import apply
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit
from coedit.ot.delta import Delta
from coedit.ot.past.blame import Blame, Run
from coedit.ot.past.changes import Change, group_changes, is_one_change, joined
from coedit.ot.past.retract import Retraction, Selection
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.documents.reader import DocumentReader
from coedit.store.keys import Shard
from coedit.store.objects.snapshots import Snapshot, Snapshots

_FIRST_PAGE = 64
_PAGE = 2000
_PAGE_BYTES = 4 * 1024 * 1024
"""A page with more is followed by a shorter one."""
_LOOK_REVISIONS = 256
"""So few revisions are read at once in search of a time."""
MAX_LISTED = 20_000
"""So many commits are looked at for one list of changes; the last change is cut off there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document stands."""

    epoch: int
    revision: Revision
    mac: str
    is_text: bool = True
    """Whether it has a text at all; a Yjs document of another shape has changes, and nothing to show of them."""


@dataclass(frozen=True, slots=True)
class Past:
    """A document as it was at a revision; the last three are those of its commit, and empty at revision 0."""

    revision: Revision
    document: Delta
    epoch: int = 1
    mac: str = ""
    author: AuthorId = AuthorId("")
    at: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """Changes, the newest first, and the revision below which others follow; None: there are none."""

    changes: list[Change]
    before: Revision | None


class History:
    """Reads what the log and the archive keep of all documents."""

    def __init__(self, log: DocumentLog, reader: DocumentReader, snapshots: Snapshots) -> None:
        self._log = log
        self._reader = reader
        self._snapshots = snapshots

    def shard(self, document_id: DocumentId) -> Shard:
        """Return the shard that a document belongs to."""
        return self._log.shard(document_id)

    async def head(self, document_id: DocumentId) -> Place:
        """Return where a document stands; a new one at revision 0.

        Raises:
            RedisError, OSError, CoeditError: it cannot be known.
        """
        found = await self._reader.where(document_id)
        if isinstance(found, Position):
            return Place(found.epoch, found.head, found.mac, _is_text(found.bridge))
        return Place(found.epoch, found.revision, found.mac, found.is_text)

    async def changes(self, document_id: DocumentId, before: int, limit: int, gap_ms: int) -> Listed:
        """Return at most ``limit`` changes below revision ``before``, the newest first (see `group_changes`).

        Raises:
            RevisionTooOldError: a revision is kept nowhere.
            RedisError, OSError, CoeditError: a store cannot be read now.
        """
        changes: list[Change] = []
        last = bottom = before - 1
        count = _FIRST_PAGE
        while last > 0 and len(changes) <= limit and bottom - last < MAX_LISTED:
            first = max(1, last - count + 1)
            commits, size_bytes = await self._reader.commits.whole_history(document_id, first, last)
            older = await asyncio.to_thread(group_changes, commits, gap_ms)
            _put_before(changes, older, gap_ms)
            last, count = first - 1, _next_count(count, size_bytes)
        # The oldest may go on below what was read, unless there is nothing below.
        whole = changes if last <= 0 or len(changes) <= 1 else changes[1:]
        shown = whole[-limit:][::-1]
        is_end = not shown or shown[-1].first == 1
        return Listed(shown, None if is_end else shown[-1].first)

    async def at(self, document_id: DocumentId, revision: int) -> Past:
        """Return the document as it was at a revision: from the newest snapshot up to there, or from the beginning.

        Raises:
            FutureRevisionError: it has not come to that revision yet.
            NotTextError: it is a Yjs document of another shape.
            RevisionTooOldError: a revision on the way is kept nowhere.
            DamagedError: what is kept of it is no history.
            RedisError, OSError, CoeditError: a store cannot be read now.
        """
        await self._refuse_without_text(document_id, revision)
        past = await self._newest_snapshot(document_id, revision)
        async for commits in self._pages(document_id, past.revision + 1, revision):
            past = await asyncio.to_thread(_advanced, past, commits)
        if past.revision and not past.author:
            (commit,), _ = await self._reader.commits.whole_history(document_id, revision, revision)
            past = replace(past, author=commit.author, at=commit.at)
        return past

    async def revision_at(self, document_id: DocumentId, at: int) -> Revision:
        """Return the newest revision that was committed at or before a time, in ms since 1970; raises as `at` does."""
        low, high = 0, (await self.head(document_id)).revision
        while high - low > _LOOK_REVISIONS:
            middle = (low + high) // 2
            (commit,), _ = await self._reader.commits.whole_history(document_id, middle, middle)
            if commit.at <= at:
                low = middle
            else:
                high = Revision(middle - 1)
        for commit in (await self._reader.commits.whole_history(document_id, low + 1, high))[0]:
            if commit.at > at:
                break
            low = commit.revision
        return Revision(low)

    async def blame(self, document_id: DocumentId, revision: int) -> list[Run]:
        """Return who wrote which part of the document at a revision; raises as `at` does."""
        await self._refuse_without_text(document_id, revision)
        blame = Blame()

        def take(commits: Sequence[Commit]) -> None:
            for commit in commits:
                blame.take(commit.delta, commit.author, commit.revision, commit.metadata)

        await self._follow(document_id, 0, revision, take)
        return blame.runs()

    async def retraction(self, document_id: DocumentId, revision: int, selection: Selection) -> Retraction:
        """Return what takes back the selected commits up to a revision, as an edit of that; raises as `at` does."""
        start = 0
        if selection.since is not None:
            start = min(revision, await self.revision_at(document_id, selection.since - 1))
        retraction = Retraction((await self.at(document_id, start)).document, selection)

        def take(commits: Sequence[Commit]) -> None:
            for commit in commits:
                retraction.take(commit)

        await self._follow(document_id, start, revision, take)
        return retraction

    async def _follow(
        self, document_id: DocumentId, start: int, revision: int, take: Callable[[Sequence[Commit]], None]
    ) -> None:
        async for commits in self._pages(document_id, start + 1, revision):
            await asyncio.to_thread(_or_damaged, take, commits)

    async def _pages(self, document_id: DocumentId, first: int, last: int) -> AsyncIterator[list[Commit]]:
        count = _FIRST_PAGE
        while first <= last:
            until = min(last, first + count - 1)
            commits, size_bytes = await self._reader.commits.whole_history(document_id, first, until)
            yield commits
            first, count = first + len(commits), _next_count(count, size_bytes)

    async def _refuse_without_text(self, document_id: DocumentId, revision: int) -> None:
        head = await self.head(document_id)
        if not head.is_text:
            raise NotTextError
        if revision > head.revision:
            raise FutureRevisionError(f"the document is at revision {head.revision}")

    async def _newest_snapshot(self, document_id: DocumentId, revision: int) -> Past:
        """Return the newest snapshot that is not above a revision; damaged ones are of no use and passed over."""
        number: int | None = None
        while number is None or number > 0:
            try:
                snapshot = await self._snapshot(document_id, number)
            except DamagedError:
                if number is None:
                    break
                number -= 1
                continue
            if snapshot is None:
                break
            if snapshot.revision <= revision:
                return Past(snapshot.revision, snapshot.document, snapshot.epoch, snapshot.mac)
            number = snapshot.number - 1
        return Past(Revision(0), Delta())

    async def _snapshot(self, document_id: DocumentId, number: int | None) -> Snapshot | None:
        if number is None:
            return await self._snapshots.newest(document_id)
        return await self._snapshots.read(document_id, number)


def _is_text(bridge: Bridge | None) -> bool:
    return bridge is None or bridge.is_text


def _next_count(count: int, size_bytes: int) -> int:
    """Return how many commits to read next, so that a page has a bounded size whatever people paste."""
    return max(1, count // 2) if size_bytes > _PAGE_BYTES else min(_PAGE, count * 2)


def _or_damaged(take: Callable[[Sequence[Commit]], None], commits: Sequence[Commit]) -> None:
    try:
        take(commits)
    except DamagedError:
        raise
    except CoeditError as error:
        raise DamagedError(f"a commit does not fit the history before it: {error}", "fold") from error


def _put_before(changes: list[Change], older: list[Change], gap_ms: int) -> None:
    if changes and older and is_one_change(older[-1], changes[0], gap_ms):
        changes[0] = joined(older.pop(), changes[0])
    changes[:0] = older


def _advanced(past: Past, commits: Sequence[Commit]) -> Past:
    document = past.document
    try:
        for commit in commits:
            document = apply(document, commit.delta)
    except CoeditError as error:
        raise DamagedError(f"a commit does not fit the history before it: {error}", "fold") from error
    last = commits[-1]
    return Past(last.revision, document, last.epoch, last.mac, last.author, last.at)
