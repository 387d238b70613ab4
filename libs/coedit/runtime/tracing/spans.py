"""Spans by hand, for what no instrumentation sees: our own connections to Redis, and edits over WebSockets.

Whether there is a trace is decided once, where it begins, and before any span is made; whoever gets a context makes
spans of it without asking again.
"""

import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from aiohttp import TraceConfig
from aiohttp.typedefs import Middleware
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, TraceIdRatioBased

from coedit.runtime.said import PerSecond
from coedit.runtime.tracing.facts import NO_FACTS, Facts
from coedit.runtime.tracing.metrics import LEFT_OUT

logger = logging.getLogger(__name__)

MOST_OF_CLIENTS = 100
"""So many traces a second that clients began are gone on with: they decide how many there are, not the sampler."""

Kind = Literal["internal", "server", "client", "producer", "consumer"]
_KINDS: Mapping[Kind, trace.SpanKind] = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
    "producer": trace.SpanKind.PRODUCER,
    "consumer": trace.SpanKind.CONSUMER,
}
_ALL = 1 << 64
_LOW = _ALL - 1
"""The part of a trace's id that its sampling follows from."""


class ChosenIds(RandomIdGenerator):
    """Gives the next trace the id that it was sampled by."""

    def __init__(self) -> None:
        self.chosen = 0

    def generate_trace_id(self) -> int:
        """Return the chosen id, once, or else one by chance."""
        chosen, self.chosen = self.chosen, 0
        return chosen or super().generate_trace_id()


class Span:
    """A span of a trace that is sampled."""

    __slots__ = ("_span",)

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def trace_id(self) -> str:
        """The id of its trace, in 32 hexadecimal digits."""
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    @property
    def traceparent(self) -> str:
        """What names it as the parent of others."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def note(self, name: str, fact: str | int) -> None:
        """Add a fact to it."""
        self._span.set_attribute(name, fact)

    def fail(self, kind: str) -> None:
        """Mark it as failed, by a code or the name of an error; messages stay out, since they may quote."""
        self._span.set_attribute("error.type", kind)
        self._span.set_status(trace.StatusCode.ERROR, kind)

    def end(self) -> None:
        """End it now."""
        self._span.end()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make it what is being worked on: what is logged inside names its trace."""
        with trace.use_span(self._span, record_exception=False, set_status_on_exception=False):
            yield

    @contextmanager
    def covering(self) -> Iterator[None]:
        """Make it what is being worked on, and end it behind; what is raised inside marks it as failed."""
        try:
            with self.current():
                yield
        except BaseException as error:
            self.fail(type(error).__name__)
            raise
        finally:
            self.end()


@dataclass(frozen=True, slots=True)
class Http:
    """What makes spans of HTTP, by OpenTelemetry's own instrumentation."""

    requests: Middleware
    """Put before REST: of each request."""
    calls: TraceConfig
    """Of a session: of each call of ours to somebody else, who may go on with its trace."""


