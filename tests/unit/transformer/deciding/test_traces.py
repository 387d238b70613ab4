"""The trace of a batch, and who is told of it."""

from dataclasses import replace

from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Submission
from coedit.protocol.events import Traced, decode_events
from coedit.store.keys import Shard
from coedit.store.writes.commit import BatchWrite, DocumentWrite
from services.transformer.deciding.part import NOWHERE
from services.transformer.deciding.traces import TracedBatch, with_trace
from services.transformer.loop.traces import committing
from tests.unit.conftest import Begin

CONTEXTS = [f"00-{number:032x}-{number:016x}-01" for number in (1, 2, 3)]
HERE, THERE = DocumentId("here"), DocumentId("there")
PLAIN = Submission(ClientId("c"), ClientSequence(1), AuthorId("ada"), 1, Revision(0), Delta().insert("x"))
TRACED = [replace(PLAIN, client_id=ClientId(f"c{n}"), traceparent=CONTEXTS[n]) for n in range(3)]


def _batch() -> BatchWrite:
    writes = [DocumentWrite(name, NOWHERE, NOWHERE, b"message", (b"commit",)) for name in (HERE, THERE)]
    return BatchWrite(Shard(3), "0-0", "1-0", writes)


def _notes(batch: BatchWrite) -> list[tuple[DocumentId, list[tuple[str, str]]]]:
    found = []
    for write in batch.documents:
        if write.is_note:
            (event,) = decode_events(write.message)
            assert isinstance(event, Traced)
            found.append((write.document_id, [(str(client), context) for client, _, context in event.edits]))
    return found


def test_batch_of_which_nothing_is_traced_is_left_as_it_is(begin: Begin) -> None:
    begin()
    batch = _batch()
    assert with_trace(batch, [[PLAIN], [PLAIN, PLAIN]], 1) is batch


def test_transformer_that_does_not_trace_leaves_traced_edits_as_they_are() -> None:
    batch = _batch()
    assert with_trace(batch, [[TRACED[0]], []], 0) is batch


def test_one_traced_edit_goes_on_behind_the_batch(begin: Begin) -> None:
    spans = begin()
    batch = with_trace(_batch(), [[PLAIN, TRACED[0]], [PLAIN]], 1)
    with committing([batch]) as trace_id:
        pass
    script, span = spans.get_finished_spans()
    assert (span.name, script.name) == ("batch ops:{shard}", "commit script")
    assert span.parent is not None
    assert (span.parent.span_id, script.parent) == (1, span.context)
    assert [link.context.span_id for link in span.links] == [1]
    assert span.attributes is not None
    assert span.attributes["messaging.batch.message_count"] == 3
    assert span.context is not None
    assert trace_id == CONTEXTS[0][3:35]
    assert _notes(batch) == [(HERE, [("c0", f"00-{trace_id}-{span.context.span_id:016x}-01")])]


def test_several_go_on_with_their_own_contexts_and_the_batch_is_linked_to_each(begin: Begin) -> None:
    spans = begin()
    batch = with_trace(_batch(), [[TRACED[0], PLAIN], TRACED[1:]], 1)
    with committing([batch]):
        pass
    span = spans.get_finished_spans()[1]
    assert (span.parent, [link.context.span_id for link in span.links]) == (None, [1, 2, 3])
    assert _notes(batch) == [
        (HERE, [("c0", CONTEXTS[0])]),
        (THERE, [("c1", CONTEXTS[1]), ("c2", CONTEXTS[2])]),
    ]


def test_note_goes_out_before_what_it_is_of(begin: Begin) -> None:
    begin()
    batch = with_trace(_batch(), [[PLAIN], [TRACED[0]]], 1)
    assert [(write.document_id, write.is_note) for write in batch.documents] == [
        (HERE, False),
        (THERE, True),
        (THERE, False),
    ]
    assert isinstance(batch, TracedBatch)
    assert [write.commits for write in batch.documents if write.is_note] == [()]
