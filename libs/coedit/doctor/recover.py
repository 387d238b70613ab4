"""Brings documents back into an empty Redis at once, instead of when they are next edited.

It writes no document itself. It tells the owner of the document's shard, by the stream through which gateways tell what
they saw, that the document has been where its newest snapshot has it; and the owner, behind its lease, puts it there.
"""

import asyncio
from typing import Literal

from coedit.errors import UnavailableError
from coedit.identifiers import DocumentId
from coedit.store.document_log import DocumentLog
from coedit.store.offers_stream import OffersStream, Seen
from coedit.store.snapshots import Snapshots

Outcome = Literal["there", "back", "nothing"]
"""It was there; it was brought back; there is no snapshot to bring back."""
_LOOK_AGAIN_SECONDS = 0.02
_LONGEST_SECONDS = 0.5


class Recoverer:
    """Brings back documents of one deployment, whose transformers run."""

    def __init__(
        self, log: DocumentLog, snapshots: Snapshots, offers: OffersStream, patience_seconds: float
    ) -> None:
        self._log = log
        self._snapshots = snapshots
        self._offers = offers
        self._patience_seconds = patience_seconds

    async def recover(self, document_id: DocumentId) -> Outcome:
        """See to it that Redis has a document at least where its newest snapshot has it.

        Raises:
            UnavailableError: nobody has put it there in time: no transformer owns its shard, say.
            DamagedError: the snapshot, or the position, is damaged.
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        snapshot = await self._snapshots.newest(document_id)
        if snapshot is None:
            return "nothing"
        if await self._is_at(document_id, snapshot.revision):
            return "there"
        seen = Seen(document_id, snapshot.epoch, snapshot.revision, snapshot.mac)
        await self._offers.add(self._log.shard(document_id), seen)
        try:
            async with asyncio.timeout(self._patience_seconds):
                pause_seconds = _LOOK_AGAIN_SECONDS
                while not await self._is_at(document_id, snapshot.revision):
                    await asyncio.sleep(pause_seconds)
                    pause_seconds = min(_LONGEST_SECONDS, pause_seconds * 1.5)
        except TimeoutError as error:
            raise UnavailableError(
                "nobody put it back in time; do transformers run, and are they ready?"
            ) from error
        return "back"

    async def _is_at(self, document_id: DocumentId, revision: int) -> bool:
        position = await self._log.position(document_id)
        return position is not None and position.head >= revision
