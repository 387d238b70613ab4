"""What a keystroke's way is measured by, of a real system with two gateways: each step is, and by a clock that fits."""

import asyncio
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from coedit.client import connect
from coedit.runtime.process_metrics import VERSION
from tests.conftest import MakeSystem
from tests.integration.yjs_client import YjsClient
from tests.system import System, eventually

_EDITS = 20
_NO_CLOCK_SECONDS = 3600.0
"""What differs by more was measured by two clocks that have nothing to do with each other."""
_SHARDS = {str(number) for number in range(8)}


@pytest.fixture(scope="module")
def two_gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("system"), gateways=2, acl=True)
    system.start()
    yield system
    system.stop()


def value(system: System, process: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(system.metrics(process))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def labels_of(system: System, process: str, name: str, label: str) -> set[str]:
    families = text_string_to_metric_families(system.metrics(process))
    return {sample.labels[label] for family in families for sample in family.samples if sample.name == name}


async def test_each_step_of_an_edit_is_measured_where_it_happens(two_gateways: System) -> None:
    system = two_gateways
    await eventually(
        lambda: value(system, "gateway-1", "coedit_redis_round_trip_seconds_count") > 0,
        "the other gateway knows Redis's clock",
    )
    acks = "coedit_gateway_receipt_to_ack_seconds_count"
    acked_before = [value(system, gateway, acks) for gateway in ("gateway-0", "gateway-1")]
    async with (
        connect(system.gateways[0], author="ada") as ada,
        connect(system.gateways[1], author="bob") as bob,
    ):
        here, there = await ada.open("measured"), await bob.open("measured")
        for number in range(_EDITS):
            await here.insert(0, "x")
            await here.settle()
            await here.move_caret(number)
        await there.until(lambda: there.text == "x" * _EDITS)
        await eventually(
            lambda: value(system, "gateway-0", "coedit_gateway_presence_seconds_count") > 0,
            "a caret's way is measured",
        )
    steps = {
        ("gateway-0", "coedit_gateway_welcome_seconds"): 1,
        ("gateway-0", "coedit_gateway_open_seconds"): 1,
        ("gateway-0", "coedit_gateway_enqueue_seconds"): _EDITS,
        ("transformer-0", "coedit_transformer_receipt_to_commit_seconds"): _EDITS,
        ("gateway-0", "coedit_gateway_receipt_to_ack_seconds"): _EDITS,
        ("gateway-1", "coedit_gateway_receipt_to_broadcast_seconds"): 1,
        ("presence-0", "coedit_presence_delay_seconds"): 1,
    }
    for (process, metric), least in steps.items():
        count = value(system, process, f"{metric}_count")
        assert count >= least, (process, metric, count)
        assert 0 <= value(system, process, f"{metric}_sum") < count * _NO_CLOCK_SECONDS, (process, metric)
    acked = [value(system, gateway, acks) for gateway in ("gateway-0", "gateway-1")]
    assert [now - before for now, before in zip(acked, acked_before, strict=True)] == [_EDITS, 0]


async def test_edits_of_yjs_clients_are_measured_too(two_gateways: System) -> None:
    name = "coedit_gateway_yjs_receipt_to_ack_seconds_count"
    async with YjsClient(two_gateways.url, "measured-yjs") as client:
        await client.until_synced()
        before = value(two_gateways, "gateway-0", name)
        await client.edit(lambda text: text.insert(0, "x"))
        await eventually(
            lambda: value(two_gateways, "gateway-0", name) > before, "an update is measured to its end"
        )


async def test_bytes_are_counted_by_direction(two_gateways: System) -> None:
    text = "x" * 10_000

    def count(direction: str) -> float:
        return value(two_gateways, "gateway-0", "coedit_gateway_bytes_total", direction=direction)

    before_in, before_out = count("in"), count("out")
    async with connect(two_gateways.url, author="ada") as session:
        document = await session.open("bytes")
        await document.insert(0, text)
        await document.settle()
        assert count("in") - before_in > len(text)
        before_out = count("out")
        async with connect(two_gateways.url, author="bob") as other:
            assert (await other.open("bytes")).text == text
        assert count("out") > before_out


def test_every_process_says_which_build_it_is(two_gateways: System) -> None:
    for role in ("gateway", "transformer", "presence", "snapshotter"):
        labels = {"role": role, "version": VERSION}
        assert value(two_gateways, f"{role}-0", "coedit_build_info", **labels) == 1
        assert "coedit_gc_pause_seconds_count" in two_gateways.metrics(f"{role}-0")
        assert value(two_gateways, f"{role}-0", "coedit_redis_connects_total", outcome="made") > 0


async def test_queues_are_told_by_the_shards_that_are_owned(make_system: MakeSystem) -> None:
    system = make_system(transformers=2)

    def told(number: int) -> set[str]:
        return labels_of(system, f"transformer-{number}", "coedit_transformer_queue_entries", "shard")

    def is_shared_out() -> bool:
        first, second = told(0), told(1)
        return bool(first) and bool(second) and not first & second and first | second == _SHARDS

    await eventually(is_shared_out, "each shard is told of once")
    system.processes["transformer-1"].kill()
    await eventually(lambda: told(0) == _SHARDS, "the one that is left tells of all")
    system.restart("transformer-1")
    await asyncio.to_thread(system.wait_ready, "transformer-1")
    await eventually(is_shared_out, "what was given back is told of no more")


async def test_connections_that_are_lost_and_made_anew_are_counted(make_system: MakeSystem) -> None:
    system = make_system()

    def connects(outcome: str) -> float:
        return value(system, "gateway-0", "coedit_redis_connects_total", outcome=outcome)

    made = connects("made")
    system.processes["redis"].kill()
    await eventually(lambda: connects("failed") > 0, "it cannot be connected to")
    system.restart("redis")
    await eventually(lambda: connects("made") > made, "it is connected to again")
    async with asyncio.timeout(30), connect(system.url, author="ada") as session:
        document = await session.open("after")
        await document.insert(0, "x")
        await document.settle()
