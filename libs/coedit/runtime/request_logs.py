"""Requests that are no HTTP: refused by aiohttp, which would log their lines, with a traceback each.

Such a line may hold a token, and its author decides how many there are.
"""

import logging

from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import Counter

from coedit.runtime.logs import Sparse

MALFORMED = Counter("coedit_http_malformed_total", "Requests that were no HTTP, and were refused.")


class MalformedRequests(logging.Filter):
    """Makes of their errors a line now and then, with how many there were and none of what they said."""

    def __init__(self, sparse: Sparse) -> None:
        super().__init__()
        self._sparse = sparse

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is written; what it says of a malformed request is replaced."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        MALFORMED.inc()
        count = self._sparse.count("malformed")
        record.msg, record.args = "requests that are no HTTP were refused", ()
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.INFO, "INFO"
        vars(record).update(event="malformed-request", error=type(error).__name__, count=count)
        return count > 0
