"""A document at its head, and its history, put together from Redis and the object store."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from coedit.errors import BehindSnapshotError, CoeditError, QuarantinedError, RevisionTooOldError
from coedit.identifiers import ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.apply import apply
from coedit.ot.commit import Commit
from coedit.ot.delta import Delta
from coedit.protocol.log_entry import ChainKey, decode_commit
from coedit.store.archive import Archive
from coedit.store.document_log import DocumentLog, Position
from coedit.store.keys import Shard
from coedit.store.snapshots import Snapshots

_ATTEMPTS = 5
_LONG_BYTES = 256 * 1024
"""Entries that take tens of milliseconds to decode; a loop has leases to renew and others to serve meanwhile."""
MAX_HISTORY_BYTES = 16 * 1024 * 1024
"""What is decoded to rebase one submission, at most: about two seconds in which its neighbours wait."""
FIRST_EPOCH = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A document at ``revision``, and the commits that were read on the way there."""

    epoch: int
    revision: Revision
    mac: str
    document: Delta
    recent: tuple[Commit, ...] = ()
    last_sequences: tuple[tuple[ClientId, ClientSequence], ...] = ()
    floor: Revision = Revision(0)
    snapshot: Revision = Revision(0)
    number: int = 0
    stored: Position | None = None
    """Where Redis has the document; None: a new or an evicted document is not there."""


EMPTY = LoadedDocument(FIRST_EPOCH, Revision(0), "", Delta())


class DocumentReader:
    """Reads whole documents. ``chain_key``, if given, checks the MAC chain of every commit read."""

    def __init__(
        self, log: DocumentLog, snapshots: Snapshots, archive: Archive, chain_key: ChainKey | None = None
    ) -> None:
        self._log = log
        self._snapshots = snapshots
        self._archive = archive
        self._chain_key = chain_key

    def shard(self, document_id: DocumentId) -> Shard:
        """Return the shard that a document belongs to."""
        return self._log.shard(document_id)

    async def load(self, document_id: DocumentId, known: LoadedDocument | None = None) -> LoadedDocument:
        """Return the document at its head; from ``known`` on, where that saves reading.

        Raises:
            QuarantinedError: the log has a gap, or a commit that is damaged or does not continue the one before.
            BehindSnapshotError: Redis lost something.
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        is_behind = False
        for _ in range(_ATTEMPTS):
            position = await self._log.position(document_id)
            if position is None:
                return await self._from_snapshot(document_id)
            start = await self._start(document_id, position, known)
            is_behind = start.revision > position.head
            if is_behind:  # the snapshot is newer than the position that was read
                continue
            entries = await self._log.read(document_id, start.revision + 1, position.head)
            if len(entries) == position.head - start.revision:
                return await _beside(entries, partial(self._advance, document_id, start, position))
            known = None  # the log was trimmed between the two reads
        if is_behind:
            raise BehindSnapshotError("Redis is behind the newest snapshot")
        raise QuarantinedError("the log does not reach from the newest snapshot to the head")

    async def load_furthest(self, document_id: DocumentId) -> LoadedDocument:
        """Return the document where it is known to have come to, be that by Redis or by a snapshot alone.

        For a Redis that may have lost what came last; raises as `load` does.
        """
        position = await self._log.position(document_id)
        snapshot = await self._from_snapshot(document_id)
        if position is None or snapshot.revision > position.head:
            return replace(snapshot, stored=position)
        return await self.load(document_id)

    async def archive_tail(self, document_id: DocumentId, position: Position) -> None:
        """Archive what the log still has, before it is dropped for a snapshot that is further.

        Raises:
            RedisError, OSError, ObjectStoreError: a store cannot do it now.
        """
        entries = await self._log.read(document_id, position.floor + 1, position.head)
        if entries:
            # The log may have been trimmed since: what is read is one run that ends at the head.
            await self._archive.store(document_id, Revision(position.head - len(entries) + 1), entries)

    async def history(self, document_id: DocumentId, first: int, last: int) -> list[Commit]:
        """Return the commits of revisions ``first`` to ``last``, from the log and, below it, from the archive.

        Raises:
            RevisionTooOldError: a revision is kept nowhere, or they are too large to be held at once.
            QuarantinedError: a commit is damaged.
        """
        entries = await self.entries(document_id, first, last)
        if sum(map(len, entries)) > MAX_HISTORY_BYTES:
            raise RevisionTooOldError(f"{len(entries)} commits behind, which are too large to rebase over")
        return await _beside(entries, decode_commits)

    async def entries(self, document_id: DocumentId, first: int, last: int) -> list[bytes]:
        """Return the same as `history`, as the log's own bytes."""
        if first > last:
            return []
        entries = await self._log.read(document_id, first, last)
        missing = (last - first + 1) - len(entries)
        if missing:
            return await self._archive.read(document_id, first, first + missing - 1) + entries
        return entries

    async def _from_snapshot(self, document_id: DocumentId) -> LoadedDocument:
        snapshot = await self._snapshots.newest(document_id)
        if snapshot is None:
            return EMPTY
        return LoadedDocument(
            snapshot.epoch,
            snapshot.revision,
            snapshot.mac,
            snapshot.document,
            last_sequences=tuple(snapshot.last_sequences.items()),
            floor=snapshot.revision,
            snapshot=snapshot.revision,
            number=snapshot.number,
        )

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
        return await self._from_snapshot(document_id)

    def _advance(
        self, document_id: DocumentId, start: LoadedDocument, position: Position, entries: Sequence[bytes]
    ) -> LoadedDocument:
        commits = decode_commits(entries)
        document, mac, revision = start.document, start.mac, start.revision
        sequences = dict(start.last_sequences)
        for commit in commits:
            if commit.revision != revision + 1 or not self._continues(document_id, commit, mac):
                raise QuarantinedError(f"revision {revision + 1} does not continue the history before it")
            document, mac, revision = apply(document, commit.delta), commit.mac, commit.revision
            sequences[commit.client_id] = commit.client_sequence
        return LoadedDocument(
            position.epoch,
            revision,
            mac,
            document,
            tuple(commits),
            tuple(sequences.items()),
            position.floor,
            position.snapshot,
            position.number,
            position,
        )

    def _continues(self, document_id: DocumentId, commit: Commit, before: str) -> bool:
        key = self._chain_key
        # A commit made under another secret cannot be checked, which is no offence.
        return key is None or not key.knows(commit.key_id) or key.holds(document_id, commit, before)


async def _beside(entries: Sequence[bytes], decode: Callable[[Sequence[bytes]], T]) -> T:
    """Return what ``decode`` makes of ``entries``; of many bytes in a thread, beside the loop."""
    if sum(map(len, entries)) < _LONG_BYTES:
        return decode(entries)
    return await asyncio.to_thread(decode, entries)


def decode_commits(entries: Sequence[bytes]) -> list[Commit]:
    """Return the commits that ``entries`` of a log are.

    Raises:
        QuarantinedError: one is damaged.
    """
    try:
        return [decode_commit(entry) for entry in entries]
    except CoeditError as error:
        raise QuarantinedError(f"the log is damaged: {error}") from error
