"""What this process knows to be stored, of shards that others own or that are sound: their owners are to know it."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from coedit.errors import DamagedError, ObjectStoreError
from coedit.identifiers import DocumentId
from coedit.store.documents.reader import DocumentReader
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.streams.offers import OffersStream
from services.transformer.recovery.unsaved import Remembered

logger = logging.getLogger(__name__)


class HandOver:
    """What Redis may have lost, until whoever has to know does."""

    def __init__(self, reader: DocumentReader, offers: OffersStream) -> None:
        self._reader = reader
        self._offers = offers
        self._remembered: dict[DocumentId, Remembered] = {}

    def remember(self, remembered: Iterable[Remembered]) -> None:
        """Keep what is known, instead of what was known of the same documents before."""
        self._remembered |= {known.document_id: known for known in remembered}

    def remember_older(self, remembered: Iterable[Remembered]) -> None:
        """Keep what was known before, where nothing newer is."""
        self._remembered = {known.document_id: known for known in remembered} | self._remembered

    def of(self, shard: Shard) -> list[Remembered]:
        """Return what is known of a shard."""
        return [known for name, known in self._remembered.items() if self._reader.shard(name) == shard]

    def forget(self, document_id: DocumentId) -> None:
        """Keep what is known of a document no more: whoever has to know does."""
        del self._remembered[document_id]

    async def hand_over(self, waits: Callable[[Shard], bool]) -> None:
        """Give what is known and lost to the owners, but for shards of which that ``waits``.

        What cannot be given now is kept for the next time.
        """
        for document_id, known in list(self._remembered.items()):
            shard = self._reader.shard(document_id)
            if waits(shard):
                continue
            try:
                if not await self._is_there(known):
                    await self._offers.add(shard, *await asyncio.to_thread(known.offers))
            except TROUBLE as error:
                facts = {"event": "hand-over-error", "document_id": document_id, "error": repr(error)}
                logger.warning("what is known of a document could not be handed over yet", extra=facts)
                continue
            except DamagedError as error:
                facts = {"event": "hand-over-damaged", "document_id": document_id, "error": str(error)}
                logger.warning("a damaged document cannot be compared with what is known of it", extra=facts)
            self._remembered.pop(document_id, None)

    async def _is_there(self, known: Remembered) -> bool:
        """Return whether nothing of it is lost; raises as `DocumentReader.holds`, but for the object store."""
        try:
            return await self._reader.holds(known.document_id, known.stored)
        except ObjectStoreError:
            return False  # to offer what is there does no harm
