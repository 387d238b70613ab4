"""The documents that this transformer works on, as far as they fit in memory."""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, replace

from coedit.errors import BehindSnapshotError, DamagedError, QuarantinedError, RevisionTooOldError
from coedit.identifiers import DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit
from coedit.ot.roles.authority import Authority
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.documents.log import Position
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from coedit.store.writes.commit import DocumentWrite
from services.transformer.documents.yjs_side import YjsSide
from services.transformer.metrics import DOCUMENT_BYTES, DOCUMENTS, QUARANTINES
from services.transformer.recovery.recover import Recovery
from services.transformer.recovery.unsaved import Unsaved

logger = logging.getLogger(__name__)

_OLDER_COMMITS = 128
_OLDER_BYTES = 1024 * 1024
"""What of them is worth being kept."""
_YJS_FACTOR = 10
"""What a Yjs document takes in memory is about so many times its updates, where every item is a character."""


@dataclass(slots=True)
class WorkingDocument:
    """A document with its authority, and where Redis was last known to have it.

    A document that Redis does not hold, because it is new or was evicted, is stored at epoch 0 and head 0.
    """

    authority: Authority
    stored: Position
    bridge: Bridge | None = None
    """As what Yjs clients open it, once that is declared."""
    yjs: YjsSide | None = None
    """Its other side; of a document that is being made ready for Yjs clients not there yet."""
    is_slow: bool = False
    """Whether the last decision took long: the next one may, too, and is made in a thread."""
    took_early: bool = False
    """Whether what had waited for it to begin was taken into it; that may not be stored yet."""
    counted_bytes: int = 0
    """What it was last counted as, by who keeps it."""

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""
        return self.authority.size_bytes + (_YJS_FACTOR * self.yjs.size_bytes if self.yjs else 0)

    def stands_at(self) -> Position:
        """Return where the document stands with all that its authority has accepted."""
        authority, stored = self.authority, self.stored
        return Position(
            authority.epoch,
            authority.head,
            authority.mac,
            stored.floor,
            stored.snapshot,
            stored.number,
            stored.incarnation,
            stored.lost,
            self.bridge,
        )

    @property
    def is_declared(self) -> bool:
        """Whether it is to be one that Yjs clients can open, and was not ready for them when it was read."""
        return self.bridge is not None and self.yjs is None

    def stored_head(self) -> Revision:
        """Return the newest revision that is stored, be that in Redis or in a snapshot alone."""
        return max(self.stored.head, self.stored.floor)


