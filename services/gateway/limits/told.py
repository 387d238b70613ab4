"""What is counted, and written to the log now and then, when a limit holds somebody up."""

import logging
import math
import time
from typing import Literal, get_args

import orjson
from aiohttp import web

from coedit.errors import CoeditError
from coedit.runtime.logs import Sparse
from coedit.runtime.problems import PROBLEM_JSON, problem
from services.gateway.metrics import ERRORS, LIMITED

logger = logging.getLogger(__name__)

Limit = Literal[
    "address-connections",
    "strangers",
    "author-connections",
    "messages",
    "bytes",
    "opens",
    "author-requests",
    "author-messages",
    "author-bytes",
    "denied",
]
_LOG_SECONDS = 10.0

_lines = Sparse(_LOG_SECONDS, time.monotonic)
for _limit in get_args(Limit):
    LIMITED.labels(_limit)  # an increase from nothing shows only where there was a zero


def limited(limit: Limit, **facts: object) -> None:
    """Take note that a limit held somebody up; the ``facts`` of the first are logged, and how many came since."""
    LIMITED.labels(limit).inc()
    if count := _lines.count(limit):
        about = {"event": "limited", "limit": limit, "count": count}
        logger.warning("a limit holds somebody up", extra=about | facts)


def refused_upgrade(error: CoeditError, status: int, title: str, after_seconds: float) -> web.Response:
    """Return the answer to an upgrade that is refused: a client comes again after so long, its pauses growing."""
    ERRORS.labels(error.code).inc()
    seconds = max(1, math.ceil(after_seconds))
    said = problem(status, error.code, title, str(error), retry_after_seconds=seconds)
    headers = {"Retry-After": str(seconds)}
    return web.Response(body=orjson.dumps(said), status=status, content_type=PROBLEM_JSON, headers=headers)
