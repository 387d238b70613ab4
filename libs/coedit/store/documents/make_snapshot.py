"""From the newest snapshot to the next one: the one chain of snapshots, whoever makes them.

The history that a snapshot covers is in the archive, read back, before the snapshot is made: whoever holds commits in
case Redis loses them lets go of them when it is told of the snapshot.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from coedit.errors import CoeditError, DamagedError, RevisionTooOldError, UnavailableError
from coedit.identifiers import DocumentId
from coedit.protocol.log_entry import ChainKey
from coedit.store.documents.keep_history import HistoryKeeper
from coedit.store.documents.log import Position
from coedit.store.documents.reader import DocumentReader
from coedit.store.objects.folding import Fold
from coedit.store.objects.snapshots import Snapshot, Snapshots
from coedit.store.redis.connection import TROUBLE

logger = logging.getLogger(__name__)

_PAGE = 500
"""Commits that are read and folded at once."""
_RACES = 5


OnStored = Callable[[Snapshot, int], None]
"""Is told of each new snapshot, and of how many commits above the one before it covers."""


class SnapshotMaker:
    """Folds documents into snapshots; of several at work on one document, one makes each number."""

    def __init__(
        self,
        reader: DocumentReader,
        snapshots: Snapshots,
        keeper: HistoryKeeper,
        chain_key: ChainKey,
        on_stored: OnStored,
    ) -> None:
        self._reader = reader
        self._snapshots = snapshots
        self._keeper = keeper
        self._chain_key = chain_key
        self._on_stored = on_stored

    async def prune(self, snapshot: Snapshot, keep: int) -> None:
        """Delete the snapshots that ``snapshot``, once it is noted, makes superfluous; about ``keep`` stay.

        Raises:
            ObjectStoreError: some may be left, until the next time.
        """
        # Not every time: it takes a listing of all of them.
        if snapshot.number % keep == 0:
            await self._snapshots.prune(snapshot.document_id, keep)

    async def fold(self, document_id: DocumentId, position: Position) -> Snapshot:
        """Return a stored snapshot of the document at ``position`` or above, which is new if there was none.

        Its history up to there is archived first.

        Raises:
            DamagedError: what is stored does not fit together; no new snapshot was stored.
            UnavailableError: the document does not go on from ``position`` any more.
            RedisError, ObjectStoreError: a store cannot be read or written now.
        """
        async with self._keeper.judging(document_id, position):
            return await self._fold(document_id, position)

    async def _fold(self, document_id: DocumentId, position: Position) -> Snapshot:
        await self._keeper.keep(document_id, position, position.head)
        for _ in range(_RACES):
            newest = await self._snapshots.newest(document_id, position.number)
            if (newest.number if newest else 0) < position.number:
                raise DamagedError(
                    f"snapshot {position.number} is noted in Redis, and is not there", "object"
                )
            if newest is not None and newest.revision >= position.head:
                _refuse_fork(newest, position)
                return newest
            snapshot = await self._folded(document_id, position, newest)
            if await self._snapshots.create(snapshot):
                self._told(snapshot, newest)
                return snapshot
            # Somebody else stored this number; what is there may be older or newer than this one.
        raise UnavailableError(f"lost {_RACES} races for the next snapshot")

    async def _folded(self, document_id: DocumentId, position: Position, newest: Snapshot | None) -> Snapshot:
        """Return the snapshot that follows ``newest``; what fails in the fold itself is the document's damage."""
        try:
            # In threads, one after the other: a single commit of very many ops keeps Yjs busy for longer than a lease.
            fold = await asyncio.to_thread(Fold.begin, document_id, newest)
            async for page in self._pages(document_id, fold.revision + 1, position.head):
                await asyncio.to_thread(fold.add_all, page, self._chain_key)
            if fold.mac != position.mac:
                raise DamagedError("the log ends in another history than the document's head", "chain")
            return await asyncio.to_thread(fold.finish, position.epoch)
        except (CoeditError, *TROUBLE):
            raise
        except Exception as error:
            logger.exception("a defect in folding", extra={"event": "defect", "document_id": document_id})
            raise DamagedError(f"the document cannot be folded: {error!r}", "fold") from error

    async def _pages(self, document_id: DocumentId, first: int, last: int) -> AsyncIterator[list[bytes]]:
        for start in range(first, last + 1, _PAGE):
            end = min(start + _PAGE - 1, last)
            try:
                yield await self._reader.commits.entries(document_id, start, end)
            except RevisionTooOldError as error:
                raise DamagedError(f"revisions {start} to {end} are kept nowhere in full", "log") from error

    def _told(self, snapshot: Snapshot, newest: Snapshot | None) -> None:
        commits = snapshot.revision - (newest.revision if newest else 0)
        facts = {
            "document_id": snapshot.document_id,
            "number": snapshot.number,
            "revision": snapshot.revision,
        }
        logger.info(
            "snapshot stored",
            extra={"event": "snapshot", **facts, "commits": commits, "update_bytes": len(snapshot.update)},
        )
        self._on_stored(snapshot, commits)


def _refuse_fork(snapshot: Snapshot, position: Position) -> None:
    if snapshot.revision == position.head and snapshot.mac != position.mac:
        raise DamagedError(f"snapshot {snapshot.number} is of another history than the document", "chain")
