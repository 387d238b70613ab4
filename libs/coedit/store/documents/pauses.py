"""Documents that could not be dealt with, and when to try again."""

from collections import OrderedDict

from coedit.identifiers import DocumentId

_FIRST_SECONDS = 2.0
_LAST_SECONDS = 600.0
_BOUND = 10_000


class Pauses:
    """Doubles the pause of a document with each failure; forgets it when it succeeds.

    Times are milliseconds of one clock, which is an argument. Above a bound the oldest are forgotten, which
    only means that they are tried sooner.
    """

    def __init__(self) -> None:
        self._failed: OrderedDict[DocumentId, tuple[float, float]] = OrderedDict()
        """Document -> last pause in seconds, when it is over."""

    def holds(self, document_id: DocumentId, now_ms: float) -> bool:
        """Tell whether the document is to be left alone."""
        return self._failed.get(document_id, (0.0, 0.0))[1] > now_ms

    def failed(self, document_id: DocumentId, now_ms: float) -> float:
        """Take note of a failure; return the pause in seconds."""
        before, _ = self._failed.pop(document_id, (0.0, 0.0))
        pause_seconds = min(_LAST_SECONDS, before * 2 or _FIRST_SECONDS)
        self._failed[document_id] = (pause_seconds, now_ms + pause_seconds * 1000)
        if len(self._failed) > _BOUND:
            self._failed.popitem(last=False)
        return pause_seconds

    def succeeded(self, document_id: DocumentId) -> None:
        """Forget a document's failures."""
        self._failed.pop(document_id, None)
