"""Ask every part of a running system whether it is ready: scripts/health.py [--wait SECONDS].

Looks for a system of `make run` in COEDIT_DATA (default: var) and for one of docker-compose.yml, prints a line for each
part, those that ended or are missing included, and exits with 0 if all is as it should be, otherwise with 1. Needs
nothing but Python.
"""

import argparse
import fcntl
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.composed import (
    ANSWER_SECONDS,
    ROOT,
    Container,
    containers,
    run,
    services,
    settings,
    wanted,
    why_failed,
    why_not_ready,
)


@dataclass(frozen=True, slots=True)
class Part:
    """One process or container of a system, and why it is not ready (empty: it is)."""

    system: str
    name: str
    place: str
    trouble: str


def main() -> int:
    """Print the table; again until all is well or the time is over."""
    parser = argparse.ArgumentParser(description="Ask every part of a running system whether it is ready.")
    parser.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS", help="how long to wait for all of it"
    )
    return report(parser.parse_args().wait)


def report(wait_seconds: float) -> int:
    """Print the table once all is well, or the time is over; return the exit code."""
    give_up_at = time.monotonic() + wait_seconds
    while True:
        parts = list(_of_make_run())
        parts += _of_compose(is_alone=not parts)
        is_well = bool(parts) and not any(part.trouble for part in parts)
        if is_well or time.monotonic() >= give_up_at:
            break
        time.sleep(1)
    for part in parts:
        print(f"{part.system:<8}  {part.name:<12}  {part.place:<32}  {part.trouble or 'ready'}")
    if not parts:
        print("nothing runs here: neither `make run` nor `make deploy`", file=sys.stderr)
    return 0 if is_well else 1


def _of_make_run() -> Iterator[Part]:
    data = Path(os.environ.get("COEDIT_DATA", ROOT / "var"))
    if not _is_held(data / "lock"):
        return
    try:
        urls = json.loads((data / "health.json").read_text())
    except (OSError, ValueError):
        yield Part("run", "all", str(data), "is starting")
        return
    for name, url in urls.items():
        yield Part("run", name, url, _why_not(url))


def _is_held(lock: Path) -> bool:
    """Return whether a living process holds the lock of `make run`."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _of_compose(*, is_alone: bool) -> Iterator[Part]:
    """Yield its parts; that Docker does not run is trouble only where nothing else does."""
    found = settings()
    if not found:
        return
    try:
        there = containers(found)
    except FileNotFoundError:  # a machine without Docker has nothing of compose
        return
    except (OSError, subprocess.SubprocessError) as error:
        if is_alone:
            yield Part("compose", "all", "", f"Docker does not say what runs: {why_failed(error)}")
        return
    if there:
        yield from _compared(there, found)


def _compared(there: list[Container], found: Mapping[str, str]) -> Iterator[Part]:
    with ThreadPoolExecutor() as asking:
        troubles = dict(zip(there, asking.map(why_not_ready, there), strict=True))
    for service in services(found):
        ours = [container for container in there if container.service == service]
        for container in ours:
            place, trouble = container.name, troubles[container]
            if service == "loadbalancer" and not trouble:
                place, trouble = _behind_the_balancer()
            yield Part("compose", service, place, trouble)
        missing = wanted(service, found) - len(ours)
        if missing > 0:
            yield Part("compose", service, "", f"{missing} of {len(ours) + missing} containers are missing")


def _behind_the_balancer() -> tuple[str, str]:
    published = run(str(ROOT / "scripts/compose.sh"), "port", "loadbalancer", "8080").stdout.strip()
    url = f"http://{published}/readyz"
    return url, _why_not(url) if published else "its port is not published"


def _why_not(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read(200).decode(errors='replace')}"
    except OSError as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main())
