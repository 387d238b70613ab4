"""Drills with the real system, as long as one wants: python -m tests.drills [backup clocks object-store slow-redis].

Each is in `make test` too, for some seconds; docs/operations.md has the figures.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tests.drills.backup import backup_and_restore
from tests.drills.clocks import clocks_off
from tests.drills.object_store import object_store_away
from tests.drills.slow_redis import slow_redis

Drill = Callable[[Path, argparse.Namespace], Awaitable[Mapping[str, object]]]


async def _backup(folder: Path, asked: argparse.Namespace) -> Mapping[str, object]:
    return {"backup": await backup_and_restore(folder, asked.documents)}


_DRILLS: dict[str, Drill] = {
    "backup": _backup,
    "clocks": lambda folder, asked: clocks_off(folder, asked.seconds),
    "object-store": lambda folder, asked: object_store_away(folder, asked.seconds),
    "slow-redis": lambda folder, asked: slow_redis(folder, asked.seconds),
}


def main() -> int:
    """Run those that were asked for, and print what a table of them shows."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("drills", nargs="*", metavar="DRILL", help=f"of {', '.join(_DRILLS)}; all of them")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each part")
    parser.add_argument("--documents", type=int, default=200, help="in the backup")
    asked = parser.parse_args()
    for name in asked.drills or _DRILLS:
        if name not in _DRILLS:
            parser.error(f"there is no drill {name!r}")
        with tempfile.TemporaryDirectory() as temporary:
            found = asyncio.run(_run(_DRILLS[name], Path(temporary), asked))
        for what, figures in found.items():
            print(f"| {what} | {figures} |", flush=True)
    return 0


async def _run(drill: Drill, folder: Path, asked: argparse.Namespace) -> Mapping[str, object]:
    return await drill(folder, asked)


if __name__ == "__main__":
    sys.exit(main())
