"""One sampled edit is one trace, over all processes that it goes through; told to a collector by OTLP."""

import asyncio
import json
import re
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import format_trace_id, use_span

from coedit.client import connect, connection
from coedit.client.rest import fetch_text
from tests.conftest import MakeSystem
from tests.integration.raw_client import RawClient
from tests.integration.yjs_client import HocuspocusClient, YjsClient
from tests.otlp import Collector, Told, Tree, tree_of
from tests.system import System, eventually, until

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
GATEWAY, TRANSFORMER = "coedit-gateway", "coedit-transformer"
RECEIVE, ENQUEUE, BATCH = "receive submit", "enqueue ops:{shard}", "batch ops:{shard}"
SCRIPT, FAN_OUT, ACK = "commit script", "fan-out events:{shard}:{document}", "ack"
ON_TWO_GATEWAYS: Tree = (
    (ENQUEUE, GATEWAY, (
        (BATCH, TRANSFORMER, (
            (SCRIPT, TRANSFORMER, ()),
            (FAN_OUT, GATEWAY, ()),
            (FAN_OUT, GATEWAY, ((ACK, GATEWAY, ()),)),
        )),
    ))
)  # fmt: skip
"""Below the span of whoever began it."""
_HISTOGRAMS = [
    ("gateway-0", "coedit_gateway_enqueue_seconds"),
    ("gateway-0", "coedit_gateway_receipt_to_ack_seconds"),
    ("gateway-0", "coedit_gateway_receipt_to_broadcast_seconds"),
    ("transformer-0", "coedit_transformer_commit_seconds"),
    ("transformer-0", "coedit_transformer_batch_seconds"),
    ("transformer-0", "coedit_transformer_receipt_to_commit_seconds"),
]
RECEIVED: Tree = (RECEIVE, GATEWAY, (ON_TWO_GATEWAYS,))


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[System]:
    """A system with two gateways that traces everything, and may say of which document."""
    system = System(
        tmp_path_factory.mktemp("traced"),
        gateways=2,
        settings=collector.environment
        | {"COEDIT_TRACE_DOCUMENTS": "1", "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.1"},
    )
    system.start()
    yield system
    system.stop()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent again is another trace: no machine is so slow that an edit is."""
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 120.0)


async def _one_trace(collector: Collector, document: str, count: int) -> list[Told]:
    """Return the spans of the one trace of a document's edits, once there are so many."""

    def is_told() -> bool:
        return [len(spans) for spans in _edits(collector, document)] == [count]

    try:
        await eventually(is_told, f"a trace of {count} spans", 15)
    except AssertionError as error:
        told = [[(span.name, span.service) for span in spans] for spans in _edits(collector, document)]
        raise AssertionError(f"{error}; there are {told}") from None
    await asyncio.sleep(0)
    return _edits(collector, document)[0]


def _edits(collector: Collector, document: str) -> list[list[Told]]:
    traces = collector.traces_of(document).values()
    return [spans for spans in traces if any(span.name == ENQUEUE for span in spans)]


def _of(spans: list[Told], name: str) -> list[Told]:
    return [span for span in spans if span.name == name]


async def test_edit_between_two_gateways_is_one_trace(traced: System, collector: Collector) -> None:
    async with connect(traced.gateways[0]) as ada, connect(traced.gateways[1]) as bob:
        mine, theirs = await ada.open("one"), await bob.open("one")
        await mine.insert(0, "x")
        await mine.settle()
        await theirs.until(lambda: theirs.text == "x")
    spans = await _one_trace(collector, "one", 7)
    assert tree_of(spans) == RECEIVED
    receive, enqueue, batch = (_of(spans, name)[0] for name in (RECEIVE, ENQUEUE, BATCH))
    fan_outs, ack = _of(spans, FAN_OUT), _of(spans, ACK)[0]
    assert receive.parent_id == ""
    assert [span.kind for span in (receive, enqueue, batch, _of(spans, SCRIPT)[0])] == [
        "server", "producer", "consumer", "client",
    ]  # fmt: skip
    assert batch.links == (enqueue.span_id,)
    assert len({span.instance for span in fan_outs}) == 2
    assert ack.instance == receive.instance == enqueue.instance
    assert not any(span.is_failed for span in spans)
    assert all(span.nanoseconds >= 0 for span in spans)