class WorkingDocuments:
    """A cache, least recently used first out; what is dropped is read again when needed.

    Bounded by the memory that it takes, not by a number of documents: ten thousand small ones are cheap to keep, and
    each is dear to read again.
    """

    def __init__(
        self,
        reader: DocumentReader,
        recovery: Recovery,
        quarantine: Quarantine,
        *,
        max_bytes: int,
        max_units: int,
        unsaved: Unsaved,
    ) -> None:
        self.unsaved = unsaved
        """What no snapshot covers of them, and of those that were here before."""
        self._reader = reader
        self._recovery = recovery
        self._quarantine = quarantine
        self._max_bytes = max_bytes
        self._max_units = max_units
        self._documents: OrderedDict[DocumentId, WorkingDocument] = OrderedDict()
        self._bytes = 0

    async def get(self, document_id: DocumentId) -> WorkingDocument:
        """Return the document at its head; one that turns out to be damaged is quarantined.

        Raises:
            QuarantinedError: it is quarantined.
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        working = self._documents.get(document_id)
        if working is None or working.is_declared:
            loaded = await self._load_sound(document_id)
            working = await self._working(document_id, loaded)
            working.authority.remember_older(await self._older(document_id, loaded))
            for client_id in await self._reader.ended(document_id):
                working.authority.end(client_id)
            self.drop(document_id)
            self._documents[document_id] = working
            self.unsaved.read(document_id, loaded)
            DOCUMENTS.inc()
            self._weigh(working)
        self._documents.move_to_end(document_id)
        return working

    async def _load_sound(self, document_id: DocumentId) -> LoadedDocument:
        damage = await self._quarantine.of(document_id)
        if damage is not None:
            raise QuarantinedError(f"the document is damaged: {damage.message}")
        try:
            return await self._load(document_id)
        except DamagedError as error:
            await self.quarantine(document_id, error)
            raise

    async def _older(self, document_id: DocumentId, loaded: LoadedDocument) -> list[Commit]:
        """Return commits below those that were read, as far as the log has some.

        After a change of owners everybody's edits are on revisions from before, and would all be carried on aside.
        """
        first_read = loaded.revision - len(loaded.recent) + 1
        floor = loaded.revision if loaded.stored is None else loaded.stored.floor
        first = max(floor + 1, first_read - _OLDER_COMMITS)
        if first >= first_read or len(loaded.recent) >= _OLDER_COMMITS:
            return []
        try:
            commits, size_bytes = await self._reader.commits.history(document_id, first, first_read - 1)
        except (RevisionTooOldError, DamagedError):
            return []  # trimmed meanwhile; damage is found by who needs them
        whole = len(commits) == first_read - first and size_bytes <= _OLDER_BYTES
        return commits if whole else []

    async def quarantine(self, document_id: DocumentId, error: DamagedError) -> None:
        """Quarantine a document, and forget it.

        Raises:
            RedisError, OSError: it may or may not be quarantined.
        """
        self.drop(document_id)
        if await self._quarantine.enter(document_id, error):
            QUARANTINES.labels(error.reason).inc()

    async def _load(self, document_id: DocumentId) -> LoadedDocument:
        try:
            loaded = await self._reader.load(document_id)
            stored = loaded.stored
            if stored is None or stored.incarnation == self._recovery.incarnation(document_id):
                return loaded
            # Redis may have lost something since it was stored.
        except BehindSnapshotError:
            logger.warning(
                "Redis is behind a snapshot", extra={"event": "behind-snapshot", "document_id": document_id}
            )
        await self._recovery.settle(document_id)
        return await self._reader.load(document_id)

    def note_written(self, write: DocumentWrite) -> None:
        """Take note that everything of a document up to where the write put it is stored."""
        self.unsaved.written(write)
        working = self._documents.get(write.document_id)
        if working is not None:
            working.stored = write.after
            working.authority.forget_old()
            self._weigh(working)

    def drop(self, document_id: DocumentId) -> None:
        """Forget a document, whose state here may not be what is stored."""
        working = self._documents.pop(document_id, None)
        if working is not None:
            DOCUMENTS.dec()
            self._count(-working.counted_bytes)

    def drop_excess(self) -> None:
        """Forget the least recently used documents above the bound, but for the last; only between batches."""
        while self._bytes > self._max_bytes and len(self._documents) > 1:
            self.drop(next(iter(self._documents)))

    def held(self) -> tuple[DocumentId, ...]:
        """Return the documents that are in memory."""
        return tuple(self._documents)

    def _weigh(self, working: WorkingDocument) -> None:
        before, working.counted_bytes = working.counted_bytes, working.size_bytes
        self._count(working.counted_bytes - before)

    def _count(self, more_bytes: int) -> None:
        """Count what is held; each Redis node has documents of its own, and all are counted together."""
        self._bytes += more_bytes
        DOCUMENT_BYTES.inc(more_bytes)

    async def _working(self, document_id: DocumentId, loaded: LoadedDocument) -> WorkingDocument:
        authority = Authority(
            loaded.epoch,
            loaded.revision,
            loaded.mac,
            loaded.document,
            dict(loaded.last_sequences),
            max_units=self._max_units,
        )
        authority.remember(loaded.recent)
        incarnation = self._recovery.incarnation(document_id)
        epoch, head = (loaded.epoch, loaded.revision) if loaded.stored else (0, Revision(0))
        position = Position(
            epoch, head, loaded.mac, loaded.floor, loaded.snapshot, loaded.number, incarnation
        )
        if loaded.stored is not None:
            position = replace(position, bridge=loaded.stored.bridge)
        bridge = loaded.bridge
        if bridge is None or not loaded.has_its_items:
            return WorkingDocument(authority, position, bridge)
        # Its items are those of the snapshot and of every commit above it, applied one by one.
        yjs = await asyncio.to_thread(YjsSide.load, document_id, loaded, bridge, incarnation)
        return WorkingDocument(authority, position, bridge, yjs)
