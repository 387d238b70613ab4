"""Which faults happen when: drawn from the seed alone, each wanted kind at least once.

A run with people has phases, so that how long edits take with them can be told from how long they take without.
"""

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, get_args

from tests.chaos.faults import Fault, Lane

PEOPLE: Lane = "people"
QUIET, PEOPLE_ALONE, MACHINES, BOTH = "quiet", "people", "machines", "both"
SETTLING = "settling"
"""What comes behind the last phase: nothing is injected any more, and everything is to be acknowledged."""
_SHARES = {QUIET: 0.1, PEOPLE_ALONE: 0.3, MACHINES: 0.2, BOTH: 0.4}
_SHARES_WITHOUT_MACHINES = {QUIET: 0.25, PEOPLE_ALONE: 0.75}
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


class Phase(NamedTuple):
    """A part of a run, and what happens in it; the next begins when everything is healed."""

    name: str
    seconds: float
    plan: Plan


def make_phases(kinds: Mapping[str, type[Fault]], seconds: float, seed: int) -> list[Phase]:
    """Return the phases of a run: quiet, people alone, machines alone, both; only machines, if no people are wanted."""
    people = {kind: fault for kind, fault in kinds.items() if fault.lane == PEOPLE}
    machines = {kind: fault for kind, fault in kinds.items() if fault.lane != PEOPLE}
    if not people:
        return [Phase(MACHINES, seconds, make_plan(machines, seconds, seed))]
    wanted = {QUIET: {}, PEOPLE_ALONE: people, MACHINES: machines, BOTH: dict(kinds)}
    phases: list[Phase] = []
    for name, share in (_SHARES if machines else _SHARES_WITHOUT_MACHINES).items():
        done = {kind for phase in phases for kind in _planned(phase.plan)}
        plan = make_plan(wanted[name], share * seconds, seed + len(phases), done)
        phases.append(Phase(name, share * seconds, plan))
    return phases


def left_out(kinds: Iterable[str], phases: Iterable[Phase]) -> list[str]:
    """Return the kinds that no phase has room for."""
    return sorted(set.intersection(set(kinds), *(set(kinds) - _planned(phase.plan) for phase in phases)))


def make_plan(
    kinds: Mapping[str, type[Fault]], seconds: float, seed: int, done: Collection[str] = ()
) -> Plan:
    """Return a plan: every kind once, in random order, then random ones for as long as there is time.

    Kinds that were ``done`` in another phase come behind those that were not.
    """
    lanes: dict[Lane, list[Planned]] = {}
    for lane in get_args(Lane):
        names = sorted(kind for kind, fault in kinds.items() if fault.lane == lane)
        if names:
            lanes[lane] = _fill(kinds, names, seconds, random.Random(f"plan {lane} {seed}"), done)
    plan = Plan(lanes, [])
    return plan._replace(left_out=sorted(kinds.keys() - _planned(plan)))


def _planned(plan: Plan) -> set[str]:
    return {each.kind for lane in plan.lanes.values() for each in lane}


def _fill(
    kinds: Mapping[str, type[Fault]],
    names: Sequence[str],
    seconds: float,
    rng: random.Random,
    done: Collection[str],
) -> list[Planned]:
    planned: list[Planned] = []
    at = 0.0
    waiting = sorted(rng.sample(names, len(names)), key=lambda kind: kind not in done)
    while True:
        kind = waiting.pop() if waiting else rng.choice(names)
        calm_seconds = round(rng.uniform(*_CALM_SECONDS), 2)
        fault_seconds = round(rng.uniform(*kinds[kind].seconds), 2)
        at += calm_seconds + fault_seconds + kinds[kind].takes_seconds
        if at > seconds:
            return planned
        planned.append(Planned(kind, calm_seconds, fault_seconds, rng.randrange(2**32)))
