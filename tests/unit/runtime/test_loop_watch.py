"""The watch over the event loop: what it measures, and what it ends."""

import asyncio
import subprocess
import sys
import time

from coedit.runtime.loop_watch import LAG_SECONDS, watch_loop
from tests.system import eventually

_STUCK = """
import asyncio, ctypes
from coedit.runtime.loop_watch import watch_loop

async def main():
    asyncio.create_task(watch_loop(0.5))
    await asyncio.sleep(0)
    ctypes.PyDLL(None).sleep(60)  # a call of C that keeps the interpreter's lock

asyncio.run(main())
"""


async def test_standstill_is_measured() -> None:
    watching = asyncio.create_task(watch_loop(0))
    await asyncio.sleep(0)  # it waits for its next beat now
    before = _slower_than(0.25)
    time.sleep(0.5)  # noqa: ASYNC251 - the standstill itself
    await eventually(lambda: _slower_than(0.25) > before, "the standstill is measured")
    watching.cancel()


def test_process_whose_loop_never_comes_back_ends_itself() -> None:
    """Within one call of C no signal is heard, and nobody else would be given its shards."""
    ended = subprocess.run(
        [sys.executable, "-c", _STUCK], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 1
    assert "most recent call first" in ended.stderr


def _slower_than(seconds: float) -> float:
    (metric,) = LAG_SECONDS.collect()
    counts = {
        sample.labels["le"]: sample.value for sample in metric.samples if sample.name.endswith("_bucket")
    }
    return counts["+Inf"] - counts[str(seconds)]
