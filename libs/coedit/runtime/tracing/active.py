"""The tracer of the process, if it has one: whoever could make a span looks here first, and goes on at None.

So a deployment without traces pays for an attribute and a comparison, and never for a tracer that does nothing, which
takes several microseconds a span.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from coedit.runtime.tracing.facts import NO_FACTS, Facts

if TYPE_CHECKING:
    from aiohttp import TraceConfig

    from coedit.runtime.tracing.spans import Span, Tracer


class Traces:
    """Where the tracer of the process is found."""

    __slots__ = ("tracer",)

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        """None: nothing is traced."""


TRACES = Traces()
UNTRACED = nullcontext("")
"""In what is done that is not traced; the id of its trace."""


class Histogram(Protocol):
    """What an observation with an exemplar needs of one of Prometheus's."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Take in an observation."""


@contextmanager
def traced(name: str, document_id: str = "", facts: Facts = NO_FACTS) -> "Iterator[Span | None]":
    """Trace what is done inside: as a part of what is traced already, or as a trace of its own if that is sampled."""
    tracer = TRACES.tracer
    span = None if tracer is None else tracer.begin_within(name, facts, document_id)
    if span is None:
        yield None
        return
    with span.covering():
        yield span


@contextmanager
def step(name: str, facts: Facts = NO_FACTS) -> "Iterator[Span | None]":
    """Trace what is done inside as a part of what is traced already; else not at all."""
    tracer = TRACES.tracer
    parent = None if tracer is None else tracer.current()
    if tracer is None or parent is None:
        yield None
        return
    span = tracer.start(name, parent, facts=facts)
    with span.covering():
        yield span


def tracing_calls() -> "list[TraceConfig]":
    """Return what a session of aiohttp's client is made with, for its calls to be traced where anything is."""
    return [] if TRACES.tracer is None else [TRACES.tracer.http.calls]


def trace_id() -> str:
    """Return the id of the trace that is being worked on; empty: none is."""
    tracer = TRACES.tracer
    span = None if tracer is None else tracer.current()
    return "" if span is None else span.trace_id


def observe(histogram: Histogram, amount: float, trace: str = "") -> None:
    """Take in an observation, with an exemplar if it is of a trace: of ``trace``, or of what is being worked on."""
    if TRACES.tracer is None:
        histogram.observe(amount)
        return
    named = trace or trace_id()
    histogram.observe(amount, {"trace_id": named} if named else None)


@contextmanager
def timed(histogram: Histogram) -> Iterator[None]:
    """Observe how many seconds it takes what is done inside, whatever comes of it."""
    started = perf_counter()
    try:
        yield
    finally:
        observe(histogram, perf_counter() - started)
