"""What the stores have of one open document: where it stands, its commits, and what is wrong with it."""

import asyncio
import logging
from contextlib import suppress

from coedit.errors import DamagedError, RevisionTooOldError, UnavailableError
from coedit.identifiers import ClientId, DocumentId, Revision
from coedit.protocol.events import ClientCameBack
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.documents.log import DocumentLog
from coedit.store.documents.quarantine import Damage, Quarantine
from coedit.store.documents.reader import DocumentReader
from coedit.store.objects.snapshots import Snapshot
from coedit.store.redis.connection import TROUBLE
from services.gateway.documents.feed import Place
from services.gateway.documents.recent import Logged
from services.gateway.metrics import QUARANTINES

logger = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 0.2
_GIVING_SECONDS = 5.0
"""How long a client may take to give back what it says it has."""


class StoredDocument:
    """Reads one document; where that shows it to be damaged, it is quarantined.

    What a method raises besides: RedisError, OSError, ObjectStoreError, where a store cannot be read now.
    """

    def __init__(
        self, document_id: DocumentId, log: DocumentLog, reader: DocumentReader, quarantine: Quarantine
    ) -> None:
        self.damage = ""
        """What is wrong with the document, which then takes no writes; empty: nothing is known to be."""
        self._document_id = document_id
        self._log = log
        self._reader = reader
        self._quarantine = quarantine

    async def place(self) -> Place:
        """Return where the document stands in Redis; of one that is not there, where it was left."""
        position = None
        with suppress(DamagedError):  # whoever reads on finds it again
            position = await self._log.position(self._document_id)
        if position is not None:
            return Place(
                position.epoch,
                position.head,
                position.mac,
                position.snapshot,
                position.lost_revisions,
                position.bridge is None or position.bridge.is_text,
            )
        loaded, _ = await self.read()
        return Place(loaded.epoch, loaded.revision, loaded.mac, loaded.snapshot, is_text=loaded.is_text)

    async def read(self, known: LoadedDocument | None = None) -> tuple[LoadedDocument, bool]:
        """Return the document as far as it is sound, and whether that is not all of it."""
        loaded, damage = await self._reader.load_readable(self._document_id, known)
        if damage is not None:
            await self.found(damage)
        return loaded, damage is not None

    async def mac_at(self, revision: Revision, place: Place) -> str:
        """Return the mac at a revision of the history that leads to ``place``.

        Raises:
            RevisionTooOldError: it is kept nowhere.
        """
        if revision in (0, place.head):
            return place.mac if revision else ""
        entries = await self._reader.commits.entries(self._document_id, revision, revision)
        mac: str = Logged.read(entries[0]).fields["mac"]
        return mac

    async def commits(self, revision: Revision, last: int) -> list[Logged]:
        """Return the first of the commits above ``revision`` up to ``last``, each checked to follow the one before.

        Raises:
            DamagedError: one of them is damaged.
            UnavailableError: Redis has lost some that are known here: they may come back.
        """
        try:
            entries = await self._reader.commits.checked_page(self._document_id, revision + 1, last)
            return [Logged.read(entry) for entry in entries]
        except DamagedError as error:
            await self.found(error)
            raise
        except RevisionTooOldError as error:
            # Told of it, a client would give up its pending edit for good.
            if (await self.place()).head < last:
                raise UnavailableError("the document is being restored; open it again in a while") from error
            raise

    async def snapshot_above(self, revision: Revision) -> Snapshot | None:
        """Return the newest snapshot, if it is of a later revision than ``revision``, where Redis has the document."""
        with suppress(DamagedError):  # whoever reads on finds it again
            return await self._reader.snapshot_above(self._document_id, revision)
        return None

    async def until_at(self, revision: Revision) -> None:
        """Wait until Redis has the document at ``revision`` or above, within a bound."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GIVING_SECONDS):
                # Of what is not in Redis nothing is read meanwhile: anybody can say that there is more.
                while not await self._is_at(revision):
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def is_suspect(self) -> bool:
        """Return whether Redis may have lost something of the document that somebody may still give back."""
        return await self._log.is_suspect(self._document_id)

    async def now_us(self) -> int:
        """Return the time (µs since 1970) by the clock of the document's Redis."""
        return await self._log.now_us(self._document_id)

    async def announce(self, client_id: ClientId, opened_us: int) -> None:
        """Tell every gateway that a client has come back, so that nobody else goes by its id; best effort."""
        try:
            await self._log.tell(self._document_id, ClientCameBack(client_id, opened_us))
        except TROUBLE as error:
            facts = {"event": "announce-error", "client_id": client_id, "error": repr(error)}
            logger.warning("a client that came back is not announced", extra=facts)

    async def refuse_deleted(self) -> None:
        """Refuse whoever opens the document, if it was deleted.

        Raises:
            DeletedError: it was.
        """
        await self._reader.refuse_deleted(self._document_id)

    async def quarantined(self) -> Damage | None:
        """Return for what the document is quarantined now."""
        return await self._quarantine.of(self._document_id)

    async def found(self, error: DamagedError) -> None:
        """Quarantine the document for what was found here; raises where it may or may not be quarantined."""
        if await self._quarantine.enter(self._document_id, error):
            QUARANTINES.labels(error.reason).inc()
        self.damage = str(error)

    async def _is_at(self, revision: Revision) -> bool:
        with suppress(DamagedError):  # whoever reads on finds it again
            position = await self._log.position(self._document_id)
            return position is not None and position.head >= revision
        return False
