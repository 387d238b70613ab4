"""What traces cost: ``python -m bench.traces``, the same loads with traces off, on and hardly sampled, and all sampled.

The variants take turns within each pass. The spans go to a collector in this process, whose work is nobody's in the
table, but takes its share of the machine.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cpu import machine
from bench.measure import FailedError, Measured, Times, measure_system
from bench.scenarios import LOADS, Load
from bench.table import markdown, ranged
from tests.otlp import Collector

_SHARE = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
_PARTS = ("gateway", "transformer", "redis")
Runs = Mapping[tuple[str, str], list[Measured]]


def main() -> int:
    """Measure as told by the arguments."""
    arguments = _arguments()
    loads = [load for load in LOADS if load.name in (arguments.only or ("closed", "light"))]
    print(", ".join(f"{name}: {fact}" for name, fact in machine().items()))
    runs = defaultdict[tuple[str, str], list[Measured]](list)
    told = defaultdict[str, int](int)
    try:
        for _ in range(arguments.runs):
            for load in loads:
                _pass(load, Times(min(1.0, arguments.seconds), arguments.seconds), runs, told, arguments)
    except FailedError as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    print("\n\n" + _table(loads, runs))
    print("\nspans told: " + ", ".join(f"{name} {count}" for name, count in told.items()))
    return 0


def _pass(
    load: Load,
    times: Times,
    runs: defaultdict[tuple[str, str], list[Measured]],
    told: defaultdict[str, int],
    arguments: argparse.Namespace,
) -> None:
    for name, more in _VARIANTS.items():
        print(f"{load.name}, {name}", end=" ... ", flush=True)
        with (
            Collector() as collector,
            TemporaryDirectory(prefix="coedit-bench-", ignore_cleanup_errors=True) as folder,
        ):
            settings = {"COEDIT_SHARD_COUNT": "64"}
            settings |= (
                {} if more is None else collector.environment | {"OTEL_BSP_SCHEDULE_DELAY": "5000"} | more
            )
            found = measure_system(load, times, Path(folder), settings, pin=arguments.pin)
            runs[load.name, name].append(found)
            told[name] += len(collector.spans)


_VARIANTS: Mapping[str, dict[str, str] | None] = {"off": None, "1 %": _SHARE, "all": {}}


def _table(loads: list[Load], runs: Runs) -> str:
    header = ["load", "traces", *(f"{part} us/edit" for part in _PARTS), "edits/s", "p50 ms", "p95 ms"]
    rows = [
        [
            load.name,
            name,
            *(ranged([run.cpu[part] for run in runs[load.name, name]], 0) for part in _PARTS),
            ranged([run.edits_per_second for run in runs[load.name, name]], 0),
            *(
                ranged([run.counts["delay_ms"][part] for run in runs[load.name, name]], 2)
                for part in ("p50", "p95")
            ),
        ]
        for load in loads
        for name in _VARIANTS
    ]
    return markdown(header, rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.traces", description=__doc__)
    parser.add_argument("--runs", type=int, default=int(os.environ.get("BENCH_RUNS", "3")))
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BENCH_SECONDS", "4")))
    parser.add_argument("--only", action="append", choices=[load.name for load in LOADS])
    parser.add_argument("--pin", action="store_true", help="services on core 0, Redis and the load on core 1")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
