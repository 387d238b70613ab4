"""A whole run: world, crowd and nemesis together, then the end, the verdict and the report."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.catalogue import FAULTS
from tests.chaos.checker import Verdict, judge
from tests.chaos.collect import Collector
from tests.chaos.crowd import Crowd
from tests.chaos.faults import Fault
from tests.chaos.history import History
from tests.chaos.nemesis import Nemesis
from tests.chaos.plan import MACHINES, PEOPLE, Phase, left_out, make_phases
from tests.chaos.report import is_passed, render
from tests.chaos.timing import injected
from tests.chaos.watch import Watch
from tests.chaos.world import Level, World
from tests.system import ServerKind, eventually

_PROBES = 2
"""Connections of those who ask for metrics, which may be there at the moment."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is to be."""

    seed: int
    seconds: float
    folder: Path
    level: Level = "fsync"
    server: ServerKind = "valkey"
    kinds: Sequence[str] = field(default_factory=tuple)
    """The wanted kinds of faults; all that can be had here, if none is named."""
    settle_seconds: float = 60.0
    """How long everything may take to be acknowledged, once the last fault is healed."""
    no_packet_filter: str = "not in a network namespace of its own"
    """Why packets cannot be lost here; empty if they can."""
    is_timed: bool = True
    """Whether times are judged; without it only what must not happen at any speed, for machines that are busy."""
    bug: str = ""
    """The bug that is planted in the services, see `tests.chaos.bugged`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    verdict: Verdict
    report: str
    is_passed: bool
    history: Path


async def run(options: Options) -> Outcome:
    """Make a run and judge it; the history stays in the folder.

    Raises:
        ValueError: a wanted kind of faults does not exist, or cannot be injected here.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    history = History(options.folder / "history.jsonl")
    world = World(
        options.folder / "system",
        history,
        options.seed,
        level=options.level,
        server=options.server,
        bug=options.bug,
        no_packet_filter=options.no_packet_filter,
    )
    kinds = _wanted(options, world)
    phases = make_phases(kinds, options.seconds, options.seed)
    facts: dict[str, Any] = {"seed": options.seed, "level": options.level, "server": options.server}
    may_lose = sorted(kind for kind, fault in kinds.items() if options.level in fault.may_lose)
    facts |= {"kinds": sorted(kinds), "may_lose": may_lose, "bug": options.bug, "is_timed": options.is_timed}
    history.add("run", seconds=options.seconds, **facts)
    missed = left_out(kinds, phases)
    if missed:
        print(f"{options.seconds:.0f} s are too short for: {', '.join(missed)}")
    await _perform(world, history, phases, options)
    history.close()
    verdict = judge(history.records)
    uncovered = sorted(kinds.keys() - set(missed) - {fault.kind for fault in injected(history.records)})
    report = render(history.records, verdict, uncovered)
    return Outcome(verdict, report, is_passed(verdict, uncovered), history.path)


async def _perform(world: World, history: History, phases: list[Phase], options: Options) -> None:
    with_people = any(phase.plan.lanes.get(PEOPLE) for phase in phases)
    async with world:
        async with (
            Crowd(world.door_urls, history, options.seed, with_people=with_people) as crowd,
            Watch(world),
        ):
            await Nemesis(world, phases).run()
            # What somebody sent before leaving may still be on its way, and the end is read only once.
            clients = await crowd.end_visits()
            await _gone(world, clients, options.settle_seconds)
            await crowd.finish(options.settle_seconds)
        await Collector(world, history, options.settle_seconds).collect(
            (*crowd.documents, *world.left_documents)
        )


async def _gone(world: World, clients: int, seconds: float) -> None:
    """Wait until only ``clients`` are connected, and what others sent is dealt with; record what stays beyond that."""
    try:
        await world.connected(clients, seconds)
        await eventually(
            lambda: sum(world.sockets().values()) <= clients + _PROBES, "others have gone", seconds
        )
    except AssertionError as error:
        facts = {"connections": world.sockets(), "counted": world.connections(), "clients": clients}
        world.history.add("leaked", **facts, error=str(error))
    try:
        await world.consumed(seconds)
    except AssertionError as error:
        world.history.add("stuck", client="the streams of submissions", error=str(error))


def _wanted(options: Options, world: World) -> dict[str, type[Fault]]:
    kinds = [kind for named in options.kinds for kind in _expanded(named)]
    unknown = set(kinds) - FAULTS.keys()
    if unknown:
        raise ValueError(f"no such faults: {sorted(unknown)}; there are {sorted(FAULTS)}")
    wanted: dict[str, type[Fault]] = {}
    for kind in kinds or sorted(FAULTS):
        reason = FAULTS[kind].missing(world)
        if not reason:
            wanted[kind] = FAULTS[kind]
        elif kind in options.kinds:
            raise ValueError(f"{kind} cannot be injected here: {reason}")
        else:
            print(f"skipped {kind}: {reason}")
    return wanted


def _expanded(named: str) -> list[str]:
    """Return the kinds that a name stands for: ``people`` for all attackers, ``machines`` for all else."""
    if named not in (PEOPLE, MACHINES):
        return [named]
    return sorted(kind for kind, fault in FAULTS.items() if (fault.lane == PEOPLE) == (named == PEOPLE))
