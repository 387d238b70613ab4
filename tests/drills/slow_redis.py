"""A Redis that is far away: every answer comes ten milliseconds later."""

import asyncio
from pathlib import Path

from coedit.testing.fault_proxy import FaultProxy, Flow
from tests.drills.people import Waits, people_at
from tests.redis_server import redis_server
from tests.system import System

DELAY_SECONDS = 0.01


async def slow_redis(folder: Path, seconds: float) -> dict[str, Waits]:
    """Have people write for so long, with and without the delay."""
    found = {}
    with redis_server(folder / "redis") as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        async with FaultProxy("127.0.0.1", port) as proxy:
            parts = {"redis_url": f"redis://127.0.0.1:{proxy.port}/0", "gateways": 2, "transformers": 2}
            system = System(folder, **parts)  # type: ignore[arg-type]
            try:
                await asyncio.to_thread(system.start)
                async with people_at(system) as people:
                    await people.flow()
                    found["Redis at hand"] = await people.during(seconds)
                    proxy.there, proxy.back = Flow(DELAY_SECONDS / 2), Flow(DELAY_SECONDS / 2)
                    await people.flow()
                    found[f"Redis {DELAY_SECONDS * 1000:.0f} ms away"] = await people.during(seconds)
                    proxy.heal()
            finally:
                await asyncio.to_thread(system.stop)
    return found
