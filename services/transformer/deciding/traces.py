"""The trace of a batch: which edits in it are traced, and who is told of that."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coedit.identifiers import DocumentId
from coedit.protocol.events import Traced, encode_events
from coedit.runtime.tracing.active import TRACES, UNTRACED
from coedit.runtime.tracing.facts import Facts
from coedit.store.writes.commit import BatchWrite, DocumentWrite
from services.transformer.deciding.part import NOWHERE, AnySubmission

if TYPE_CHECKING:
    from coedit.runtime.tracing.spans import Span

_OPS = "ops:{shard}"


@dataclass(frozen=True, slots=True)
class TracedBatch(BatchWrite):
    """What a batch does to a shard, and the span that covers it until that is written."""

    span: "Span | None" = None


def on_behalf(traceparent: str) -> AbstractContextManager[object]:
    """Return in what a submission is decided that is traced: what is logged meanwhile names its trace."""
    return UNTRACED if TRACES.tracer is None else TRACES.tracer.on_behalf(traceparent)


def with_trace(
    batch: BatchWrite, submissions: Sequence[Sequence[AnySubmission]], began_ns: int
) -> BatchWrite:
    """Return a batch with its span, which began at ``began_ns``, if any of what it decided is traced.

    ``submissions`` are those of each of its documents. Of one that is traced the batch is a part; several have
    traces of their own, which the batch is linked to.
    """
    tracer = TRACES.tracer
    traced = [[one for one in some if one.traceparent] for some in submissions] if tracer is not None else []
    contexts = [one.traceparent for some in traced for one in some]
    if tracer is None or not contexts:
        return batch
    facts: Facts = {
        "messaging.system": "redis",
        "messaging.operation.name": "batch",
        "messaging.operation.type": "process",
        "messaging.destination.name": batch.shard.ops,
        "messaging.destination.template": _OPS,
        "messaging.batch.message_count": sum(map(len, submissions)),
        "coedit.documents": len(batch.documents),
    }
    span = tracer.gather(f"batch {_OPS}", contexts, kind="consumer", began_ns=began_ns, facts=facts)
    alone = span.traceparent if len(contexts) == 1 else ""
    writes: list[DocumentWrite] = []
    for write, some in zip(batch.documents, traced, strict=True):
        if some:
            writes.append(_note(write.document_id, some, alone))
        writes.append(write)
    return TracedBatch(batch.shard, batch.old_cursor, batch.new_cursor, writes, batch.refused, span)


def _note(document_id: DocumentId, traced: Sequence[AnySubmission], instead: str) -> DocumentWrite:
    """Return what tells gateways which edits are traced, and behind what; ``instead`` of their own contexts."""
    edits = tuple((one.client_id, one.client_sequence, instead or one.traceparent) for one in traced)
    return DocumentWrite(document_id, NOWHERE, NOWHERE, encode_events([Traced(edits)]), is_note=True)
