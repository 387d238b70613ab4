"""``python -m tests.chaos``: a run of faults under load, judged from outside; exit code 1 if it failed."""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos import namespace
from tests.chaos.checker import judge
from tests.chaos.history import read_history
from tests.chaos.report import is_passed, render
from tests.chaos.run import Options, Outcome, run


def main() -> int:
    """Run it as the arguments say."""
    arguments = _parser().parse_args()
    if arguments.judge is not None:
        return _judge_again(arguments.judge)
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    no_packet_filter = "" if arguments.in_namespace else namespace.missing()
    if arguments.in_namespace:
        namespace.set_up()
    elif not no_packet_filter:
        namespace.enter([*sys.argv[1:], "--seed", str(seed)])
    print(f"SEED={seed}", flush=True)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix=f"coedit-chaos-{seed}-"))
    options = Options(
        seed=seed,
        seconds=arguments.duration,
        folder=folder,
        level=arguments.level,
        server=arguments.server,
        kinds=tuple(filter(None, arguments.faults.split(","))),
        no_packet_filter=no_packet_filter,
        bug=arguments.bug,
        is_timed=not arguments.safety_only,
    )
    outcome = asyncio.run(run(options))
    print(outcome.report)
    _keep(outcome, folder, arguments)
    return 0 if outcome.is_passed else 1


def _judge_again(path: Path) -> int:
    records = list(read_history(path))
    verdict = judge(records)
    print(render(records, verdict, ()))
    return 0 if is_passed(verdict, ()) else 1


def _keep(outcome: Outcome, folder: Path, arguments: argparse.Namespace) -> None:
    if arguments.report is not None:
        with arguments.report.open("a") as file:
            file.write(f"\n{outcome.report}")
    if outcome.is_passed and not arguments.keep:
        shutil.rmtree(folder)
    else:
        print(f"history and logs are in {folder}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--duration", type=float, default=240, help="seconds of faults")
    parser.add_argument("--level", choices=["memory", "fsync", "replicated"], default="fsync")
    parser.add_argument("--server", choices=["valkey", "redis7"], default="valkey")
    parser.add_argument(
        "--faults", default="", help="kinds, separated by commas, or people, or machines; all if empty"
    )
    parser.add_argument("--safety-only", action="store_true", help="judge no times, for a busy machine")
    parser.add_argument("--bug", default="", help="plant a bug, see tests/chaos/bugged.py")
    parser.add_argument("--folder", type=Path, help="where history and logs go")
    parser.add_argument(namespace.FLAG, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--judge", type=Path, help="judge a kept history.jsonl again, and run nothing")
    parser.add_argument("--keep", action="store_true", help="keep history and logs even if it passes")
    parser.add_argument("--report", type=Path, help="append the report to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
