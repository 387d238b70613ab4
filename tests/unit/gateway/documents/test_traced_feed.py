"""Commits whose edits are traced, on a gateway: a span of the fan-out where there is anybody to tell."""

import msgpack
import pytest

from coedit.identifiers import ClientId, ClientSequence
from coedit.protocol import events
from coedit.protocol.events import Traced, encode_events
from tests.unit.conftest import Begin
from tests.unit.gateway.documents.scenes import joined_at_5, opened_at_5, settled
from tests.unit.gateway.fakes import revisions

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FAN_OUT = "fan-out events:{shard}:{document}"


def _note(*sequences: int, context: str = CONTEXT) -> bytes:
    edits = tuple((ClientId("ada"), ClientSequence(sequence), context) for sequence in sequences)
    return encode_events([Traced(edits)])


async def test_commit_of_a_traced_edit_is_fanned_out_in_its_trace(begin: Begin) -> None:
    spans = begin()
    store, _, outlet = await joined_at_5()
    store.on_message(_note(6))
    store.commit()
    store.commit()
    (told,) = spans.get_finished_spans()
    assert told.name == FAN_OUT
    assert told.parent is not None
    assert told.parent.span_id == 0x00F067AA0BA902B7
    assert told.attributes is not None
    assert told.attributes["coedit.receivers"] == 1
    assert revisions(outlet.sent) == [6, 7]


async def test_each_traced_edit_of_a_message_has_a_span_and_the_others_none(begin: Begin) -> None:
    spans = begin()
    store, _, _ = await joined_at_5()
    store.on_message(_note(6, 8))
    store.commit(3)
    assert [span.name for span in spans.get_finished_spans()] == [FAN_OUT, FAN_OUT]


async def test_gateway_without_receivers_makes_no_span(begin: Begin) -> None:
    spans = begin()
    store, document = await opened_at_5()
    store.on_message(_note(6))
    store.commit()
    assert document.feed.head == 6
    assert spans.get_finished_spans() == ()


@pytest.mark.parametrize("context", ["", "nothing of the kind"])
async def test_context_that_is_none_hurts_nobody(begin: Begin, context: str) -> None:
    spans = begin()
    store, _, outlet = await joined_at_5()
    store.on_message(_note(6, context=context))
    store.commit()
    assert revisions(outlet.sent) == [6]
    assert spans.get_finished_spans() == ()


async def test_gateway_that_does_not_trace_passes_over_what_is(begin: Begin) -> None:
    store, document, outlet = await joined_at_5()
    store.on_message(_note(6))
    store.commit()
    assert (revisions(outlet.sent), document.mending.task) == ([6], None)
    spans = begin()
    store.commit()
    assert spans.get_finished_spans() == ()


async def test_gateway_that_does_not_know_of_traces_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of an older version, beside a transformer of this one."""
    store, document, outlet = await joined_at_5()
    note = _note(6)
    assert msgpack.unpackb(note)[0][0] == "traced"
    monkeypatch.delitem(events._TYPES, "traced")
    store.on_message(note)
    store.commit()
    assert revisions(outlet.sent) == [6]
    await settled(document)
    assert document.mending.task is None
