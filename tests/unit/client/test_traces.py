"""What a program's edits are a part of is told to a server that asked for it, once, and to no other."""

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import use_span

from coedit.client.connection import Session
from coedit.client.document import Document
from coedit.client.traces import current_traceparent, tracing_configs
from coedit.identifiers import document_id
from coedit.protocol.client_session import ClientDocument, Message
from coedit.protocol.codec import Codec

NAME = document_id("notes")
SUBMIT: Message = {"type": "submit", "document": NAME}


def test_only_a_sampled_span_is_gone_on_with() -> None:
    assert current_traceparent() == ""
    with use_span(TracerProvider(sampler=ALWAYS_OFF).get_tracer("x").start_span("x")):
        assert current_traceparent() == ""
    span = TracerProvider().get_tracer("x").start_span("x")
    context = span.get_span_context()
    with use_span(span):
        assert current_traceparent() == f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def test_calls_are_traced_where_that_is_asked_for() -> None:
    assert tracing_configs(traces=False) == []
    assert len(tracing_configs(traces=True)) == 1


@pytest.mark.parametrize(("traces", "takes"), [(True, True), (True, False), (False, True)])
async def test_server_that_does_not_know_of_traces_is_told_of_none(*, traces: bool, takes: bool) -> None:
    sent: list[Any] = []
    session = Session("http://x", token=None, author=None, codec=Codec.MSGPACK, traces=traces)
    session._takes_traces = takes
    session._welcomed.set()
    session._documents[NAME] = Document(ClientDocument(NAME), sent.extend, lambda: "the context")
    await session._documents[NAME]._submit(0, [])
    told = [session._with_trace(SUBMIT).get("traceparent") for _ in range(2)]
    assert told == ["the context" if traces and takes else None, None]
