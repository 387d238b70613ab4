"""The spans of what is written: one script covers the batches of several shards."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from coedit.runtime.tracing.active import TRACES
from coedit.store.writes.commit import BatchWrite
from services.transformer.deciding.traces import TracedBatch

_FACTS = {
    "db.system.name": "redis",
    "db.operation.name": "EVALSHA",
    "db.stored_procedure.name": "commit.lua",
}


def trace_of(batch: BatchWrite) -> str:
    """Return the id of a batch's trace; empty: it is not traced."""
    return batch.span.trace_id if isinstance(batch, TracedBatch) and batch.span is not None else ""


@contextmanager
def committing(batches: Sequence[BatchWrite]) -> Iterator[str]:
    """Cover the commit script, in each traced batch, and end the batches' spans; yield the id of a trace, if any."""
    tracer = TRACES.tracer
    spans = [batch.span for batch in batches if isinstance(batch, TracedBatch) and batch.span is not None]
    if tracer is None or not spans:
        yield ""
        return
    with ExitStack() as covered:
        for span in spans:
            covered.enter_context(span.covering())
            script = tracer.start("commit script", span, kind="client", facts=_FACTS)
            covered.enter_context(script.covering())
        yield spans[0].trace_id
