"""A document at its head, and its history, put together from Redis and the object store."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from coedit.errors import (
    BehindSnapshotError,
    CoeditError,
    DamagedError,
    InvalidDeltaError,
    RevisionTooOldError,
    UnavailableError,
)
from coedit.identifiers import ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.apply import apply
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit
from coedit.ot.delta import Delta
from coedit.protocol.history import follow, read_entry, unchecked
from coedit.protocol.log_entry import ChainKey
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.keys import Shard
from coedit.store.objects.archive import Archive
from coedit.store.objects.rendered import Rendered
from coedit.store.objects.snapshots import Snapshot, Snapshots

_ATTEMPTS = 5
_LONG_BYTES = 256 * 1024
"""Entries that take tens of milliseconds to decode; a loop has leases to renew and others to serve meanwhile."""
_PAGE = 500
FIRST_EPOCH = 1

OnUnchecked = Callable[[DocumentId, Sequence[Revision]], None]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A document at ``revision``, and the commits that were read on the way there."""

    epoch: int
    revision: Revision
    mac: str
    rendered: Rendered
    recent: tuple[Commit, ...] = ()
    recent_before: str = ""
    """The mac below the first of these."""
    entries: tuple[bytes, ...] = ()
    """The same commits as the log has them."""
    last_sequences: tuple[tuple[ClientId, ClientSequence], ...] = ()
    floor: Revision = Revision(0)
    snapshot: Revision = Revision(0)
    number: int = 0
    stored: Position | None = None
    """Where Redis has the document; None: a new or an evicted document is not there."""
    bridge: Bridge | None = None
    """As what Yjs clients open the document, if they do."""
    update: bytes = b""
    """Of a bridged document: the Yjs update that the commits above ``snapshot_read`` continue."""
    snapshot_read: Revision = Revision(0)
    """The revision of the snapshot that ``update`` is from."""

    @property
    def document(self) -> Delta:
        """The document.

        Raises:
            DamagedError: the snapshot that it is from holds none.
        """
        return self.rendered.delta

    @property
    def is_text(self) -> bool:
        """Whether OT clients can open it."""
        return self.bridge is None or self.bridge.is_text

    @property
    def has_its_items(self) -> bool:
        """Whether ``update`` and those of ``recent`` are all of the document, as Yjs clients open it.

        Between the declaration of a bridge and the snapshot that it begins with they are not.
        """
        if self.bridge is None:
            return False
        return self.bridge.first == 1 or self.snapshot_read >= self.bridge.first


EMPTY = LoadedDocument(FIRST_EPOCH, Revision(0), "", Rendered())


