"""``python -m tests.yjs``: many random sessions, several at a time; exit code 1 if documents differed."""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.system import System
from tests.yjs.node_clients import NodeClients, node_clients
from tests.yjs.session import KINDS, STEPS, Outcome, run_session

_SNAPSHOTS = {"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.5", "COEDIT_SNAPSHOTTER_COMMITS": "10"}
"""Often, so that what is killed comes back from them."""


def main() -> int:
    """Run them as the arguments say."""
    arguments = _parser().parse_args()
    first = random.SystemRandom().randrange(2**31) if arguments.seed is None else arguments.seed
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="coedit-yjs-") as folder:
        system = System(
            Path(folder), gateways=2, transformers=2, settings=_SNAPSHOTS if arguments.kill else {}
        )
        try:
            system.start()
            outcomes = asyncio.run(
                _run(
                    system,
                    first,
                    arguments.seeds,
                    arguments.at_a_time,
                    kills=arguments.kill,
                    cuts=arguments.cut,
                )
            )
            if arguments.logs is not None:
                arguments.logs.write_text(system.logs())
        finally:
            system.stop()
    report = render(first, outcomes, time.monotonic() - started, kills=arguments.kill, cuts=arguments.cut)
    print(report)
    if arguments.report is not None:
        with arguments.report.open("a") as file:
            file.write(f"\n{report}")
    return 1 if any(isinstance(outcome, Exception) for outcome in outcomes.values()) else 0


async def _run(
    system: System, first: int, count: int, at_a_time: int, *, kills: bool, cuts: bool
) -> dict[int, Outcome | Exception]:
    seeds = iter(range(first, first + count))
    outcomes: dict[int, Outcome | Exception] = {}
    async with node_clients() as yjs:
        killing = asyncio.create_task(_kill_now_and_then(system, random.Random(first))) if kills else None
        async with asyncio.TaskGroup() as group:
            for _ in range(at_a_time):
                group.create_task(_run_some(system, yjs, seeds, outcomes, cuts=cuts))
        if killing is not None:
            killing.cancel()
            with suppress(asyncio.CancelledError):
                await killing  # an error of its own fails the run
    return dict(sorted(outcomes.items()))


async def _kill_now_and_then(system: System, rng: random.Random) -> None:
    """Kill one service after the other, and start each again, until cancelled."""
    services = [name for name in system.processes if name != "redis"]
    while True:
        await asyncio.sleep(rng.uniform(0.5, 2))
        name = rng.choice(services)
        system.processes[name].kill()
        system.restart(name)
        await asyncio.to_thread(system.wait_ready, name)


async def _run_some(
    system: System,
    yjs: NodeClients,
    seeds: Iterator[int],
    outcomes: dict[int, Outcome | Exception],
    *,
    cuts: bool,
) -> None:
    for seed in seeds:
        try:
            outcomes[seed] = await run_session(system.gateways, f"session {seed}", yjs, seed, cuts=cuts)
        except Exception as error:  # noqa: BLE001 a session that failed is a result
            outcomes[seed] = error
        print(f"{seed}: {'differs' if isinstance(outcomes[seed], Exception) else 'equal'}", flush=True)


def render(
    first: int, outcomes: dict[int, Outcome | Exception], seconds: float, *, kills: bool, cuts: bool
) -> str:
    """Return the report, which is also Markdown."""
    good = [outcome for outcome in outcomes.values() if isinstance(outcome, Outcome)]
    revisions = sum(outcome.revisions for outcome in good)
    units = sum(outcome.content.document_length for outcome in good)
    how = f"{', characters cut' if cuts else ''}{', services killed meanwhile' if kills else ''}"
    lines = [
        f"## Seeds {first} to {first + len(outcomes) - 1}{how}",
        "",
        f"- **{len(good)} of {len(outcomes)} sessions ended with one document**, in {seconds:.0f} s",
        f"- each of three OT and three Yjs clients and {STEPS} steps; {revisions} revisions, {units} units at the end",
    ]
    for number, kind in enumerate(KINDS):
        seeds = [seed for seed in outcomes if seed % len(KINDS) == number]
        equal = sum(isinstance(outcomes[seed], Outcome) for seed in seeds)
        lines.append(f"- {kind}: {equal} of {len(seeds)}")
    failed = {seed: outcome for seed, outcome in outcomes.items() if isinstance(outcome, Exception)}
    lines += [f"- seed {seed}: {str(error) or repr(error)}"[:12000] for seed, error in failed.items()]
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.yjs", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many sessions")
    parser.add_argument(
        "--seed", type=int, help="the seed of the first; each further one has the next number"
    )
    parser.add_argument("--at-a-time", type=int, default=6, help="how many sessions run at a time")
    parser.add_argument("--kill", action="store_true", help="kill services meanwhile, and snapshot often")
    parser.add_argument("--cut", action="store_true", help="let Yjs clients edit inside characters")
    parser.add_argument("--report", type=Path, help="append the report to this file")
    parser.add_argument("--logs", type=Path, help="write the ends of the services' logs to this file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
