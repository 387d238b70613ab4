"""Clocks that are an hour fast or slow, on each service another: they jump while people write, and jump back.

The processes are real, and their clocks libfaketime's: it reads from a file how far they are off. What counts seconds
(time.monotonic) goes on as it is, as it does when somebody sets a machine's clock.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

from coedit.client import DocumentHistory
from tests.drills.people import Waits, people_at
from tests.requirements import require
from tests.system import System

HOUR_SECONDS = 3600
OFF = {
    "gateway-0": HOUR_SECONDS,
    "gateway-1": -HOUR_SECONDS,
    "transformer-0": -HOUR_SECONDS,
    "transformer-1": HOUR_SECONDS,
    "presence-0": HOUR_SECONDS,
    "snapshotter-0": -HOUR_SECONDS,
}
"""How far each is off, by turns."""
_READ_AGAIN_SECONDS = 1
_QUICK = {"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "1", "COEDIT_TRANSFORMER_LEASE_SECONDS": "1"}


class Clocks:
    """The clocks of a system's services."""

    def __init__(self, system: System) -> None:
        self._system = system
        library = faketime()
        for name in OFF:
            self._file(name).write_text("+0s")
            system.processes[name].environment |= {
                "LD_PRELOAD": str(library),
                "FAKETIME_TIMESTAMP_FILE": str(self._file(name)),
                "FAKETIME_CACHE_DURATION": str(_READ_AGAIN_SECONDS),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                # Files have the times that the file system gives them.
                "NO_FAKE_STAT": "1",
            }

    async def set(self, sign: int) -> None:
        """Put every clock off by its hour, times ``sign``; return when the services have seen it."""
        for name, seconds in OFF.items():
            self._file(name).write_text(f"{sign * seconds:+d}s")
        await asyncio.sleep(2 * _READ_AGAIN_SECONDS)

    def _file(self, name: str) -> Path:
        return self._system.folder / f"clock-{name}"


@contextmanager
def clocked_system(folder: Path) -> Iterator[tuple[System, Clocks]]:
    """Give a system that is not started yet, and its clocks; it ends with the block."""
    system = System(folder, gateways=2, transformers=2, settings=_QUICK, acl=True)
    try:
        yield system, Clocks(system)
    finally:
        system.stop()


async def clocks_off(folder: Path, seconds: float) -> dict[str, Waits]:
    """Have people write for so long with right clocks, with wrong ones, and with ones that are wrong otherwise."""
    found = {}
    with clocked_system(folder) as (system, clocks):
        await asyncio.to_thread(system.start)
        async with people_at(system) as people:
            await people.flow()
            found["clocks right"] = await people.during(seconds)
            for sign in (1, -1):
                await clocks.set(sign)
                await _check_gateway(system, sign * OFF["gateway-0"])
                await people.flow()
                found[
                    f"clocks off by an hour, {'one' if sign > 0 else 'the other'} way"
                ] = await people.during(seconds)
            # Whoever takes over has another clock than the dead.
            system.processes["transformer-0"].kill()
            await people.flow()
            await clocks.set(0)
            await people.flow()
        await _check_times(system)
    return found


async def _check_gateway(system: System, seconds: int) -> None:
    """Check that a gateway's clock is off: so it says in its answers."""
    async with aiohttp.ClientSession() as http, http.get(f"{system.url}/healthz") as answer:
        said = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert abs(said - time.time() - seconds) < 60


async def _check_times(system: System) -> None:
    """Check that commits have the time of Redis's clock, which was right all along."""
    history = DocumentHistory(system.url, "drill 0")
    newest = await history.at()
    times = [
        (await history.at(revision)).at for revision in range(1, newest.revision, 1 + newest.revision // 20)
    ]
    assert times == sorted(times)
    assert abs(times[0] / 1000 - time.time()) < HOUR_SECONDS / 2


def faketime() -> Path:
    """Return Debian's libfaketime."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    require("faketime", found is not None, "apt-get install faketime")
    assert found is not None
    return found
