"""What no snapshot covers yet of the documents that this transformer wrote, so that it can give it back.

Apart from the documents in memory, which come and go by other rules: a document that nobody has open, or whose shard
is somebody else's by now, is kept as well. A snapshot ends it. So does the budget, at last: above half of it the
snapshotter is asked to deal with the largest documents first, and above all of it the oldest entries of these are
forgotten: who writes much pays for it, and not who wrote little before. How far they were is kept, which lets the loss
be told.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgpack

from coedit.identifiers import DocumentId, Revision
from coedit.protocol.log_entry import decode_commit
from coedit.runtime.logs import Sparse
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.documents.log import Position
from coedit.store.streams.offers import Given, Offer, Seen
from coedit.store.writes.commit import DocumentWrite
from services.transformer.metrics import UNSAVED_BYTES, UNSAVED_FORGOTTEN

logger = logging.getLogger(__name__)

_LOG_SECONDS = 10.0
_DOCUMENT_BYTES = 1000
_ENTRY_BYTES = 100
"""What a document, and an entry, take beside their bytes."""
_OFFER_BYTES = 256 * 1024
_OFFER_COMMITS = 200


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a transformer itself knows of a document: where it was stored, and the newest entries up to there."""

    document_id: DocumentId
    stored: Position
    before: str
    """The mac below the first entry."""
    entries: tuple[bytes, ...]

    def offers(self) -> list[Offer]:
        """Return it as what is offered to the owner of the shard; what was seen comes last, as a claim on the rest."""
        offers: list[Offer] = list(self.given())
        stored = self.stored
        offers.append(Seen(self.document_id, stored.epoch, stored.head, stored.mac))
        return offers

    def given(self) -> Iterable[Given]:
        """Yield the commits, in parts that are not too large to be read."""
        before, size_bytes, part = self.before, 0, list[bytes]()
        for entry in self.entries:
            if part and (size_bytes + len(entry) > _OFFER_BYTES or len(part) == _OFFER_COMMITS):
                given = Given(self.document_id, before, tuple(map(decode_commit, part)))
                before, size_bytes, part = given.commits[-1].mac, 0, []
                yield given
            part.append(entry)
            size_bytes += len(entry)
        if part:
            yield Given(self.document_id, before, tuple(map(decode_commit, part)))


@dataclass(slots=True)
class _Kept:
    """The entries of a document up to where it is stored, without a gap."""

    stored: Position
    before: str
    entries: deque[bytes] = field(default_factory=deque)
    size_bytes: int = _DOCUMENT_BYTES

    def add(self, entries: Iterable[bytes]) -> None:
        for entry in entries:
            self.entries.append(entry)
            self.size_bytes += len(entry) + _ENTRY_BYTES

    def drop_up_to(self, revision: int) -> None:
        """Let go of the entries up to a revision."""
        dropped = b""
        while self.entries and self.stored.head - len(self.entries) < revision:
            dropped = self.entries.popleft()
            self.size_bytes -= len(dropped) + _ENTRY_BYTES
        if dropped:
            self.before = msgpack.unpackb(dropped)["mac"]

    def drop_oldest(self, excess_bytes: int) -> int:
        """Let go of the oldest entries, of so many bytes or more if there are as many; return how many they were."""
        count = freed_bytes = 0
        for entry in self.entries:
            if freed_bytes >= excess_bytes:
                break
            freed_bytes += len(entry) + _ENTRY_BYTES
            count += 1
        self.drop_up_to(self.stored.head - len(self.entries) + count)
        return count


