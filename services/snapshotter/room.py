"""How much room Redis has left, so that somebody is told before it takes no more edits."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from coedit.runtime.lifecycle import until_stopped
from coedit.store.redis.topology import Nodes
from services.snapshotter.metrics import AOF_BYTES, USED_MEMORY

_INTERVAL_SECONDS = 10.0


class Room:
    """Looks at all masters and notes what the fullest says."""

    def __init__(self, nodes: Nodes, stop: asyncio.Event) -> None:
        self._nodes = nodes
        self._stop = stop

    async def step(self) -> None:
        """Look once, and wait until it is time again.

        Raises:
            RedisError, OSError: a master cannot be asked now.
        """
        facts = [await _facts(redis) for redis in self._nodes.masters()]
        if facts:
            USED_MEMORY.set(max(_used_share(one) for one in facts))
            AOF_BYTES.set(max(int(one.get("aof_current_size", 0)) for one in facts))
        await until_stopped(self._stop, _INTERVAL_SECONDS)


async def _facts(redis: Redis) -> dict[str, Any]:
    memory: dict[str, Any] = await redis.info("memory")
    files: dict[str, Any] = await redis.info("persistence")
    return memory | files


def _used_share(facts: dict[str, Any]) -> float:
    """Return which share of its bound Redis uses; without a bound, of the machine's memory."""
    bound_bytes = int(facts["maxmemory"]) or int(facts.get("total_system_memory", 0))
    return int(facts["used_memory"]) / bound_bytes if bound_bytes else 0.0
