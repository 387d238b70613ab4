"""Begins to trace, where that is asked for and can be done: a process starts all the same where it cannot."""

import logging
import os
from collections.abc import Callable

from coedit.runtime.tracing import metrics
from coedit.runtime.tracing.environment import is_wanted, why_not

logger = logging.getLogger(__name__)
COUNTED = metrics.SPANS
"""Registered in every process, whether it traces or not."""


def begin_traces(service: str, *, names_documents: bool) -> Callable[[], None]:
    """Trace from now on if the environment says so; return what sends the last spans.

    ``names_documents``: spans may say which document they are about.
    """
    if not is_wanted(os.environ):
        return _nothing
    why = why_not(os.environ)
    if not why:
        try:
            from coedit.runtime.tracing.install import install  # noqa: PLC0415 - not before it is wanted: it takes memory

            return install(service, names_documents=names_documents)
        except (ImportError, ValueError) as error:
            why = f"{error}; the packages are those of the extra [otel]"
    facts = {"event": "no-traces", "why": why}
    logger.error("traces are asked for and cannot be made; going on without", extra=facts)
    return _nothing


def _nothing() -> None:
    """Nothing is traced, so nothing is left to be sent."""
