"""Updates that rest on others, of documents that nobody has begun: their senders may be gone when the others come."""

import logging
import time
from collections import OrderedDict

from coedit.identifiers import DocumentId
from coedit.protocol.yjs.update import Update
from coedit.runtime.logs import Sparse
from services.transformer.documents.yjs_side import Held, check_room, names
from services.transformer.metrics import YJS

logger = logging.getLogger(__name__)

_MAX_BYTES = 16 * 1024 * 1024
_MAX_DOCUMENTS = 1024
_LOG_SECONDS = 10.0

Early = tuple[Held, Update]


class EarlyUpdates:
    """What waits for documents to begin, bounded; the documents that were waited for longest are given up first.

    All consumers share it, so it is touched on the loop alone.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[DocumentId, list[Early]] = OrderedDict()
        self._bytes = 0
        self._dropped = Sparse(_LOG_SECONDS, time.monotonic)

    def keep(self, document_id: DocumentId, held: Held, update: Update) -> None:
        """Keep a submission until its document has begun.

        Raises:
            OverloadedError: too much waits for the document.
        """
        waiting = self._waiting.get(document_id, [])
        if any(names(other.submission) == names(held.submission) for other, _ in waiting):
            return  # it was sent again meanwhile
        check_room(len(waiting), _weight(waiting), held)
        self._waiting.setdefault(document_id, waiting).append((held, update))
        self._bytes += len(held.submission.update)
        while self._bytes > _MAX_BYTES or len(self._waiting) > _MAX_DOCUMENTS:
            self.give_up(next(iter(self._waiting)))

    def of(self, document_id: DocumentId) -> list[Early]:
        """Return what waits for a document; it goes on waiting until `drop`, since what begins may not be stored."""
        return list(self._waiting.get(document_id, ()))

    def give_up(self, document_id: DocumentId) -> None:
        """Let go of what waited for a document, which is never taken."""
        if document_id not in self._waiting:
            return
        YJS.labels("given-up").inc(len(self._waiting[document_id]))
        if count := self._dropped.count("given-up"):
            facts = {"event": "early-given-up", "document_id": document_id, "count": count}
            logger.warning("updates that waited for a document to begin are given up", extra=facts)
        self.drop(document_id)

    def drop(self, document_id: DocumentId) -> None:
        """Let go of what waited for a document."""
        self._bytes -= _weight(self._waiting.pop(document_id, []))


def _weight(waiting: list[Early]) -> int:
    return sum(len(held.submission.update) for held, _ in waiting)
