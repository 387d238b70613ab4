"""Brings documents back into an empty Redis at once, instead of when they are next edited.

It writes no document itself. It tells the owner of the document's shard, by the stream through which gateways tell what
they saw, that the document has been where its newest snapshot has it; and the owner, behind its lease, puts it there.
"""

import asyncio
from typing import Literal

from coedit.errors import UnavailableError
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.history import read_entry
from coedit.store.documents.log import DocumentLog
from coedit.store.documents.reader import DocumentReader
from coedit.store.objects.archive import Archive
from coedit.store.objects.snapshots import Snapshots
from coedit.store.streams.offers import OffersStream, Seen

Outcome = Literal["there", "back", "nothing"]
"""It was there; it was brought back; the object store has no text of it to bring back."""
_LOOK_AGAIN_SECONDS = 0.02
_LONGEST_SECONDS = 0.5


class Recoverer:
    """Brings back documents of one deployment, whose transformers run."""

    def __init__(
        self,
        log: DocumentLog,
        snapshots: Snapshots,
        archive: Archive,
        offers: OffersStream,
        patience_seconds: float,
    ) -> None:
        self._reader = DocumentReader(log, snapshots, archive)
        self._log = log
        self._snapshots = snapshots
        self._offers = offers
        self._patience_seconds = patience_seconds

    async def recover(self, document_id: DocumentId) -> Outcome:
        """See to it that Redis has a document at least where the object store has it.

        Raises:
            UnavailableError: nobody has put it there in time: no transformer owns its shard, say.
            DamagedError: the snapshot, or the position, is damaged.
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        seen = await self._furthest(document_id)
        if seen is None:
            return "there" if await self._is_at(document_id, 1) else "nothing"
        if await self._is_at(document_id, seen.revision):
            return "there"
        await self._offers.add(self._log.shard(document_id), seen)
        try:
            async with asyncio.timeout(self._patience_seconds):
                pause_seconds = _LOOK_AGAIN_SECONDS
                while not await self._is_at(document_id, seen.revision):
                    await asyncio.sleep(pause_seconds)
                    pause_seconds = min(_LONGEST_SECONDS, pause_seconds * 1.5)
        except TimeoutError as error:
            raise UnavailableError(
                "nobody put it back in time; do transformers run, and are they ready?"
            ) from error
        return "back"

    async def _furthest(self, document_id: DocumentId) -> Seen | None:
        """Return where the object store has a document: its history is archived before the snapshot that covers it."""
        snapshot = await self._snapshots.newest(document_id)
        revision = snapshot.revision if snapshot is not None else 0
        entries = await self._reader.commits.archived_above(document_id, Revision(revision))
        if entries:
            last = read_entry(entries[-1], revision + len(entries))
            return Seen(document_id, last.epoch, last.revision, last.mac)
        return (
            None if snapshot is None else Seen(document_id, snapshot.epoch, snapshot.revision, snapshot.mac)
        )

    async def _is_at(self, document_id: DocumentId, revision: int) -> bool:
        position = await self._log.position(document_id)
        return position is not None and position.head >= revision
