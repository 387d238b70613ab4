"""``python -m tests.fuzz``: sends what nobody would send, for a time; exit code 1 if something was found."""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.fuzz.figures import findings, render
from tests.fuzz.run import Options, run


def main() -> int:
    """Run it as the arguments say."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--duration", type=float, default=60, help="seconds")
    parser.add_argument("--folder", type=Path, help="where journals and logs go")
    parser.add_argument("--keep", action="store_true", help="keep journals and logs even if nothing is found")
    parser.add_argument("--report", type=Path, help="append the report to this file")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    print(f"SEED={seed}", flush=True)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix=f"coedit-fuzz-{seed}-"))
    figures = asyncio.run(run(Options(seed, arguments.duration, folder)))
    report, is_passed = render(figures), not findings(figures)
    print(report)
    if arguments.report is not None:
        with arguments.report.open("a") as file:
            file.write(f"\n{report}")
    if is_passed and not arguments.keep:
        shutil.rmtree(folder)
    else:
        print(f"what was sent, and the logs, are in {folder}")
    return 0 if is_passed else 1


if __name__ == "__main__":
    sys.exit(main())
