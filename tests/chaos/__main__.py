"""``python -m tests.chaos``: a run of faults under load, judged from outside; exit code 1 if it failed."""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Options, Outcome, run


def main() -> int:
    """Run it as the arguments say."""
    arguments = _parser().parse_args()
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    print(f"SEED={seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix=f"coedit-chaos-{seed}-"))
    options = Options(
        seed=seed,
        seconds=arguments.duration,
        folder=folder,
        level=arguments.level,
        server=arguments.server,
        kinds=tuple(filter(None, arguments.faults.split(","))),
        bug=arguments.bug,
    )
    outcome = asyncio.run(run(options))
    print(outcome.report)
    _keep(outcome, folder, arguments.report)
    return 0 if outcome.is_passed else 1


def _keep(outcome: Outcome, folder: Path, report: Path | None) -> None:
    if report is not None:
        with report.open("a") as file:
            file.write(f"\n{outcome.report}")
    if outcome.is_passed:
        shutil.rmtree(folder)
    else:
        print(f"history and logs are in {folder}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--duration", type=float, default=90, help="seconds of faults")
    parser.add_argument("--level", choices=["memory", "fsync", "replicated"], default="fsync")
    parser.add_argument("--server", choices=["valkey", "redis7"], default="valkey")
    parser.add_argument("--faults", default="", help="kinds, separated by commas; all if empty")
    parser.add_argument("--bug", default="", help="plant a bug, see tests/chaos/bugged.py")
    parser.add_argument("--report", type=Path, help="append the report to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
