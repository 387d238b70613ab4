"""Histograms that count late say what those that count at once would."""

import random

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics import exposition

from coedit.runtime.tally import Tally

_BOUNDS = (0.001, 0.01, 0.1, 1, 5)


def test_it_says_what_a_histogram_of_the_library_says(seed: int) -> None:
    """More values than are kept uncounted, some on a bound, some above all, asked for in between."""
    chance, ours, theirs = random.Random(seed), CollectorRegistry(), CollectorRegistry()
    tally = Tally("x_seconds", "What.", _BOUNDS, ours)
    histogram = Histogram("x_seconds", "What.", buckets=_BOUNDS, registry=theirs)
    for number in range(10_000):
        value = chance.choice([*_BOUNDS, 0.0, 6.0, chance.random()])
        tally.observe(value)
        histogram.observe(value)
        if number == 5000:
            assert _said(ours) == _said(theirs)
    assert _said(ours) == _said(theirs)


def test_nothing_observed_is_a_histogram_of_zeros() -> None:
    registry = CollectorRegistry()
    Tally("x_seconds", "What.", _BOUNDS, registry)
    said = _said(registry)
    assert len(said) == len(_BOUNDS) + 3
    assert set(said.values()) == {0.0}


def test_newest_example_of_each_bucket_is_named_where_that_is_asked_for() -> None:
    registry = CollectorRegistry()
    tally = Tally("x_seconds", "What.", _BOUNDS, registry)
    tally.observe(0.05, {"trace_id": "a"})
    tally.observe(0.06, {"trace_id": "b"})
    tally.observe(7.0, {"trace_id": "c"})
    told: bytes = exposition.generate_latest(registry)  # type: ignore[no-untyped-call]
    named = [line.partition(" # ") for line in told.decode().splitlines() if "trace_id" in line]
    assert [(bucket.split()[0], example.split()[:2]) for bucket, _, example in named] == [
        ('x_seconds_bucket{le="0.1"}', ['{trace_id="b"}', "0.06"]),
        ('x_seconds_bucket{le="+Inf"}', ['{trace_id="c"}', "7.0"]),
    ]
    assert "trace_id" not in generate_latest(registry).decode()


def _said(registry: CollectorRegistry) -> dict[str, float]:
    lines = generate_latest(registry).decode().splitlines()
    said = [line.rsplit(" ", 1) for line in lines if not line.startswith("#") and "_created" not in line]
    return {name: round(float(value), 6) for name, value in said}
