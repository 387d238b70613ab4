"""A sampled edit on its way through this gateway: received, enqueued, and at last answered.

An edit that is not sampled has none of this: where there is no tracer, or its sampler says no, there is None.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from coedit.identifiers import DocumentId, known_traceparent
from coedit.protocol.events import Traced
from coedit.runtime.tracing.active import TRACES
from coedit.runtime.tracing.facts import Facts
from coedit.store.keys import Shard

if TYPE_CHECKING:
    from coedit.runtime.tracing.spans import Span, Tracer

_OPS, _EVENTS = "ops:{shard}", "events:{shard}:{document}"
_SYSTEM = "redis"
OT_DOOR: Facts = {"network.protocol.name": "websocket", "coedit.door": "ot"}
YJS_DOOR: Facts = {"network.protocol.name": "websocket", "coedit.door": "yjs"}


class EditTrace:
    """The spans of one edit; made by `received` or `of_request`."""

    __slots__ = ("_document_id", "_enqueued", "_received", "_tracer", "sequence")

    def __init__(self, tracer: "Tracer", received: "Span", document_id: DocumentId, sequence: int) -> None:
        self.sequence = sequence
        """The client's number of the edit."""
        self._tracer = tracer
        self._received = received
        self._document_id = document_id
        self._enqueued: Span | None = None

    @property
    def trace_id(self) -> str:
        """The id of the trace."""
        return self._received.trace_id

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Cover with its first span what is done to forward it."""
        with self._received.covering():
            yield

    def enqueue(self, shard: Shard) -> "Span":
        """Return the span of its wait to be added to its shard's stream, whose context goes along with it there."""
        facts = {
            "messaging.system": _SYSTEM,
            "messaging.operation.name": "enqueue",
            "messaging.operation.type": "send",
            "messaging.destination.name": shard.ops,
            "messaging.destination.template": _OPS,
        }
        self._enqueued = self._tracer.start(
            f"enqueue {_OPS}", self._received, kind="producer", facts=facts | self._about
        )
        return self._enqueued

    @contextmanager
    def answering(self, code: str = "") -> Iterator[None]:
        """Cover the answer to its client: an ack, or an error's ``code``."""
        before = self._enqueued or self._received
        current = self._tracer.current()  # the fan-out that brings the answer, where it is of the same trace
        if current is not None and current.trace_id == before.trace_id:
            before = current
        span = self._tracer.start("ack", before, facts=self._about)
        if code:
            span.fail(code)
        with span.covering():
            yield

    @property
    def _about(self) -> dict[str, str]:
        return self._tracer.about(self._document_id)


def received(
    document_id: DocumentId, sequence: int, door: Facts, began_ns: int, traceparent: str | None = None
) -> EditTrace | None:
    """Return the trace of an edit that came in by a door at a time; None: it is not sampled."""
    tracer = TRACES.tracer
    if tracer is None:
        return None
    span = tracer.begin(
        "receive submit", door, document_id, kind="server", traceparent=traceparent or "", began_ns=began_ns
    )
    return None if span is None else EditTrace(tracer, span, document_id, sequence)


def of_request(document_id: DocumentId, sequence: int) -> EditTrace | None:
    """Return the trace of an edit that a request makes, as a part of the request's; None: that is not sampled."""
    tracer = TRACES.tracer
    span = None if tracer is None else tracer.current()
    return None if tracer is None or span is None else EditTrace(tracer, span, document_id, sequence)


def end_enqueued(span: "Span", count: int, error: Exception | None) -> None:
    """End the span of an edit that was added to its stream, as one of ``count`` submissions, or was not."""
    span.note("messaging.batch.message_count", count)
    if error is not None:
        span.fail(type(error).__name__)
    span.end()


def now_ns() -> int:
    """Return when something came in that may turn out to be traced; 0: nothing is traced."""
    return 0 if TRACES.tracer is None else time.time_ns()


@contextmanager
def fanning_out(
    traced: Traced, commits: Sequence[tuple[str, int]], document_id: DocumentId, receivers: int
) -> Iterator[str]:
    """Cover how commits, named by client and sequence, go out to ``receivers``, with a span of each traced edit.

    It gives the id of one of their traces, or nothing.
    """
    tracer = TRACES.tracer
    contexts = {
        (client_id, sequence): context
        for client_id, sequence, context in traced.edits
        if known_traceparent(context)
    }
    found = [contexts[commit] for commit in commits if commit in contexts]
    if tracer is None or not receivers:
        yield ""
        return
    facts: Facts = {
        "messaging.system": _SYSTEM,
        "messaging.operation.name": "fan-out",
        "messaging.operation.type": "process",
        "messaging.destination.template": _EVENTS,
        "messaging.batch.message_count": len(commits),
        "coedit.receivers": receivers,
        **tracer.about(document_id),
    }
    with ExitStack() as covered:
        trace = ""
        for context in found:
            span = tracer.start(f"fan-out {_EVENTS}", context, kind="consumer", facts=facts)
            covered.enter_context(span.covering())
            trace = span.trace_id
        yield trace
