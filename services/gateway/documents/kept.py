"""What was rendered of documents that nobody here has open any more, for who opens them next."""

from coedit.identifiers import DocumentId
from services.gateway.documents.content import Content
from services.gateway.metrics import KEPT_BYTES


class KeptContents:
    """Contents within a bound of bytes; those that were put longest ago go first.

    What is kept may be out of date, or of a history that is no more: whoever takes it compares it with Redis.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._contents: dict[DocumentId, Content] = {}
        self._bytes = 0

    def put(self, document_id: DocumentId, content: Content) -> None:
        """Keep a document's content, if that is within the bound by itself."""
        self.take(document_id)
        if content.size_bytes > self._max_bytes:
            return
        self._contents[document_id] = content
        self._bytes += content.size_bytes
        while self._bytes > self._max_bytes:
            self._bytes -= self._contents.pop(next(iter(self._contents))).size_bytes
        KEPT_BYTES.set(self._bytes)

    def take(self, document_id: DocumentId) -> Content | None:
        """Return what is kept of a document, and keep it no more."""
        content = self._contents.pop(document_id, None)
        if content is not None:
            self._bytes -= content.size_bytes
            KEPT_BYTES.set(self._bytes)
        return content
