"""What nobody can vouch for: revisions that are handed out, and were sealed under a secret that is not known here."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from coedit.identifiers import DocumentId, Revision
from coedit.runtime.logs import Sparse
from services.gateway.metrics import UNCHECKED

logger = logging.getLogger(__name__)

HEADER = "Coedit-Unchecked"
_sparse = Sparse(60.0, time.monotonic)
_of_request: ContextVar[set[Revision] | None] = ContextVar("unchecked", default=None)


@contextmanager
def counting() -> Iterator[set[Revision]]:
    """Gather the revisions that could not be checked, of all that is read to answer a request."""
    found = set[Revision]()
    token = _of_request.set(found)
    try:
        yield found
    finally:
        _of_request.reset(token)


def note_unchecked(document_id: DocumentId, revisions: Sequence[Revision]) -> None:
    """Take note of revisions that are handed out unchecked."""
    UNCHECKED.inc(len(revisions))
    if (found := _of_request.get()) is not None:
        found.update(revisions)
    if count := _sparse.count("unchecked"):
        facts = {
            "event": "unchecked",
            "document_id": document_id,
            "first": revisions[0],
            "last": revisions[-1],
        }
        logger.warning("revisions could not be checked", extra=facts | {"readings": count})
