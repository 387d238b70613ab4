"""Logs as JSON lines on standard error: a fixed sentence, and the facts beside it."""

import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import orjson

from coedit.runtime.said import PerSecond, bounded, named, safe_fact, traced
from coedit.runtime.tracing.active import trace_id

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


_OURS = ("coedit", "services", "__main__")
_MOST_FOREIGN_LINES = 10
"""A second, of other libraries': a client can make aiohttp write one with each malformed request."""
_MOST_TRACEBACKS = 5
"""A second: each is some kilobytes, and a client that found a defect can have as many as it wants."""


class JsonFormatter(logging.Formatter):
    """One JSON object a record: at, level, service, logger, message, and whatever came as ``extra``.

    Of what is traced, ``trace_id`` as well.

    Nothing in it is long, or looks like a token (see `coedit.runtime.said`); of tracebacks there are a few a second.
    """

    def __init__(self, service: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._service = service
        self._tracebacks = PerSecond(_MOST_TRACEBACKS, clock)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": _message(record),
        }
        line |= {name: safe_fact(fact) for name, fact in vars(record).items() if name not in _STANDARD}
        if current := trace_id():
            line["trace_id"] = current
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["exception"] = traced(error) if self._tracebacks.passes() else named(error)
        return orjson.dumps(line, default=str).decode()


def _message(record: logging.LogRecord) -> str:
    """Return the sentence: of other libraries' the first line, of asyncio's what comes before it shows objects."""
    message = record.getMessage()
    if not record.name.startswith(_OURS):
        message = message.partition("\n")[0]
    if record.name == "asyncio":
        message = message.partition("<")[0].partition("(")[0]
    return bounded(message)


class _FewForeign(logging.Filter):
    """Lets a few lines a second of other libraries pass; the next that does says how many did not."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._lines = PerSecond(_MOST_FOREIGN_LINES, clock)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is written."""
        if record.name.startswith(_OURS):
            return True
        if not self._lines.passes():
            return False
        if left_out := self._lines.take_left_out():
            record.left_out = left_out
        return True


def configure_logs(service: str, level: str, *filters: logging.Filter) -> None:
    """Send every log of the process that passes ``filters`` to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    for each in (*filters, _FewForeign()):
        handler.addFilter(each)
    logging.basicConfig(level=level, handlers=[handler], force=True)


class Sparse:
    """Says of each kind of thing whether it is worth a line: the first at once, then one an interval for all."""

    def __init__(self, interval_seconds: float, clock: Callable[[], float]) -> None:
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._since: dict[str, tuple[float, int]] = {}
        """Kind, of a closed set -> when its last line was written, and how many came since."""

    def count(self, kind: str) -> int:
        """Return how many came since the last line, with this one, or 0 if it is too early for another."""
        at, count = self._since.get(kind, (float("-inf"), 0))
        if self._clock() - at < self._interval_seconds:
            self._since[kind] = (at, count + 1)
            return 0
        self._since[kind] = (self._clock(), 0)
        return count + 1
