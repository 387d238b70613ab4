"""What is sampled is decided once, before there is a span; and what is not traced costs a look."""

import json
import logging
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import Tracer as SdkTracer
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import choose_encoder

from coedit.runtime.logs import JsonFormatter
from coedit.runtime.tracing.active import TRACES, observe, step, timed, trace_id, traced
from coedit.runtime.tracing.metrics import LEFT_OUT
from coedit.runtime.tracing.spans import MOST_OF_CLIENTS, Tracer
from tests.unit.conftest import Begin

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = CONTEXT[:-2] + "00"


def _tracer() -> Tracer:
    assert TRACES.tracer is not None
    return TRACES.tracer


def test_without_a_tracer_nothing_is_traced() -> None:
    with traced("a") as outer, step("b") as inner:
        assert (outer, inner, trace_id()) == (None, None, "")


@pytest.mark.parametrize("service", ["gateway", "transformer", "snapshotter", "presence"])
def test_process_that_does_not_trace_loads_nothing_for_it(service: str) -> None:
    """redis-py loads OpenTelemetry's metrics by itself, where it is installed."""
    code = f"import services.{service}.app, sys; print('coedit.runtime.tracing.spans' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_steps_are_parts_of_what_is_traced(begin: Begin) -> None:
    spans = begin()
    with traced("a", "notes") as outer:
        assert outer is not None
        with step("b", {"fact": 1}), traced("c"):
            assert trace_id() == outer.trace_id
    c, b, a = spans.get_finished_spans()
    assert [span.name for span in (a, b, c)] == ["a", "b", "c"]
    assert a.context is not None
    assert b.context is not None
    assert (a.parent, b.parent, c.parent) == (None, a.context, b.context)
    assert dict(a.attributes or {}) == {}
    assert dict(b.attributes or {}) == {"fact": 1}


def test_step_begins_no_trace(begin: Begin) -> None:
    spans = begin()
    with step("b"):
        pass
    assert spans.get_finished_spans() == ()


def test_document_is_named_where_that_is_allowed(begin: Begin) -> None:
    spans = begin(names_documents=True)
    with traced("a", "notes"):
        pass
    assert dict(spans.get_finished_spans()[0].attributes or {}) == {"coedit.document.id": "notes"}


def test_what_fails_says_of_which_kind_and_quotes_nothing(begin: Begin) -> None:
    spans = begin()
    with pytest.raises(ValueError, match="secret"), traced("a"):
        raise ValueError("secret")
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert "secret" not in span.to_json()


@pytest.mark.parametrize(
    ("sampler", "argument", "share"),
    [
        ("always_on", "", 1.0),
        ("parentbased_always_off", "", 0.0),
        ("parentbased_traceidratio", "0", 0.0),
        ("parentbased_traceidratio", "1", 1.0),
        ("traceidratio", "0.5", 0.5),
        ("parentbased_traceidratio", "0.5", 0.5),
    ],
)
def test_sampler_of_the_environment_decides(begin: Begin, sampler: str, argument: str, share: float) -> None:
    spans = begin(sampler, argument)
    for _ in range(400):
        with traced("a"):
            pass
    assert abs(len(spans.get_finished_spans()) - 400 * share) <= 400 * 0.15 * (share % 1 > 0)


def test_id_of_a_sampled_trace_is_the_one_that_it_was_sampled_by(begin: Begin) -> None:
    """So whoever samples by the same share finds it sampled as well."""
    spans = begin("parentbased_traceidratio", "0.5")
    for _ in range(200):
        with traced("a"):
            pass
    ids = [span.context.trace_id for span in spans.get_finished_spans() if span.context is not None]
    assert ids
    assert all(number & ((1 << 64) - 1) < 1 << 63 for number in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("sampler", ["parentbased_traceidratio", "parentbased_always_off"])
def test_no_span_is_made_of_what_is_not_sampled(
    begin: Begin, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(sampler, "0")
    made: list[str] = []
    monkeypatch.setattr(SdkTracer, "start_span", lambda _, name, *__, **___: made.append(name))
    for traceparent in ("", UNSAMPLED):
        assert _tracer().begin("a", {}, "", traceparent=traceparent) is None
    assert made == []


def test_client_that_began_a_trace_decides_whether_it_is_sampled(begin: Begin) -> None:
    spans = begin("parentbased_always_off")
    span = _tracer().begin("a", {}, "", traceparent=CONTEXT)
    assert span is not None
    span.end()
    assert span.trace_id == CONTEXT[3:35]
    assert _tracer().begin("a", {}, "", traceparent=UNSAMPLED) is None
    (told,) = spans.get_finished_spans()
    assert told.parent is not None
    assert (told.parent.span_id, told.parent.is_remote) == (0x00F067AA0BA902B7, True)


def test_clients_cannot_have_as_many_traces_as_they_want(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    begin("parentbased_always_off")
    before = LEFT_OUT._value.get()
    spans = [_tracer().begin("a", {}, "", traceparent=CONTEXT) for _ in range(3 * MOST_OF_CLIENTS)]
    passed = sum(span is not None for span in spans)
    assert MOST_OF_CLIENTS <= passed <= 2 * MOST_OF_CLIENTS  # a new second may begin meanwhile
    assert LEFT_OUT._value.get() - before == len(spans) - passed
    assert 1 <= len(caplog.records) <= 2


def test_what_several_spans_led_to_is_linked_to_each_and_a_part_of_none(begin: Begin) -> None:
    begin("parentbased_always_off")
    contexts = [CONTEXT, CONTEXT.replace("4bf9", "5bf9")]
    alone = _tracer().gather("a", contexts[:1], kind="consumer", began_ns=1, facts={})
    both = _tracer().gather("a", contexts, kind="consumer", began_ns=1, facts={})
    assert alone.trace_id == CONTEXT[3:35]
    assert both.trace_id not in {context[3:35] for context in contexts}


def test_log_line_names_the_trace_that_it_is_written_in(begin: Begin) -> None:
    begin()
    formatter = JsonFormatter("test")
    record = logging.makeLogRecord({"name": "coedit.x", "msg": "something"})
    assert "trace_id" not in json.loads(formatter.format(record))
    with traced("a") as span:
        assert span is not None
        assert json.loads(formatter.format(record))["trace_id"] == span.trace_id
    with _tracer().on_behalf(CONTEXT):
        assert json.loads(formatter.format(record))["trace_id"] == CONTEXT[3:35]
    assert "trace_id" not in json.loads(formatter.format(record))


def test_observation_names_its_trace(begin: Begin) -> None:
    begin()
    registry = CollectorRegistry()
    histogram = Histogram("seconds", "x", registry=registry)
    encode, _ = choose_encoder("application/openmetrics-text")
    observe(histogram, 0.1)
    assert b"trace_id" not in encode(registry)
    with traced("a") as span, timed(histogram):
        assert span is not None
    observe(histogram, 7.0, "ab" * 16)
    told = encode(registry).decode()
    assert f'# {{trace_id="{span.trace_id}"}}' in told
    assert f'# {{trace_id="{"ab" * 16}"}} 7.0' in told