class Unsaved:
    """The documents of one consumer, the one that was written longest ago first; about ``max_bytes`` in all."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: dict[DocumentId, _Kept] = {}
        self._bytes = 0
        self._forgotten = Sparse(_LOG_SECONDS, time.monotonic)

    def read(self, document_id: DocumentId, loaded: LoadedDocument) -> None:
        """Take note of a document that was read, with all that stands above its snapshot: others wrote that."""
        self.forget(document_id)
        if loaded.stored is not None and loaded.entries:
            kept = _Kept(loaded.stored, loaded.recent_before)
            kept.add(loaded.entries)
            kept.drop_up_to(loaded.stored.snapshot)
            self._put(document_id, kept)

    def written(self, write: DocumentWrite) -> None:
        """Take note of what was written of a document."""
        kept = self._kept.pop(write.document_id, None)
        self._count(-kept.size_bytes if kept else 0)
        if kept is None or kept.stored.mac != write.expected.mac:
            kept = _Kept(write.expected, write.expected.mac)
        kept.stored = write.after
        kept.add(write.commits)
        self._put(write.document_id, kept)

    def covered(self, document_id: DocumentId, position: Position | None, head: Revision) -> bool:
        """Let go of what a snapshot covers; return whether Redis has the document below ``head``, where it was before.

        In another epoch nothing is to be given back: what was lost when it began was told then.
        """
        kept = self._kept.get(document_id)
        if kept is None:
            return False
        if position is not None and position.epoch > kept.stored.epoch:
            self.forget(document_id)
            return False
        if position is None or position.head < head:
            return True
        self._count(-kept.size_bytes)
        kept.drop_up_to(position.snapshot)
        self._count(kept.size_bytes)
        if position.snapshot >= kept.stored.head:
            self.forget(document_id)
        return False

    def heads(self) -> dict[DocumentId, Revision]:
        """Return how far each document is known to be stored."""
        return {document_id: kept.stored.head for document_id, kept in self._kept.items()}

    def remembered(self, document_ids: Iterable[DocumentId] | None = None) -> list[Remembered]:
        """Return what is kept, of some documents or of all."""
        wanted = list(self._kept) if document_ids is None else document_ids
        return [
            Remembered(document_id, kept.stored, kept.before, tuple(kept.entries))
            for document_id in wanted
            if (kept := self._kept.get(document_id)) is not None
        ]

    def pressing(self) -> list[DocumentId]:
        """Return the documents whose snapshots would bring it below half of the budget: the largest, as few as do."""
        left_bytes, found = self._bytes, list[DocumentId]()
        if left_bytes > self._max_bytes // 2:
            for document_id, kept in self._largest_first():
                if left_bytes <= self._max_bytes // 2:
                    break
                left_bytes -= kept.size_bytes
                found.append(document_id)
        return found

    def _put(self, document_id: DocumentId, kept: _Kept) -> None:
        self._kept[document_id] = kept
        self._count(kept.size_bytes)
        if self._bytes > self._max_bytes:
            self._forget()

    def _largest_first(self) -> list[tuple[DocumentId, _Kept]]:
        """Return the documents; of those that are as large as each other, the one written longest ago comes first."""
        return sorted(self._kept.items(), key=lambda item: -item[1].size_bytes)

    def _forget(self) -> None:
        """Forget entries, and where even that is too much, documents; more than must be, so that it is not often."""
        enough_bytes = self._max_bytes * 7 // 8
        for document_id, kept in self._largest_first():
            if self._bytes <= enough_bytes:
                return
            if kept.entries:
                before_bytes = kept.size_bytes
                self._note_forgotten(document_id, kept.drop_oldest(self._bytes - enough_bytes))
                self._count(kept.size_bytes - before_bytes)
        while self._bytes > enough_bytes and len(self._kept) > 1:
            self.forget(next(iter(self._kept)))

    def _note_forgotten(self, document_id: DocumentId, count: int) -> None:
        UNSAVED_FORGOTTEN.inc(count)
        if times := self._forgotten.count("forgotten"):
            facts = {
                "event": "unsaved-forgotten",
                "document_id": document_id,
                "commits": count,
                "count": times,
            }
            logger.warning("too much waits for snapshots; what Redis loses may be lost now", extra=facts)

    def forget(self, document_id: DocumentId) -> None:
        """Let go of all that is kept of a document."""
        kept = self._kept.pop(document_id, None)
        if kept is not None:
            self._count(-kept.size_bytes)

    def _count(self, more_bytes: int) -> None:
        self._bytes += more_bytes
        UNSAVED_BYTES.inc(more_bytes)