async def test_spans_say_what_the_conventions_want(traced: System, collector: Collector) -> None:
    async with connect(traced.gateways[0]) as ada:
        mine = await ada.open("said")
        await mine.insert(0, "x")
        await mine.settle()
    spans = await _one_trace(collector, "said", 6)
    enqueue, batch, fan_out = (_of(spans, name)[0].facts for name in (ENQUEUE, BATCH, FAN_OUT))
    for facts, operation, kind in ((enqueue, "enqueue", "send"), (batch, "batch", "process")):
        assert facts["messaging.system"] == "redis"
        assert (facts["messaging.operation.name"], facts["messaging.operation.type"]) == (operation, kind)
        assert facts["messaging.destination.template"] == "ops:{shard}"
        assert re.fullmatch(r"ops:\{\d+\}", facts["messaging.destination.name"])
        assert facts["messaging.batch.message_count"] == 1
    assert fan_out["messaging.destination.template"] == "events:{shard}:{document}"
    assert fan_out["coedit.receivers"] == 1


@pytest.mark.parametrize("kind", [YjsClient, HocuspocusClient])
async def test_update_of_a_yjs_client_is_one_trace(
    traced: System, collector: Collector, kind: type[YjsClient]
) -> None:
    name = f"yjs {kind.__name__}"
    async with kind(traced.gateways[0], name) as ada, YjsClient(traced.gateways[1], name) as bob:
        await ada.until_synced()
        await bob.until_synced()
        await ada.edit(lambda text: text.insert(0, "x"))
        await bob.until_text("x")
    spans = await _one_trace(collector, name, 7)
    assert tree_of(spans) == RECEIVED
    assert _of(spans, RECEIVE)[0].facts["coedit.door"] == "yjs"


async def test_client_goes_on_with_its_own_trace(traced: System, collector: Collector) -> None:
    """Every edit that it makes within its span is a part of that; what is made elsewhere is not."""
    span = TracerProvider().get_tracer("a program").start_span("its work")
    async with connect(traced.gateways[0], traces=True) as ada, connect(traced.gateways[1]) as bob:
        mine, theirs = await ada.open("client"), await bob.open("client")
        with use_span(span):
            await mine.insert(0, "x")
        await mine.settle()
        await theirs.until(lambda: theirs.text == "x")
    spans = await _one_trace(collector, "client", 7)
    context = span.get_span_context()
    assert tree_of(spans) == RECEIVED
    receive = _of(spans, RECEIVE)[0]
    assert receive.trace_id == format_trace_id(context.trace_id)
    assert receive.parent_id == f"{context.span_id:016x}"


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_what_a_client_has_not_sampled_is_not_traced(
    traced: System, collector: Collector, flags: str
) -> None:
    name, trace_id = f"flags {flags}", "ab" * 15 + flags
    async with RawClient(traced.url) as client:
        assert (await client.hello())["traces"] is True
        opened = await client.open(name)
        submit = {"type": "submit", "document": name, "client_sequence": 1, "epoch": opened["epoch"]}
        submit |= {"base_revision": 0, "delta": [{"insert": "x"}]}
        await client.send(submit | {"traceparent": f"00-{trace_id}-00000000000000ff-{flags}"})
        await client.expect("ack")
        await client.send(
            submit | {"client_sequence": 2, "base_revision": 1, "delta": [{"retain": 1}, {"insert": "y"}]}
        )
        await client.expect("ack")
    count = 2 if flags == "01" else 1
    await eventually(lambda: len(_whole(collector, name)) == count, "its traces are told")
    assert any(spans[0].trace_id == trace_id for spans in _whole(collector, name)) is (flags == "01")


def _whole(collector: Collector, document: str) -> list[list[Told]]:
    return [spans for spans in _edits(collector, document) if _of(spans, ACK)]


