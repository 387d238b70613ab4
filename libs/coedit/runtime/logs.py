"""Logs as JSON lines on standard error: a fixed sentence, and the facts beside it."""

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import orjson

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a record: at, level, service, logger, message, and whatever came as ``extra``."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: fact for name, fact in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure_logs(service: str, level: str, *filters: logging.Filter) -> None:
    """Send every log of the process that passes ``filters`` to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    for each in filters:
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
