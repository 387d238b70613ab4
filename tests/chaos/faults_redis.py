"""Faults of Redis that lose nothing of what is on disk: killed, loading, asleep, out of memory."""

import random
import signal

from redis.asyncio import Redis

from coedit.store.redis.connection import TROUBLE, connect
from tests.chaos.faults import Fault, register
from tests.chaos.world import Level, World
from tests.system import eventually

REDIS = "redis"
_UNSYNCED: frozenset[Level] = frozenset({"memory"})
"""With `appendfsync everysec` a kill loses what waits for a slow sync."""


@register
class RedisKill(Fault):
    """kill -9 of Redis, and a new start from its append-only file."""

    kind = "redis-kill"
    lane = "servers"
    seconds = (0.1, 2.5)
    may_lose = _UNSYNCED

    async def begin(self, world: World, rng: random.Random) -> str:
        """Kill it."""
        await world.kill(REDIS)
        return REDIS

    async def end(self, world: World) -> None:
        """Start it again."""
        await world.start(REDIS)
        await eventually(lambda: redis_answers(world), "Redis answers")


@register
class RedisLoading(Fault):
    """As `RedisKill`, but it takes its time to load, and answers -LOADING meanwhile."""

    kind = "redis-loading"
    lane = "servers"
    seconds = (0.1, 0.5)
    takes_seconds = 2.5
    may_lose = _UNSYNCED
    loads_for_seconds = 2.0

    async def begin(self, world: World, rng: random.Random) -> str:
        """Kill it, and start it with a pause before each command that it loads."""
        async with _redis(world) as redis:
            entries = int((await redis.info("stats"))["total_commands_processed"])
        process = world.system.processes[REDIS]
        command = list(process.command)
        await world.kill(REDIS)
        pause_microseconds = max(1, int(self.loads_for_seconds * 1_000_000 / max(1, entries)))
        slow = (
            "--key-load-delay",
            str(pause_microseconds),
            "--loading-process-events-interval-bytes",
            "1024",
        )
        process.command = [*command, *slow]
        await world.start(REDIS)
        process.command = command
        return REDIS

    async def end(self, world: World) -> None:
        """Wait until it has loaded."""
        await eventually(lambda: redis_answers(world), "Redis has loaded")
        async with _redis(world) as redis:
            await redis.config_set("key-load-delay", 0)


@register
class RedisPause(Fault):
    """SIGSTOP of Redis, for longer than a lease and sometimes than clients wait for an answer."""

    kind = "redis-pause"
    lane = "servers"
    seconds = (1.0, 6.0)

    async def begin(self, world: World, rng: random.Random) -> str:
        """Put it to sleep."""
        world.system.processes[REDIS].signal(signal.SIGSTOP)
        return REDIS

    async def end(self, world: World) -> None:
        """Wake it."""
        world.system.processes[REDIS].signal(signal.SIGCONT)


@register
class RedisFull(Fault):
    """Redis is out of memory: it refuses whatever needs more, and answers the rest."""

    kind = "redis-full"
    lane = "servers"
    seconds = (0.5, 3.0)

    async def begin(self, world: World, rng: random.Random) -> str:
        """Allow it less than it has."""
        async with _redis(world) as redis:
            await redis.config_set("maxmemory", 1024 * 1024)
        return REDIS

    async def end(self, world: World) -> None:
        """Allow it as much as there is."""
        async with _redis(world) as redis:
            await redis.config_set("maxmemory", 0)


def _redis(world: World) -> Redis:
    return connect(world.system.redis_url)


async def redis_answers(world: World) -> bool:
    """Return whether Redis has loaded and answers."""
    try:
        async with _redis(world) as redis:
            return bool(await redis.ping())
    except TROUBLE:
        return False