async def test_edits_of_one_batch_are_traces_of_their_own_that_it_is_linked_to(
    traced: System, collector: Collector
) -> None:
    """While the transformer stands still, what comes behind the first entry, which it waits for, is one batch."""
    transformer = traced.processes["transformer-0"]
    async with AsyncExitStack() as sessions:
        documents = [
            await (await sessions.enter_async_context(connect(traced.url))).open("batch") for _ in range(3)
        ]
        transformer.signal(signal.SIGSTOP)
        try:
            await documents[0].insert(0, "x")
            await eventually(lambda: len(_enqueued(collector)) == 1, "the first is enqueued")
            alone = _enqueued(collector)
            for document in documents[1:]:
                await document.insert(0, "y")
            await eventually(lambda: len(_enqueued(collector)) == 3, "all are enqueued")
        finally:
            transformer.signal(signal.SIGCONT)
        for document in documents:
            await document.settle()
    await eventually(lambda: len(_whole(collector, "batch")) == 3, "their traces are told")
    together = _enqueued(collector) - alone
    for spans in _whole(collector, "batch"):
        if _of(spans, ENQUEUE)[0].span_id in together:
            # Of two in one message the answer to one is told within the fan-out of the other.
            assert _names(tree_of(spans)) == sorted([RECEIVE, ENQUEUE, FAN_OUT, ACK])
    await eventually(lambda: bool(_linked(collector, together)), "the batch is told")
    assert [(set(span.links), span.parent_id) for span in _linked(collector, together)] == [(together, "")]


def _linked(collector: Collector, to: set[str]) -> list[Told]:
    return [span for span in collector.named(BATCH) if to & set(span.links)]


def _enqueued(collector: Collector) -> set[str]:
    spans = collector.named(ENQUEUE)
    return {span.span_id for span in spans if span.facts.get("coedit.document.id") == "batch"}


def _names(tree: Tree) -> list[str]:
    return sorted([tree[0], *(name for child in tree[2] for name in _names(child))])


async def test_refused_edit_is_a_trace_and_its_log_lines_name_it(
    traced: System, collector: Collector
) -> None:
    async with RawClient(traced.url) as client:
        await client.hello()
        opened = await client.open("refused")
        submit = {"type": "submit", "document": "refused", "client_sequence": 1, "epoch": opened["epoch"]}
        await client.send(submit | {"base_revision": 0, "delta": [{"delete": 5}]})
        assert (await client.expect("error"))["code"] == "length-mismatch"
    spans = await _one_trace(collector, "refused", 5)
    ack = _of(spans, ACK)[0]
    assert (ack.is_failed, ack.facts["error.type"]) == (True, "length-mismatch")
    lines = [json.loads(line) for line in traced.processes["transformer-0"].log.read_text().splitlines()]
    rejected = [line for line in lines if line.get("event") == "reject" and line["document_id"] == "refused"]
    assert [line["trace_id"] for line in rejected] == [ack.trace_id]


async def test_import_is_one_trace_from_the_call_to_the_other_gateway(
    traced: System, collector: Collector
) -> None:
    """The edit that a request makes is a part of the request's trace, and that of its caller's."""
    span = TracerProvider().get_tracer("a program").start_span("its work")
    async with connect(traced.gateways[0], traces=True) as ada, connect(traced.gateways[1]) as bob:
        theirs = await bob.open("imported")
        with use_span(span):
            await ada.formats("imported").import_from("markdown", b"# x")
        await theirs.until(lambda: theirs.text == "x\n")
    spans = await _one_trace(collector, "imported", 9)  # with the call that asks for the head
    root, _, children = tree_of([span for span in spans if not span.name.startswith("GET /v1/history/")])
    assert root.startswith("POST /v1/import/")
    assert {child[0] for child in children} == {"convert", ENQUEUE}
    assert next(child for child in children if child[0] == ENQUEUE) == ON_TWO_GATEWAYS
    assert spans[0].trace_id == format_trace_id(span.get_span_context().trace_id)


async def test_request_is_a_trace_without_what_its_address_says(traced: System, collector: Collector) -> None:
    await fetch_text(traced.url, "asked for")
    url = f"{traced.url}/v1/documents/asked%20for?author=somebody"
    await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read())
    await eventually(lambda: len(_requests(collector, "/v1/documents/asked%20for")) == 2, "both are told")
    for span in _requests(collector, "/v1/documents/asked%20for"):
        assert "somebody" not in json.dumps(span.facts)


def _requests(collector: Collector, target: str) -> list[Told]:
    return [
        span for span in collector.spans if span.kind == "server" and span.facts.get("http.target") == target
    ]


async def test_socket_is_no_span(traced: System, collector: Collector) -> None:
    """It would be one of hours."""
    async with connect(traced.url) as ada:
        await ada.open("socket")
    async with YjsClient(traced.url, "socket") as client:
        await client.until_synced()
    await fetch_text(traced.url, "after the socket")
    await eventually(lambda: bool(_requests(collector, "/v1/documents/after%20the%20socket")), "it is told")
    servers = {span.name for span in collector.spans if span.kind == "server"}
    assert {name for name in servers if "ws" in name or "yjs" in name or "hocuspocus" in name} == set()


