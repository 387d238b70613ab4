"""From the newest snapshot to the next one."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from coedit.crdt.audit import audited_update
from coedit.crdt.document import YjsDocument
from coedit.errors import DamagedError, InvalidDeltaError, RevisionTooOldError
from coedit.identifiers import ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import ChainKey, decode_commit
from coedit.store.document_log import Position
from coedit.store.documents import DocumentReader
from coedit.store.snapshots import Snapshot, Snapshots
from services.snapshotter.metrics import COMMITS, SNAPSHOTS

logger = logging.getLogger(__name__)

_PAGE = 500
"""Commits that are read and folded at once."""
_RACES = 5
_LAST_SEQUENCES = 1000
"""How many clients' last sequences a snapshot keeps: those that committed last."""


@dataclass(slots=True)
class Fold:
    """A document on its way from one snapshot to the next."""

    document_id: DocumentId
    yjs: YjsDocument
    number: int
    revision: Revision
    mac: str
    last_sequences: dict[ClientId, ClientSequence]

    @classmethod
    def begin(cls, document_id: DocumentId, snapshot: Snapshot | None) -> "Fold":
        """Return the fold that goes on from a snapshot, or from the empty document.

        Raises:
            DamagedError: the snapshot's Yjs update is another document than its rendered one.
        """
        if snapshot is None:
            return cls(document_id, YjsDocument(document_id), 0, Revision(0), "", {})
        yjs = YjsDocument(document_id, snapshot.update)
        if yjs.content != snapshot.document:
            raise DamagedError(f"snapshot {snapshot.number} holds two documents", "object")
        return cls(
            document_id, yjs, snapshot.number, snapshot.revision, snapshot.mac, dict(snapshot.last_sequences)
        )

    def add(self, entry: bytes, chain_key: ChainKey) -> None:
        """Fold in the next entry of the log.

        Raises:
            DamagedError: it is not a commit, does not continue the history, or does not fit the document.
        """
        commit = self._next(entry, chain_key)
        try:
            self.yjs.fold(commit.delta)
        except InvalidDeltaError as error:
            raise DamagedError(f"revision {commit.revision} does not fit: {error}", "fold") from error
        self.revision, self.mac = commit.revision, commit.mac
        # Put last, so that the first in the map are those who have been silent longest.
        self.last_sequences.pop(commit.client_id, None)
        self.last_sequences[commit.client_id] = commit.client_sequence

    def add_all(self, entries: Sequence[bytes], chain_key: ChainKey) -> None:
        """Fold in the next entries of the log; raises as `add` does."""
        for entry in entries:
            self.add(entry, chain_key)

    def finish(self, epoch: int) -> Snapshot:
        """Return the next snapshot, checked.

        Raises:
            DamagedError: OT and Yjs disagree, or the Yjs update does not load as this document.
        """
        update = audited_update(self.document_id, self.yjs)
        return Snapshot(
            document_id=self.document_id,
            number=self.number + 1,
            revision=self.revision,
            epoch=epoch,
            mac=self.mac,
            state_vector=self.yjs.state_vector(),
            update=update,
            document=self.yjs.content,
            last_sequences=dict(list(self.last_sequences.items())[-_LAST_SEQUENCES:]),
        )

    def _next(self, entry: bytes, chain_key: ChainKey) -> Commit:
        try:
            commit = decode_commit(entry)
        except InvalidDeltaError as error:
            raise DamagedError(f"behind revision {self.revision}: {error}", "entry") from error
        if commit.revision != self.revision + 1:
            raise DamagedError(f"revision {commit.revision} stands behind {self.revision}", "log")
        # What was sealed with another secret cannot be checked, which is no offence.
        if commit.key_id == chain_key.key_id and not chain_key.holds(self.document_id, commit, self.mac):
            raise DamagedError(f"revision {commit.revision} does not continue the history before it", "chain")
        return commit


class Folder:
    """Makes the snapshots, and keeps about ``keep`` of them."""

    def __init__(self, reader: DocumentReader, snapshots: Snapshots, chain_key: ChainKey, keep: int) -> None:
        self._reader = reader
        self._snapshots = snapshots
        self._chain_key = chain_key
        self._keep = keep

    async def prune(self, snapshot: Snapshot) -> None:
        """Delete the snapshots that ``snapshot``, once it is noted, makes superfluous.

        Raises:
            ObjectStoreError: some may be left, until the next time.
        """
        # Not every time: it takes a listing of all of them.
        if snapshot.number % self._keep == 0:
            await self._snapshots.prune(snapshot.document_id, self._keep)

    async def fold(self, document_id: DocumentId, position: Position) -> Snapshot:
        """Return a stored snapshot of the document at ``position`` or above, which is new if there was none.

        Raises:
            DamagedError: what is stored does not fit together; nothing new was stored.
            RedisError, ObjectStoreError: a store cannot be read or written now.
        """
        for _ in range(_RACES):
            newest = await self._snapshots.newest(document_id, position.number)
            if newest is not None and newest.revision >= position.head:
                _refuse_fork(newest, position)
                return newest
            # In threads, one after the other: a single commit of very many ops keeps Yjs busy for longer than a lease.
            fold = await asyncio.to_thread(Fold.begin, document_id, newest)
            first = fold.revision
            async for page in self._pages(document_id, fold.revision + 1, position.head):
                await asyncio.to_thread(fold.add_all, page, self._chain_key)
            if fold.mac != position.mac:
                raise DamagedError("the log ends in another history than the document's head", "chain")
            snapshot = await asyncio.to_thread(fold.finish, position.epoch)
            if await self._snapshots.create(snapshot):
                _count(snapshot, first)
                return snapshot
            # Somebody else stored this number; what is there may be older or newer than this one.
        raise DamagedError(f"lost {_RACES} races for the next snapshot", "object")

    async def _pages(self, document_id: DocumentId, first: int, last: int) -> AsyncIterator[list[bytes]]:
        for start in range(first, last + 1, _PAGE):
            end = min(start + _PAGE - 1, last)
            try:
                yield await self._reader.entries(document_id, start, end)
            except RevisionTooOldError as error:
                raise DamagedError(f"revisions {start} to {end} are kept nowhere in full", "log") from error


def _refuse_fork(snapshot: Snapshot, position: Position) -> None:
    if snapshot.revision == position.head and snapshot.mac != position.mac:
        raise DamagedError(f"snapshot {snapshot.number} is of another history than the document", "chain")


def _count(snapshot: Snapshot, first: Revision) -> None:
    SNAPSHOTS.inc()
    COMMITS.inc(snapshot.revision - first)
    logger.info(
        "snapshot stored",
        extra={
            "event": "snapshot",
            "document_id": snapshot.document_id,
            "number": snapshot.number,
            "revision": snapshot.revision,
            "commits": snapshot.revision - first,
            "update_bytes": len(snapshot.update),
        },
    )
