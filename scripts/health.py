"""Ask every part of a running system whether it is ready: scripts/health.py [--wait SECONDS].

Looks for a system of `make run` in COEDIT_DATA (default: var) and for one of docker-compose.yml, prints a line for each
part, and exits with 0 if all of those found are ready, otherwise with 1. Needs nothing but Python.
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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_ANSWER_SECONDS = 10.0
_PROBE = ("python", "-m", "coedit.runtime.probe")
_IN_COMPOSE = {
    "redis": ("redis-cli", "--no-auth-warning", "--user", "health", "--pass", "any", "-e", "ping"),
    "transformer": (*_PROBE, "8081"),
    "snapshotter": (*_PROBE, "8083"),
    "presence": (*_PROBE, "8082"),
    "gateway": (*_PROBE, "8000"),
}


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
    give_up_at = time.monotonic() + parser.parse_args().wait
    while True:
        parts = [*_of_make_run(), *_of_compose()]
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
    data = Path(os.environ.get("COEDIT_DATA", _ROOT / "var"))
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


def _of_compose() -> Iterator[Part]:
    containers = {name: _compose("ps", "-q", name).split() for name in _IN_COMPOSE}
    if not any(containers.values()):
        return
    for name, question in _IN_COMPOSE.items():
        if not containers[name]:
            yield Part("compose", name, "", "no container")
        for container in containers[name]:
            place = _output("docker", "inspect", "--format", "{{.Name}}", container).strip().lstrip("/")
            yield Part("compose", name, place, _why_not_in(container, question))
    published = _compose("port", "loadbalancer", "8080").strip()
    url = f"http://{published}/readyz"
    yield Part("compose", "loadbalancer", url, _why_not(url) if published else "no container")


def _why_not_in(container: str, question: Sequence[str]) -> str:
    asked = _run("docker", "exec", container, *question)
    return "" if asked.returncode == 0 else (asked.stderr or asked.stdout).strip().replace("\n", " ")[:200]


def _why_not(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read(200).decode(errors='replace')}"
    except OSError as error:
        return str(error)


def _compose(*arguments: str) -> str:
    if not (_ROOT / ".env").exists():
        return ""
    return _output(str(_ROOT / "scripts/compose.sh"), *arguments)


def _output(*command: str) -> str:
    """Return what a command prints; nothing where it fails."""
    done = _run(*command)
    return done.stdout if done.returncode == 0 else ""


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


if __name__ == "__main__":
    sys.exit(main())
