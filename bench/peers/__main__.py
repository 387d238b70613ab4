"""``python -m bench.peers``: every workload on every system, in interleaved passes; prints tables, writes a report."""

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from bench.cpu import machine
from bench.peers.report import Figures, report
from bench.peers.systems import node, python
from bench.peers.systems.catalogue import FLOOR, SYSTEMS, Entry
from bench.peers.watch import FailedError, measure
from bench.peers.workload import Size, Workload
from bench.peers.workloads.catalogue import WORKLOADS

_QUICK = 0.2, 1.0
_Named = TypeVar("_Named", Workload, Entry)


def main() -> int:
    """Measure as told by the arguments; exit with 1 if a load failed on coedit."""
    arguments = _arguments()
    workloads = _chosen(arguments.only, WORKLOADS)
    systems = _chosen(arguments.systems, SYSTEMS)
    node.install()
    python.install()
    facts, started = machine(), time.monotonic()
    runs: defaultdict[tuple[str, str], list[Figures | None]] = defaultdict(list)
    failures = list[str]()
    for number in range(arguments.runs):
        for workload in workloads:
            for entry in _interested(workload, systems, is_first=not number):
                _say(f"pass {number + 1} of {arguments.runs}, {workload.name} on {entry.name}")
                runs[workload.name, entry.name].append(_run(entry, workload, arguments, failures))
    text = _text(arguments, facts, time.monotonic() - started, report(workloads, systems, runs), failures)
    print("\n" + text)
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(text + "\n")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"/".join(key): values for key, values in runs.items()}, indent=1)
        )
    return int(any(" on coedit" in failure for failure in failures))


def _run(
    entry: Entry, workload: Workload, arguments: argparse.Namespace, failures: list[str]
) -> Figures | None:
    times = _QUICK if arguments.quick else (min(1.0, arguments.seconds), arguments.seconds)
    size: Size = "quick" if arguments.quick else "full" if arguments.full else "usual"
    try:
        return workload.conclude(measure(entry, workload, times, size))
    except FailedError as error:
        failures.append(str(error))
        return None


def _interested(workload: Workload, systems: Sequence[Entry], *, is_first: bool) -> list[Entry]:
    return [
        entry
        for entry in systems
        if (is_first or (entry.is_judged and not workload.is_long))
        if not workload.systems or entry.name in workload.systems
        if workload.for_floors or entry.speaks != FLOOR
    ]


def _text(
    arguments: argparse.Namespace,
    facts: dict[str, object],
    seconds: float,
    tables: str,
    failures: Sequence[str],
) -> str:
    before, now = facts.pop("load_average"), os.getloadavg()[0]
    command = "python -m bench.peers " + " ".join(_without_files(sys.argv[1:]))
    lines = [
        "# Beside its peers",
        f"`{command.strip()}` took {seconds:.0f} s. "
        + ", ".join(f"{name}: {fact}" for name, fact in facts.items())
        + f"; load average {before:.1f} before, {now:.1f} after (the bench itself makes about 2).",
        f"{arguments.runs} interleaved passes: medians and ranges, ratios within a pass. A single value: one pass.",
        tables,
    ]
    if failures:
        lines.append("Failed:\n\n" + "\n".join(f"- {failure}" for failure in failures))
    return "\n\n".join(lines)


def _without_files(words: Sequence[str]) -> list[str]:
    """Return the command's words but where it was told to write."""
    files = ("--report", "--json")
    return [
        word for before, word in zip(["", *words], words, strict=False) if not {before, word} & set(files)
    ]


def _chosen(names: str, among: Sequence[_Named]) -> list[_Named]:
    """Return those with the names, which are separated by commas; all of them for none."""
    wanted = [name for name in names.split(",") if name]
    unknown = set(wanted) - {one.name for one in among}
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(one.name for one in among)}")
    return [one for one in among if not wanted or one.name in wanted]


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--only", default="", metavar="W1,W2", help="only these workloads")
    parser.add_argument("--systems", default="", metavar="NAME,NAME", help="only these systems")
    parser.add_argument("--runs", type=int, default=3, help="passes")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each load is measured")
    parser.add_argument("--quick", action="store_true", help="a second each, small: only to see that it runs")
    parser.add_argument("--full", action="store_true", help="also the sizes of W9 that take long")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the tables there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run's figures there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
