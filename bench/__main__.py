"""``python -m bench``: measure, print a table, and exit with 1 if anything that was sent did not arrive."""

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench.cpu import machine
from bench.measure import FailedError, Measured, Times, measure_forwarding, measure_redis, measure_system
from bench.scenarios import LOADS, Load
from bench.table import table

_SECONDS = 5.0
_LIGHT_RATE = 400.0


def main() -> int:
    """Measure as told by the arguments."""
    arguments = _arguments()
    loads = [load for load in LOADS if not arguments.only or load.name in arguments.only]
    facts = machine()
    print(", ".join(f"{name}: {fact}" for name, fact in facts.items()))
    print(*(f"{load.name}: {load.title}" for load in loads), sep="\n")
    systems: dict[str, list[Measured]] = defaultdict(list)
    floors: dict[str, list[Measured]] = defaultdict(list)
    try:
        for number in range(arguments.runs):
            print(f"\nrun {number + 1} of {arguments.runs}: ", end="", flush=True)
            _pass(loads, arguments, systems, floors)
    except FailedError as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    print("\n\n" + table(loads, dict(systems), dict(floors)))
    print("\nEverything sent arrived, once, in order, at every client.")
    if arguments.json:
        _write(arguments.json, facts, systems, floors)
    return 0


def _pass(
    loads: Sequence[Load],
    arguments: argparse.Namespace,
    systems: dict[str, list[Measured]],
    floors: dict[str, list[Measured]],
) -> None:
    times = Times(min(1.0, arguments.seconds), arguments.seconds)
    settings = {"COEDIT_SHARD_COUNT": str(arguments.shards)}
    pin = arguments.pin
    for load in loads:
        _say(load.name)
        with _folder() as folder:
            systems[load.name].append(measure_system(load, times, Path(folder), settings, pin=pin))
        _say("floor")
        floors[f"forward {load.name}"].append(measure_forwarding(load, times, pin=pin))
    for name, rate in (("redis round trip", 0.0), ("redis round trip, 400/s", _LIGHT_RATE)):
        _say(name)
        with _folder() as folder:
            floors[name].append(measure_redis(name, rate, times, Path(folder), pin=pin))


def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="coedit-bench-", ignore_cleanup_errors=True)


def _say(what: str) -> None:
    print(what, end=" ... ", flush=True)


def _write(
    path: Path,
    facts: dict[str, object],
    systems: dict[str, list[Measured]],
    floors: dict[str, list[Measured]],
) -> None:
    def fields(runs: dict[str, list[Measured]]) -> dict[str, object]:
        return {
            name: [{"cpu_us_per_edit": run.cpu, **run.counts} for run in repeated]
            for name, repeated in runs.items()
        }

    path.write_text(
        json.dumps({"machine": facts, "systems": fields(systems), "floors": fields(floors)}, indent=2)
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every run there")
    parser.add_argument("--runs", type=int, default=int(os.environ.get("BENCH_RUNS", "1")))
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BENCH_SECONDS", _SECONDS)))
    parser.add_argument(
        "--shards", type=int, default=64, help="COEDIT_SHARD_COUNT (64, the default of a deployment)"
    )
    parser.add_argument("--only", action="append", choices=[load.name for load in LOADS])
    parser.add_argument("--pin", action="store_true", help="services on core 0, Redis and the load on core 1")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
