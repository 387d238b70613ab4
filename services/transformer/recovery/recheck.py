"""Looks at quarantined documents again: what was out of reach for a while, or was put right by hand, ends by itself."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from coedit.errors import CoeditError
from coedit.identifiers import DocumentId
from coedit.store.documents.pauses import Pauses
from coedit.store.documents.quarantine import Damage, Quarantine
from coedit.store.documents.reader import DocumentReader
from coedit.store.keys import Shard
from services.transformer.metrics import QUARANTINED

logger = logging.getLogger(__name__)


class Recheck:
    """The owner's second look; what the snapshotter or an operator found is theirs to look at again."""

    def __init__(
        self,
        reader: DocumentReader,
        quarantine: Quarantine,
        held: Callable[[], Collection[Shard]],
        seconds: float,
    ) -> None:
        self._reader = reader
        self._quarantine = quarantine
        self._held = held
        self._seconds = seconds
        self._pauses = Pauses()

    async def step(self) -> None:
        """Wait, then read every quarantined document of the owned shards that is due, and lift what is sound.

        Raises:
            RedisError, OSError: Redis cannot tell now.
        """
        await asyncio.sleep(self._seconds)
        damaged = await self._quarantine.all_in(self._held())
        QUARANTINED.set(len(damaged))
        for document_id, damage in damaged.items():
            if damage.found_by in ("transformer", "gateway"):
                await self._look(document_id, damage)

    async def _look(self, document_id: DocumentId, damage: Damage) -> None:
        now_ms = time.monotonic() * 1000
        if self._pauses.holds(document_id, now_ms):
            return
        try:
            await self._reader.verify(document_id, damage.revision)
        except CoeditError as error:
            # Reading all of a large document again is work, so it is done less and less often.
            pause_seconds = self._pauses.failed(document_id, now_ms)
            facts = {"event": "still-damaged", "document_id": document_id, "error": str(error)}
            logger.info("a document is still damaged", extra=facts | {"pause_seconds": pause_seconds})
            return
        self._pauses.succeeded(document_id)
        await self._quarantine.lift(document_id, damage)
