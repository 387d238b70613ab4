"""``python -m bench.floor_redis URL RATE WARM SECONDS``: an XADD, and another connection's blocked XREAD that gets it.

A rate of 0 means one after the other without a pause. Says ``begin`` and ``end`` around the measured time, then prints
the counts as JSON; both ends are in this process, so its CPU is that of two clients.
"""

import asyncio
import json
import sys
import time
from typing import Any

import uvloop
from redis.asyncio import Redis

from bench.tally import percentiles
from coedit.store.redis.connection import connect

_STREAM = "bench-floor"
_PAYLOAD = b"x" * 150


async def _round_trips(url: str, rate: float, warm_seconds: float, seconds: float) -> None:
    redis = connect(url)
    arrived: asyncio.Queue[None] = asyncio.Queue()
    reader = asyncio.create_task(_read(redis, arrived))
    await _for_seconds(redis, arrived, rate, warm_seconds)
    print("begin", flush=True)
    delays = await _for_seconds(redis, arrived, rate, seconds)
    print("end", flush=True)
    reader.cancel()
    await redis.delete(_STREAM)
    counts = {"seconds": seconds, "edits": len(delays), "submissions": len(delays), "deliveries": len(delays)}
    print(json.dumps(counts | {"frames": 0, "delay_ms": percentiles(delays), "ack_ms": {}}), flush=True)


async def _for_seconds(
    redis: Redis, arrived: asyncio.Queue[None], rate: float, seconds: float
) -> list[float]:
    started, delays = time.perf_counter(), list[float]()
    while (now := time.perf_counter()) < started + seconds:
        await redis.xadd(_STREAM, {b"x": _PAYLOAD})
        await arrived.get()
        delays.append(time.perf_counter() - now)
        if rate:
            await asyncio.sleep(max(0.0, started + len(delays) / rate - time.perf_counter()))
    return delays


async def _read(redis: Redis, arrived: asyncio.Queue[None]) -> None:
    last: Any = b"0-0"
    while True:
        reply: Any = await redis.xread({_STREAM: last}, block=1000)
        if reply:
            entries = reply[_STREAM.encode()][0] if isinstance(reply, dict) else reply[0][1]
            last = entries[-1][0]
            arrived.put_nowait(None)


def main() -> None:
    """Run as told by the arguments."""
    url, *numbers = sys.argv[1:]
    rate, warm_seconds, seconds = map(float, numbers)
    uvloop.run(_round_trips(url, rate, warm_seconds, seconds))


if __name__ == "__main__":
    main()
