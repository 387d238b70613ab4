"""Documents that everybody here has left and no snapshot covers yet: should Redis lose them, this gateway knows them.

They stay subscribed to, so that they are given back like those that are open; the snapshot that ends it is told on
their channels.
"""

import logging
import time
from collections.abc import Callable

from coedit.identifiers import DocumentId
from coedit.runtime.logs import Sparse
from services.gateway.documents.open_document import OpenDocument
from services.gateway.metrics import LEFT, LEFT_DROPPED

logger = logging.getLogger(__name__)

_MAX_DOCUMENTS = 2000
_LOG_SECONDS = 10.0
_MEASURE_AGAIN = 1 / 16
"""After so many more, as a share of those that are kept, all are measured again; above the bound so much is let go."""


class LeftDocuments:
    """At most 2,000, of about ``max_bytes`` of commits; what does not fit goes by ``close``.

    Of too many bytes the largest go first, so that nobody's large documents cost others theirs; of too many documents
    the one that was left longest ago, which has a snapshot soonest.
    """

    def __init__(self, max_bytes: int, close: Callable[[OpenDocument], None]) -> None:
        self._max_bytes = max_bytes
        self._close = close
        self._documents: dict[DocumentId, OpenDocument] = {}
        self._sizes: dict[DocumentId, int] = {}
        """What each was when it was measured last: they grow while others elsewhere write on."""
        self._bytes = 0
        self._unmeasured = 0
        """How many were put since all were measured."""
        self._dropped = Sparse(_LOG_SECONDS, time.monotonic)

    def put(self, document: OpenDocument) -> None:
        """Keep a document until a snapshot covers it, and then close it; at once, if one does."""
        if self._max_bytes == 0:
            self._close(document)
            return
        self._documents[document.feed.document_id] = document
        self._measure(document)
        document.feed.on_stored = lambda: self._close_saved(document)
        self._close_saved(document)
        self._unmeasured += 1
        if self._bytes > self._max_bytes or self._unmeasured > _MEASURE_AGAIN * len(self._documents):
            self._measure_all()
        if len(self._documents) > _MAX_DOCUMENTS:
            self._drop(next(iter(self._documents.values())))
        LEFT.set(len(self._documents))

    def take(self, document_id: DocumentId) -> OpenDocument | None:
        """Return a document for somebody who opens it again, and keep it no more.

        One that turned out to be damaged is closed instead: what it is now is to be read.
        """
        document = self._pop(document_id)
        if document is not None and document.damage:
            self._close(document)
            return None
        return document

    def _pop(self, document_id: DocumentId) -> OpenDocument | None:
        document = self._documents.pop(document_id, None)
        if document is not None:
            self._bytes -= self._sizes.pop(document_id)
            document.feed.on_stored = lambda: None
            LEFT.set(len(self._documents))
        return document

    def _measure(self, document: OpenDocument) -> None:
        document_id, size_bytes = document.feed.document_id, document.feed.unsaved_bytes
        self._bytes += size_bytes - self._sizes.get(document_id, 0)
        self._sizes[document_id] = size_bytes

    def _measure_all(self) -> None:
        self._unmeasured = 0
        for document in self._documents.values():
            self._measure(document)
        if self._bytes > self._max_bytes:
            # Some more than has to be: else the next one would be too much again.
            enough = self._max_bytes * (1 - _MEASURE_AGAIN)
            for largest in sorted(self._sizes, key=lambda name: -self._sizes[name]):
                if self._bytes <= enough:
                    break
                self._drop(self._documents[largest])

    def _drop(self, document: OpenDocument) -> None:
        self._end(document)
        LEFT_DROPPED.inc()
        if count := self._dropped.count("dropped"):
            facts = {"event": "left-dropped", "document_id": document.feed.document_id, "count": count}
            logger.warning("too many documents wait for snapshots; not all of them are kept", extra=facts)

    def _close_saved(self, document: OpenDocument) -> None:
        if document.feed.unsaved_bytes == 0 or document.damage:
            self._end(document)

    def _end(self, document: OpenDocument) -> None:
        if self._pop(document.feed.document_id) is document:
            self._close(document)
