"""The documents that clients of this gateway have open."""

from collections.abc import Callable

from coedit.identifiers import DocumentId
from coedit.store.documents.log import DocumentLog
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from services.gateway.documents.heal import Healer
from services.gateway.documents.kept import KeptContents
from services.gateway.documents.left import LeftDocuments
from services.gateway.documents.open_document import OpenDocument
from services.gateway.documents.subscription import Subscription
from services.gateway.metrics import DOCUMENTS, SUBSCRIPTIONS
from services.gateway.redis.channels import Channels


class Hub:
    """All open documents; one is there as long as a client has it open, and then until a snapshot covers it."""

    def __init__(
        self,
        log: DocumentLog,
        reader: DocumentReader,
        channels: Channels,
        healer: Healer,
        quarantine: Quarantine,
        kept: KeptContents,
        unsaved_bytes: int,
    ) -> None:
        self._make: Callable[[DocumentId], OpenDocument] = lambda document_id: OpenDocument(
            document_id, log, reader, channels, healer, quarantine
        )
        self._kept = kept
        self._documents: dict[DocumentId, OpenDocument] = {}
        self._left = LeftDocuments(unsaved_bytes, lambda document: document.close())

    def get(self, document_id: DocumentId) -> OpenDocument:
        """Return the open document; whoever asks calls `release` in the end."""
        document = self._documents.get(document_id)
        if document is None:
            document = self._left.take(document_id) or self._make(document_id)
            document.begin_with(self._kept.take(document_id))
            self._documents[document_id] = document
            DOCUMENTS.set(len(self._documents))
        document.users += 1
        return document

    def end_deleted(self, document_id: DocumentId) -> None:
        """A document was deleted: end it for all that have it open here, and keep nothing of it."""
        self._kept.take(document_id)
        document = self._documents.get(document_id)
        if document is not None:
            document.end_deleted()
        elif (left := self._left.take(document_id)) is not None:
            left.close()

    def release(self, document: OpenDocument, subscription: Subscription | None = None) -> None:
        """Give a document back that `get` returned; the last one closes it, unless it is to be kept for a while."""
        document.users -= 1
        if subscription in document.feed.subscriptions:
            document.feed.subscriptions.remove(subscription)
            SUBSCRIPTIONS.dec()
        if document.users == 0:
            del self._documents[document.feed.document_id]
            DOCUMENTS.set(len(self._documents))
            if document.is_deleted:
                document.close()
                return
            if (content := document.take_content()) is not None:  # which has a bound of its own
                self._kept.put(document.feed.document_id, content)
            self._left.put(document)
