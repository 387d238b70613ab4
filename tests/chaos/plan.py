"""Which faults happen when: drawn from the seed alone, each wanted kind at least once."""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

from tests.chaos.faults import Fault, Lane

_CALM_SECONDS = (0.3, 1.5)
"""Between two faults of a lane, so that edits flow again and the next fault meets load."""
_FIRST_SECONDS = 2.0


class Planned(NamedTuple):
    """A fault to come; ``seed`` is what it draws its own choices from."""

    kind: str
    at_seconds: float
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
    at = _FIRST_SECONDS
    waiting = rng.sample(names, len(names))
    while True:
        kind = waiting.pop() if waiting else rng.choice(names)
        lasts = round(rng.uniform(*kinds[kind].seconds), 2)
        if at + lasts > seconds:
            return planned
        planned.append(Planned(kind, round(at, 2), lasts, rng.randrange(2**32)))
        at += lasts + rng.uniform(*_CALM_SECONDS)
