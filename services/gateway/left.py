"""Documents that everybody here has left and no snapshot covers yet: should Redis lose them, this gateway knows them.

They stay subscribed to, so that they are given back like those that are open; the snapshot that ends it is told on
their channels.
"""

import logging
import time
from collections.abc import Callable

from coedit.identifiers import DocumentId
from coedit.runtime.logs import Sparse
from services.gateway.metrics import LEFT, LEFT_DROPPED
from services.gateway.open_document import OpenDocument

logger = logging.getLogger(__name__)

_MAX_DOCUMENTS = 2000
_LOG_SECONDS = 10.0


class LeftDocuments:
    """At most 2,000, of about ``max_bytes`` of commits; those that were left longest ago go first, by ``close``."""

    def __init__(self, max_bytes: int, close: Callable[[OpenDocument], None]) -> None:
        self._max_bytes = max_bytes
        self._close = close
        self._documents: dict[DocumentId, OpenDocument] = {}
        self._dropped = Sparse(_LOG_SECONDS, time.monotonic)

    def put(self, document: OpenDocument) -> None:
        """Keep a document until a snapshot covers it, and then close it; at once, if one does."""
        if self._max_bytes == 0:
            self._close(document)
            return
        self._documents[document.feed.document_id] = document
        document.feed.on_stored = lambda: self._close_saved(document)
        self._close_saved(document)
        # Summed up each time: they grow while others elsewhere write on.
        size_bytes = sum(left.feed.unsaved_bytes for left in self._documents.values())
        while self._documents and (size_bytes > self._max_bytes or len(self._documents) > _MAX_DOCUMENTS):
            oldest = next(iter(self._documents.values()))
            size_bytes -= oldest.feed.unsaved_bytes
            self._end(oldest)
            LEFT_DROPPED.inc()
            if count := self._dropped.count("dropped"):
                facts = {"event": "left-dropped", "document_id": oldest.feed.document_id, "count": count}
                logger.warning("too many documents wait for snapshots; not all of them are kept", extra=facts)
        LEFT.set(len(self._documents))

    def take(self, document_id: DocumentId) -> OpenDocument | None:
        """Return a document for somebody who opens it again, and keep it no more."""
        document = self._documents.pop(document_id, None)
        if document is not None:
            document.feed.on_stored = lambda: None
            LEFT.set(len(self._documents))
        return document

    def _close_saved(self, document: OpenDocument) -> None:
        if document.feed.unsaved_bytes == 0 or document.damage:
            self._end(document)

    def _end(self, document: OpenDocument) -> None:
        if self.take(document.feed.document_id) is document:
            self._close(document)