class DocumentReader:
    """Reads whole documents. ``chain_key``, if given, checks the MAC chain of every commit read.

    ``on_unchecked`` is told of revisions that are handed out, and could not be checked; it may be called in a thread.
    """

    def __init__(
        self,
        log: DocumentLog,
        snapshots: Snapshots,
        archive: Archive,
        chain_key: ChainKey | None = None,
        on_unchecked: OnUnchecked | None = None,
    ) -> None:
        self._on_unchecked = on_unchecked
        self._log = log
        self._snapshots = snapshots
        self._archive = archive
        self._chain_key = chain_key

    async def ended(self, document_id: DocumentId) -> list[ClientId]:
        """Return the clients that were definitely rejected in a document, the latest last."""
        return await self._log.ended(document_id)

    def shard(self, document_id: DocumentId) -> Shard:
        """Return the shard that a document belongs to."""
        return self._log.shard(document_id)

    async def load(self, document_id: DocumentId, known: LoadedDocument | None = None) -> LoadedDocument:
        """Return the document at its head; from ``known`` on, where that saves reading.

        Raises:
            DamagedError: what is stored does not fit together.
            BehindSnapshotError: Redis lost something.
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        before: Position | None = None
        for _ in range(_ATTEMPTS):
            position = await self._log.position(document_id)
            if position is None:
                return await self._evicted(document_id)
            start = await self._start(document_id, position, known)
            is_behind = start.revision > position.head
            if not is_behind:
                entries = await self._log.read(document_id, start.revision + 1, position.head)
                if len(entries) == position.head - start.revision:
                    try:
                        return await _beside(entries, partial(self._advance, document_id, start, position))
                    except DamagedError:
                        if start is not known:
                            raise
                        # What was known may be of a history that is no more.
                        known = None
                        continue
            if position == before:
                raise _stuck(is_behind, position)
            # The log was trimmed, or a snapshot was made, between two reads.
            before, known = position, None
        raise UnavailableError("the document changes while it is read")

    async def load_readable(
        self, document_id: DocumentId, known: LoadedDocument | None = None
    ) -> tuple[LoadedDocument, DamagedError | None]:
        """Return the document, and what is wrong with it: then it is at the last revision that can be vouched for.

        Raises:
            BehindSnapshotError: Redis lost something.
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        try:
            return await self.load(document_id, known), None
        except DamagedError as damage:
            return await self._salvage(document_id), damage

    async def verify(self, document_id: DocumentId, first: int) -> None:
        """Read the document, and its history from revision ``first`` on, as if nothing of it were known.

        Raises:
            DamagedError: what is stored does not fit together.
            RedisError, OSError, CoeditError: it cannot be known.
        """
        loaded = await self.load(document_id)
        stored = loaded.stored
        floor = 0 if stored is None else stored.floor
        if stored is not None:
            # Whoever reads makes do with what the archive has as well; whoever commits does not.
            entries = await self._log.read(document_id, floor + 1, stored.head)
            if len(entries) != stored.head - floor:
                raise DamagedError("the log does not reach from its floor to the head", "log", stored.head)
        start = max(1, min(first, floor + 1))
        while start <= loaded.revision:
            commits, _ = await self.history(document_id, start, min(start + _PAGE - 1, loaded.revision))
            start += len(commits)

    async def load_furthest(self, document_id: DocumentId) -> LoadedDocument:
        """Return the document where it is known to have come to, be that by Redis or by a snapshot alone.

        For a Redis that may have lost what came last; raises as `load` does.
        """
        position = await self._log.position(document_id)
        if position is None:
            return await self._evicted(document_id)
        snapshot = await self._from_snapshot(document_id)
        if snapshot.revision > position.head:
            return replace(snapshot, stored=position)
        return await self.load(document_id)

    async def snapshot_above(self, document_id: DocumentId, revision: Revision) -> Snapshot | None:
        """Return the newest snapshot, if it is of a later revision; only one that Redis does not know of is read.

        Raises:
            DamagedError, RedisError, OSError, ObjectStoreError: it cannot be known now.
        """
        position = await self._log.position(document_id)
        numbers = await self._snapshots.numbers(document_id)
        if not numbers or (position is not None and numbers[-1] <= position.number):
            return None
        snapshot = await self._snapshots.newest(document_id)
        return snapshot if snapshot is not None and snapshot.revision > revision else None

    async def holds(self, document_id: DocumentId, stored: Position) -> bool:
        """Return whether Redis has a document as far as it was known to be ``stored``, and by the same history.

        Raises:
            DamagedError: that cannot be told.
            RedisError, OSError: Redis cannot be asked now.
        """
        position = await self._log.position(document_id)
        if position is None or position.epoch != stored.epoch or position.head < stored.head:
            return False
        entries = await self._log.read(document_id, stored.head, stored.head)
        # What was trimmed is covered by a snapshot.
        return not entries or read_entry(entries[0], stored.head).mac == stored.mac

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
            self._tell_unchecked(document_id, [revision for revision in found if revision >= first])
            return commits

        return await _beside(entries, followed)

    def _tell_unchecked(self, document_id: DocumentId, revisions: Sequence[Revision]) -> None:
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

    async def _evicted(self, document_id: DocumentId) -> LoadedDocument:
        """Return a document that Redis has no position of: a new one, or one that was evicted whole."""
        loaded = await self._from_snapshot(document_id)
        # A position that is gone while its log is there, or while the document waits for a snapshot, was not evicted.
        if await self._log.left_behind(document_id) and await self._log.position(document_id) is None:
            raise DamagedError(
                "the position in Redis is gone, and the log or the list of changes is not", "position"
            )
        # History is archived before the snapshot that covers it.
        above = await self.archived_above(document_id, loaded.revision)
        if not above:
            return loaded
        walk = _Walk(document_id, loaded, self._chain_key)
        await _beside(above, walk.take)
        return replace(self._reached(walk, None), floor=walk.revision)

    async def _from_snapshot(self, document_id: DocumentId, at_least: int = 0) -> LoadedDocument:
        snapshot = await self._snapshots.newest(document_id)
        if at_least > (snapshot.number if snapshot else 0):
            raise DamagedError(f"snapshot {at_least} is noted in Redis, and is not there", "object")
        return EMPTY if snapshot is None else _loaded(snapshot)

    async def _start(
        self, document_id: DocumentId, position: Position, known: LoadedDocument | None
    ) -> LoadedDocument:
        if (
            known is not None
            and known.epoch == position.epoch
            and position.floor <= known.revision <= position.head
        ):
            return known
        if position.number == 0:
            return EMPTY
        return await self._from_snapshot(document_id, position.number)

    def _advance(
        self, document_id: DocumentId, start: LoadedDocument, position: Position, entries: Sequence[bytes]
    ) -> LoadedDocument:
        walk = _Walk(document_id, start, self._chain_key)
        walk.take(entries)
        if walk.mac != position.mac:
            raise DamagedError(
                "the history ends in another mac than the position in Redis names", "chain", position.head
            )
        return self._reached(walk, position)

    async def _salvage(self, document_id: DocumentId) -> LoadedDocument:
        """Return a damaged document at the last revision that can be vouched for."""
        position = await self._sound_position(document_id)
        walk = _Walk(document_id, await self._newest_sound(document_id), self._chain_key)
        while position is None or walk.revision < position.head:
            before = walk.revision
            count = _PAGE if position is None else min(_PAGE, position.head - before)
            for read in (self._log.run_from, self._archive.run_from):
                with suppress(DamagedError):
                    await _beside(await read(document_id, before + 1, count), walk.take)
                if walk.revision > before:
                    break
            else:
                break
        return self._reached(walk, position)

    def _reached(self, walk: "_Walk", position: Position | None) -> LoadedDocument:
        self._tell_unchecked(walk.document_id, walk.unchecked)
        return walk.reached(position)

    async def _sound_position(self, document_id: DocumentId) -> Position | None:
        try:
            return await self._log.position(document_id)
        except DamagedError:
            return None

    async def _newest_sound(self, document_id: DocumentId) -> LoadedDocument:
        for number in reversed(await self._snapshots.numbers(document_id)):
            with suppress(DamagedError):
                snapshot = await self._snapshots.read(document_id, number)
                if snapshot is not None:
                    snapshot.rendered.delta  # noqa: B018 - it is sound if that can be unpacked as well
                    return _loaded(snapshot)
        return EMPTY


