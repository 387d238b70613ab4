"""Which faults happen when: drawn from the seed alone, each wanted kind at least once."""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

from tests.chaos.faults import Fault, Lane

_CALM_SECONDS = (0.3, 1.5)
"""Between two faults of a lane, so that edits flow again and the next fault meets load."""


class Planned(NamedTuple):
    """A fault to come; ``seed`` is what it draws its own choices from."""

    kind: str
    calm_seconds: float
    """From the end of the one before it in its lane."""
    seconds: float
    seed: int


class Plan(NamedTuple):
    """The faults of each lane in order, and the kinds that ``seconds`` have no room for."""

    lanes: dict[Lane, list[Planned]]
    left_out: list[str]


def make_plan(kinds: Mapping[str, type[Fault]], seconds: float, seed: int) -> Plan:
    """Return the plan of a run: every kind once, in random order, then random ones for as long as there is time."""
    lanes: dict[Lane, list[Planned]] = {}
    for lane in get_args(Lane):
        names = sorted(kind for kind, fault in kinds.items() if fault.lane == lane)
        if names:
            lanes[lane] = _fill(kinds, names, seconds, random.Random(f"plan {lane} {seed}"))
    planned = {each.kind for lane in lanes.values() for each in lane}
    return Plan(lanes, sorted(kinds.keys() - planned))


def _fill(
    kinds: Mapping[str, type[Fault]], names: Sequence[str], seconds: float, rng: random.Random
) -> list[Planned]:
    planned: list[Planned] = []
    at = 0.0
    waiting = rng.sample(names, len(names))
    while True:
        kind = waiting.pop() if waiting else rng.choice(names)
        calm_seconds = round(rng.uniform(*_CALM_SECONDS), 2)
        fault_seconds = round(rng.uniform(*kinds[kind].seconds), 2)
        at += calm_seconds + fault_seconds + kinds[kind].takes_seconds
        if at > seconds:
            return planned
        planned.append(Planned(kind, calm_seconds, fault_seconds, rng.randrange(2**32)))
