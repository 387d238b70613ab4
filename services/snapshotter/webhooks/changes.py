"""``document.changed``: told of what was committed, once there was a pause or it had lasted.

The lists of changed documents say who was edited; no commit waits for this, and none is looked at twice.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from coedit.errors import DamagedError
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.log_entry import author_of
from coedit.protocol.webhooks.events import DocumentChanged
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.webhooks.happened import HappenedStream
from services.snapshotter.schedule import Changed

logger = logging.getLogger(__name__)

_LOOKED_AT = 1000
_MOST_AUTHORS = 50


@dataclass(slots=True)
class _Edited:
    changed_ms: float
    """When the last commit was."""
    since_ms: float | None
    """When the first was of which nobody has been told yet; None: all was told."""


class Edits:
    """When which documents are due, by the times of Redis; what is told is told of again when it changes."""

    def __init__(self, *, quiet_seconds: float, latest_seconds: float) -> None:
        self._quiet_ms = quiet_seconds * 1000
        self._latest_ms = latest_seconds * 1000
        self._edited: dict[DocumentId, _Edited] = {}

    def due(self, changed: Iterable[Changed], now_ms: float) -> list[DocumentId]:
        """Return those of the changed documents that there is to tell of now; the others are forgotten."""
        before, self._edited = self._edited, {}
        for item in changed:
            known = before.get(item.document_id) or _Edited(item.changed_ms, item.changed_ms)
            if known.changed_ms != item.changed_ms:
                known.changed_ms = item.changed_ms
                known.since_ms = item.changed_ms if known.since_ms is None else known.since_ms
            self._edited[item.document_id] = known
        return [name for name, known in self._edited.items() if self._is_due(known, now_ms)]

    def told(self, document_id: DocumentId, changed_ms: float) -> None:
        """Note that all up to the commit of this time was told of."""
        known = self._edited.get(document_id)
        if known is not None and known.changed_ms == changed_ms:
            known.since_ms = None

    def changed_ms(self, document_id: DocumentId) -> float:
        """Return when the last commit was of a document that is due."""
        return self._edited[document_id].changed_ms

    def _is_due(self, known: _Edited, now_ms: float) -> bool:
        if known.since_ms is None:
            return False
        return now_ms - known.changed_ms >= self._quiet_ms or now_ms - known.since_ms >= self._latest_ms


class ChangeTeller:
    """Tells of what was committed to one document since it was told of last."""

    def __init__(self, log: DocumentLog, happened: HappenedStream) -> None:
        self._log = log
        self._happened = happened

    async def tell(self, document_id: DocumentId) -> None:
        """Tell of a document's new commits, if there are any.

        Raises:
            DamagedError: where the document stands cannot be read.
            RedisError, OSError: Redis cannot do it now; it may or may not be told.
        """
        position = await self._log.position(document_id)
        if position is None:
            return
        told = await self._happened.told(document_id)
        if told == position.head or (told is None and position.snapshot == position.head):
            return
        first = _first(position, told)
        authors = await self._authors(document_id, first, position.head)
        event = DocumentChanged(
            document=document_id,
            epoch=position.epoch,
            first_revision=first,
            last_revision=position.head,
            authors=authors,
        )
        await self._happened.tell_changed(document_id, told, event)

    async def _authors(self, document_id: DocumentId, first: int, last: Revision) -> list[str]:
        """Return who wrote the newest of these revisions, as far as the log has them."""
        try:
            entries = await self._log.read(document_id, max(first, last - _LOOKED_AT + 1), last)
        except DamagedError as error:  # whoever makes a snapshot of it finds it, too, and sees to it
            facts = {"event": "webhook-authors", "document_id": document_id, "error": str(error)}
            logger.warning("who edited a document cannot be read", extra=facts)
            return []
        return sorted(filter(None, set(map(author_of, entries))))[:_MOST_AUTHORS]


def _first(position: Position, told: int | None) -> int:
    """Return the first revision to tell of; where more was told than there is, some was lost, and it is told again."""
    before = position.snapshot if told is None or told > position.head else told
    return min(before + 1, position.head)