class Tracer:
    """Makes spans: ``spans`` one for whoever asks, and ``http`` those of requests and calls.

    ``sampler`` decides where a trace begins.
    """

    def __init__(
        self,
        spans: trace.Tracer,
        sampler: Sampler,
        ids: ChosenIds,
        http: Http,
        *,
        names_documents: bool,
    ) -> None:
        self.http = http
        self._spans = spans
        self._sampler = sampler
        self._ids = ids
        self._names_documents = names_documents
        self._of_clients = PerSecond(MOST_OF_CLIENTS, time.monotonic)
        self._lines = PerSecond(1, time.monotonic)
        root = getattr(sampler, "_root", sampler)
        self._bound = root.bound if isinstance(root, TraceIdRatioBased) else _ALL
        """A trace without a parent whose id ends above this is not sampled: to ask takes longer than to look."""

    def about(self, document_id: str) -> dict[str, str]:
        """Return what a span says of a document: which it is, where that is allowed."""
        return {"coedit.document.id": document_id} if document_id and self._names_documents else {}

    def begin(
        self,
        name: str,
        facts: Facts,
        document_id: str,
        *,
        kind: Kind = "internal",
        traceparent: str = "",
        began_ns: int | None = None,
    ) -> Span | None:
        """Begin a trace, or go on with the one that a client began; None: it is not sampled."""
        if traceparent:
            parent: trace.Span | None = self._of_client(name, kind, traceparent)
            if parent is None:
                return None
        else:
            parent, chosen = None, random.getrandbits(128)
            if chosen & _LOW >= self._bound or not self._samples(Context(), chosen, name, kind):
                return None
            self._ids.chosen = chosen
        return self._started(name, parent, kind, began_ns, {**facts, **self.about(document_id)})

    def begin_within(self, name: str, facts: Facts, document_id: str) -> Span | None:
        """Start a span of what is being worked on, if that is sampled; begin a trace where nothing is."""
        around = trace.get_current_span().get_span_context()
        if not around.is_valid:
            return self.begin(name, facts, document_id)
        current = self.current()
        return (
            None if current is None else self.start(name, current, facts={**facts, **self.about(document_id)})
        )

    def start(
        self,
        name: str,
        parent: "Span | str",
        *,
        kind: Kind = "internal",
        began_ns: int | None = None,
        facts: Facts = NO_FACTS,
    ) -> Span:
        """Start a span behind another one, of this process or of another."""
        before = parent._span if isinstance(parent, Span) else _remote(parent)  # noqa: SLF001 - of its own kind
        return self._started(name, before, kind, began_ns, facts)

    def gather(self, name: str, contexts: Sequence[str], *, kind: Kind, began_ns: int, facts: Facts) -> Span:
        """Start a span for what came from several spans: linked to each of them, and behind the one if there is one."""
        befores = [_remote(context) for context in contexts]
        links = [trace.Link(before.get_span_context()) for before in befores]
        return self._started(name, befores[0] if len(befores) == 1 else None, kind, began_ns, facts, links)

    def current(self) -> Span | None:
        """Return the span that is being worked on; None: none is, or it is not sampled."""
        span = trace.get_current_span()
        return Span(span) if span.get_span_context().trace_flags.sampled else None

    @contextmanager
    def on_behalf(self, traceparent: str) -> Iterator[None]:
        """Work on what another process began: what is logged inside names its trace."""
        with Span(_remote(traceparent)).current():
            yield

    def _of_client(self, name: str, kind: Kind, traceparent: str) -> trace.Span | None:
        parent = _remote(traceparent)
        context = trace.set_span_in_context(parent, Context())
        if not self._samples(context, parent.get_span_context().trace_id, name, kind):
            return None
        if not self._of_clients.passes():
            LEFT_OUT.inc()
            if self._lines.passes():
                facts = {"event": "traces-left-out", "count": self._of_clients.take_left_out()}
                logger.warning("clients began more traces than are gone on with", extra=facts)
            return None
        return parent

    def _samples(self, parent: Context, trace_id: int, name: str, kind: Kind) -> bool:
        decision = self._sampler.should_sample(parent, trace_id, name, _KINDS[kind]).decision
        return decision is Decision.RECORD_AND_SAMPLE

    def _started(
        self,
        name: str,
        parent: trace.Span | None,
        kind: Kind,
        began_ns: int | None,
        facts: Facts,
        links: Sequence[trace.Link] = (),
    ) -> Span:
        context = Context() if parent is None else trace.set_span_in_context(parent, Context())
        return Span(self._spans.start_span(name, context, _KINDS[kind], dict(facts), links, began_ns))


def _remote(traceparent: str) -> trace.Span:
    """Return the span of another process that a context names."""
    _, trace_id, span_id, flags = traceparent.split("-")
    context = trace.SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(int(flags, 16))
    )
    return trace.NonRecordingSpan(context)