async def test_snapshot_is_a_trace(traced: System, collector: Collector) -> None:
    async with connect(traced.url) as ada:
        mine = await ada.open("folded")
        await mine.insert(0, "x")
        await mine.settle()

    def snapshots() -> list[Tree]:
        traces = collector.traces_of("folded").values()
        return [tree_of(spans) for spans in traces if _of(spans, "snapshot") and _of(spans, "fold")]

    service = "coedit-snapshotter"
    steps = tuple((name, service, ()) for name in ("fold", "note", "trim"))
    await eventually(lambda: ("snapshot", service, steps) in snapshots(), "the snapshot is told")


async def test_histogram_names_a_trace_where_openmetrics_is_asked_for(
    traced: System, collector: Collector
) -> None:
    async with connect(traced.url) as ada:
        mine = await ada.open("counted")
        await mine.insert(0, "x")
        await mine.settle()
    spans = await _one_trace(collector, "counted", 6)
    for service, name in _HISTOGRAMS:
        told = traced.metrics(service, OPENMETRICS)
        found = re.findall(rf'{name}_bucket.*# \{{trace_id="(\w+)"\}}', told)
        assert spans[0].trace_id in found, name
        assert "# {" not in traced.metrics(service)
        assert told.endswith("# EOF\n")


async def test_what_is_not_sampled_leaves_no_trace(make_system: MakeSystem, collector: Collector) -> None:
    system = make_system(
        settings=collector.environment
        | {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
        | {"OTEL_SERVICE_NAME": "unsampled"}
    )
    async with connect(system.url, author="ada") as ada:
        mine = await ada.open("unsampled")
        await mine.insert(0, "x")
        await mine.settle()
        await ada.formats("unsampled").export_as("text")
    for name in ("gateway-0", "transformer-0"):
        assert 'coedit_spans_total{outcome="ended"} 0.0' in system.metrics(name)
    await asyncio.to_thread(system.stop)
    assert [span for span in collector.spans if span.service == "unsampled"] == []


async def test_document_is_not_named_unless_that_is_allowed(
    make_system: MakeSystem, collector: Collector
) -> None:
    system = make_system(settings=collector.environment | {"OTEL_SERVICE_NAME": "discreet"})
    async with connect(system.url, author="ada") as ada:
        mine = await ada.open("of-nobodys-business")
        await mine.insert(0, "x")
        await mine.settle()
        await ada.formats("of-nobodys-business").export_as("text")
    await asyncio.to_thread(system.stop)
    told = [span for span in collector.spans if span.service == "discreet"]
    assert {RECEIVE, BATCH, ACK} <= {span.name for span in told}
    assert "of-nobodys-business" not in json.dumps([span.facts | {"name": span.name} for span in told])


async def test_recovery_is_a_trace(make_system: MakeSystem, collector: Collector) -> None:
    grace = {
        "COEDIT_TRANSFORMER_GRACE_SECONDS": "1",
        "COEDIT_TRANSFORMER_RESTART_GRACE_SECONDS": "1",
    }
    system = make_system(settings=collector.environment | grace | {"OTEL_SERVICE_NAME": "recovering"})
    async with connect(system.url) as ada:
        mine = await ada.open("lost")
        await mine.insert(0, "x")
        await mine.settle()
        await asyncio.to_thread(system.wipe_redis)
        await mine.insert(1, "y")
        async with asyncio.timeout(60):
            await mine.settle()
    await eventually(
        lambda: {"recover shard", "heal"} <= {s.name for s in collector.spans if s.service == "recovering"},
        "the recovery is told",
    )


def test_process_starts_without_the_collector(make_system: MakeSystem) -> None:
    """And ends in time, whatever waits to be told."""
    nobody = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    system = make_system(settings=nobody)
    with urllib.request.urlopen(f"{system.url}/v1/documents/nothing", timeout=5) as answer:
        assert answer.status == 200
    until(
        lambda: 'coedit_spans_total{outcome="failed"} 1.0' in system.metrics("gateway-0"),
        "it is counted",
        system.logs,
    )
    assert system.processes["gateway-0"].stop() == 0
