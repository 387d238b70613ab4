"""Waiting until a system has done what was set off before: a figure of a quiet system is not to have it in it.

The load process asks on its standard output, and goes on when a line comes in; whoever started it knows the processes.
"""

import asyncio
import sys
import time
from collections.abc import Callable

ASKED = "quiet?"
_WINDOW_SECONDS = 1.0
_QUIET_SHARE = 0.1
_PATIENCE_SECONDS = 60.0


async def until_quiet() -> None:
    """In the load process: return when the system does next to nothing any more."""
    print(ASKED, flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def wait_until_quiet(cpu_seconds: Callable[[], float]) -> None:
    """Return when a second goes by in which a tenth of a core was used, or less; or when patience ends."""
    deadline, used = time.monotonic() + _PATIENCE_SECONDS, cpu_seconds()
    while time.monotonic() < deadline:
        time.sleep(_WINDOW_SECONDS)
        before, used = used, cpu_seconds()
        if used - before <= _QUIET_SHARE * _WINDOW_SECONDS:
            return
