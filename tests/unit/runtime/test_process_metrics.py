"""What a process tells of itself."""

import gc
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY, Gauge

from coedit.runtime.process_metrics import VERSION, describe_process, value_of


@pytest.fixture
def described() -> Iterator[None]:
    before = list(gc.callbacks)
    describe_process("tester")
    yield
    gc.callbacks[:] = before


@pytest.mark.usefixtures("described")
def test_pauses_of_the_older_generations_are_measured() -> None:
    before = REGISTRY.get_sample_value("coedit_gc_pause_seconds_count") or 0
    gc.disable()  # what begins by itself meanwhile would be counted as well
    try:
        gc.collect(0)
        assert REGISTRY.get_sample_value("coedit_gc_pause_seconds_count") == before
        gc.collect(1)
        gc.collect(2)
        assert REGISTRY.get_sample_value("coedit_gc_pause_seconds_count") == before + 2
    finally:
        gc.enable()


@pytest.mark.usefixtures("described")
def test_build_is_told_with_its_version() -> None:
    (family,) = [family for family in REGISTRY.collect() if family.name == "coedit_build_info"]
    told = [sample.labels for sample in family.samples if sample.labels["role"] == "tester"]
    assert [labels["version"] for labels in told] == [VERSION]


def test_value_of_a_gauge_is_what_it_stands_at() -> None:
    gauge = Gauge("x", "What.", registry=None)
    gauge.set(7)
    assert value_of(gauge) == 7.0
