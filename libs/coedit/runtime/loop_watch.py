"""How long the event loop stands still, as a metric; and an end for a process whose loop never comes back.

Whatever an input makes a process do, the loop must come round: everybody else waits for it.
"""

import asyncio
import faulthandler
import sys

from prometheus_client import Histogram

LAG_SECONDS = Histogram(
    "coedit_loop_lag_seconds",
    "How long the event loop stood still: by how much it came too late to what was due.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_BEAT_SECONDS = 0.1
"""A standstill is measured short by this at most."""
_ARM_SECONDS = 10.0


async def watch_loop(stall_seconds: float) -> None:
    """Measure until cancelled; end the process once its loop has stood still for ``stall_seconds``; 0: never.

    The end comes from a thread of C that needs no lock of the interpreter, with the stacks of all threads on standard
    error: whoever is held up inside one call of C would not hear a signal. A process that was paused for as long ends,
    too.
    """
    loop = asyncio.get_running_loop()
    armed_at, again_seconds = float("-inf"), min(_ARM_SECONDS, stall_seconds)
    try:
        while True:
            now = loop.time()
            if stall_seconds and now - armed_at >= again_seconds:
                armed_at = now
                faulthandler.dump_traceback_later(stall_seconds + again_seconds, exit=True, file=sys.stderr)
            await asyncio.sleep(_BEAT_SECONDS)
            LAG_SECONDS.observe(max(0.0, loop.time() - now - _BEAT_SECONDS))
    finally:
        faulthandler.cancel_dump_traceback_later()
