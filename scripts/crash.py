"""End a part of the compose system as a crash would: scripts/crash.py SERVICE [NUMBER]; then wait until it is back.

Docker starts again what ended by itself. What `docker kill` ended it takes for somebody's wish, and leaves it dead: a
drill that ends so leaves the system with a part less. NUMBER counts a service's containers from 1, the oldest first.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import composed
from scripts.composed import Container, run

_BACK_SECONDS = 60.0


def main(service: str, number: int) -> int:
    """Return the exit code: 0 if it ended and is ready again."""
    ours = [one for one in composed.containers(composed.settings()) if one.service == service]
    if not 0 < number <= len(ours):
        print(f"crash: of {service!r} there are {len(ours)} containers", file=sys.stderr)
        return 1
    container = ours[number - 1]
    starts = _starts(container)
    # All but the container's first process, which forwards signals and ends with what it started.
    run("docker", "exec", container.id, "sh", "-c", "kill -9 -1")
    give_up_at = time.monotonic() + _BACK_SECONDS
    while _starts(container) == starts or composed.why_not_ready(container):
        if time.monotonic() > give_up_at:
            print(f"crash: {container.name} is not back within {_BACK_SECONDS:.0f} s", file=sys.stderr)
            return 1
        time.sleep(0.2)
    return 0


def _starts(container: Container) -> str:
    return run("docker", "inspect", "--format", "{{.RestartCount}}", container.id).stdout.strip()


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("scripts/crash.py SERVICE [NUMBER]")
    sys.exit(main(sys.argv[1], int((sys.argv[2:] or ["1"])[0])))
