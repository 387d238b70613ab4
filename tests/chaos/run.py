"""A whole run: world, crowd and nemesis together, then the end, the verdict and the report."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.catalogue import FAULTS
from tests.chaos.checker import Verdict, judge
from tests.chaos.collect import Collector
from tests.chaos.crowd import BRIDGED, NAMES, Crowd
from tests.chaos.faults import Fault
from tests.chaos.history import History
from tests.chaos.nemesis import Nemesis
from tests.chaos.plan import Plan, make_plan
from tests.chaos.report import is_passed, render
from tests.chaos.timing import injected
from tests.chaos.world import Level, World
from tests.system import ServerKind


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
    plan = make_plan(kinds, options.seconds, options.seed)
    facts: dict[str, Any] = {"seed": options.seed, "level": options.level, "server": options.server}
    may_lose = sorted(kind for kind, fault in kinds.items() if options.level in fault.may_lose)
    facts |= {"kinds": sorted(kinds), "may_lose": may_lose, "bug": options.bug}
    history.add("run", seconds=options.seconds, **facts)
    if plan.left_out:
        print(f"{options.seconds:.0f} s are too short for: {', '.join(plan.left_out)}")
    await _perform(world, history, plan, options)
    history.close()
    verdict = judge(history.records)
    uncovered = sorted(set(kinds) - {fault.kind for fault in injected(history.records)})
    report = render(history.records, verdict, uncovered)
    return Outcome(verdict, report, is_passed(verdict, uncovered), history.path)


async def _perform(world: World, history: History, plan: Plan, options: Options) -> None:
    async with world:
        async with Crowd(world.door_urls, history, options.seed) as crowd:
            await Nemesis(world, plan).run()
            await world.heal()
            # What somebody sent before leaving may still be on its way, and the end is read only once.
            await world.connected(await crowd.end_visits(), options.settle_seconds)
            await crowd.finish(options.settle_seconds)
        await Collector(world, history, options.settle_seconds).collect((*NAMES, BRIDGED))


def _wanted(options: Options, world: World) -> dict[str, type[Fault]]:
    unknown = set(options.kinds) - FAULTS.keys()
    if unknown:
        raise ValueError(f"no such faults: {sorted(unknown)}; there are {sorted(FAULTS)}")
    wanted: dict[str, type[Fault]] = {}
    for kind in options.kinds or sorted(FAULTS):
        reason = FAULTS[kind].missing(world)
        if not reason:
            wanted[kind] = FAULTS[kind]
        elif options.kinds:
            raise ValueError(f"{kind} cannot be injected here: {reason}")
        else:
            print(f"skipped {kind}: {reason}")
    return wanted