class _Walk:
    """A document that commits are applied to, one by one, as far as they are good."""

    def __init__(self, document_id: DocumentId, start: LoadedDocument, chain_key: ChainKey | None) -> None:
        self.document_id = document_id
        self._start = start
        self._chain_key = chain_key
        self._document: Delta | None = None
        """That of ``start`` until a commit is applied: it need not be unpacked for nothing."""
        self._sequences = dict(start.last_sequences)
        self._commits: list[Commit] = []
        self._entries: list[bytes] = []
        self._bridge = start.bridge
        self.revision = start.revision
        self.mac = start.mac

    def take(self, entries: Sequence[bytes]) -> None:
        """Apply the entries that come next.

        Raises:
            DamagedError: one cannot be; those before it are applied.
        """
        followed = follow(self.document_id, entries, self.revision, self.mac, self._chain_key)
        for entry, commit in zip(entries, followed, strict=True):
            try:
                self._document = apply(self._now(), commit.delta)
            except InvalidDeltaError as error:
                message = f"revision {commit.revision} does not fit: {error}"
                raise DamagedError(message, "fold", commit.revision) from error
            if commit.bridge:
                self._bridge = Bridge.declared(commit.revision, commit.bridge)
            self.revision, self.mac = commit.revision, commit.mac
            self._sequences[commit.client_id] = commit.client_sequence
            self._commits.append(commit)
            self._entries.append(entry)

    def _now(self) -> Delta:
        return self._start.document if self._document is None else self._document

    @property
    def unchecked(self) -> list[Revision]:
        """What was applied, and could not be checked."""
        return unchecked(self._commits, self._start.mac, self._chain_key)

    def reached(self, position: Position | None) -> LoadedDocument:
        """Return the document where it stands now; ``position`` is where Redis has it."""
        start, commits = self._start, self._commits
        epoch = commits[-1].epoch if commits else start.epoch
        reached = replace(
            start,
            epoch=epoch if position is None else position.epoch,
            revision=self.revision,
            mac=self.mac,
            rendered=start.rendered if self._document is None else Rendered(self._document),
            recent=tuple(commits),
            recent_before=start.mac,
            entries=tuple(self._entries),
            last_sequences=tuple(self._sequences.items()),
            bridge=self._bridge,
        )
        if position is None:
            return reached
        floor, snapshot, number = position.floor, position.snapshot, position.number
        return replace(reached, floor=floor, snapshot=snapshot, number=number, stored=position)


async def _beside(entries: Sequence[bytes], decode: Callable[[Sequence[bytes]], T]) -> T:
    """Return what ``decode`` makes of ``entries``; of many bytes in a thread, beside the loop."""
    if sum(map(len, entries)) < _LONG_BYTES:
        return decode(entries)
    return await asyncio.to_thread(decode, entries)


def _loaded(snapshot: Snapshot) -> LoadedDocument:
    return LoadedDocument(
        snapshot.epoch,
        snapshot.revision,
        snapshot.mac,
        snapshot.rendered,
        last_sequences=tuple(snapshot.last_sequences.items()),
        floor=snapshot.revision,
        snapshot=snapshot.revision,
        number=snapshot.number,
        bridge=snapshot.bridge,
        update=snapshot.update if snapshot.bridge else b"",
        snapshot_read=snapshot.revision,
    )


def _stuck(is_behind: bool, position: Position) -> CoeditError:
    """Return what is wrong where two readings in a row found the same, and what they found does not meet."""
    if is_behind:
        return BehindSnapshotError("Redis is behind the newest snapshot")
    return DamagedError("the log does not reach from the newest snapshot to the head", "log", position.head)
