"""Faults of Redis that lose nothing: killed, loading, asleep, out of memory."""

import random
import signal

from redis.asyncio import Redis

from coedit.store.redis_connection import TROUBLE, connect
from tests.chaos.faults import Fault, register
from tests.chaos.world import World
from tests.system import eventually

_REDIS = "redis"


@register
class RedisKill(Fault):
    """kill -9 of Redis, and a new start from its append-only file."""

    kind = "redis-kill"
    lane = "servers"
    seconds = (0.1, 2.5)

    async def begin(self, world: World, rng: random.Random) -> str:
        """Kill it."""
        await world.kill(_REDIS)
        return _REDIS

    async def end(self, world: World) -> None:
        """Start it again."""
        await world.start(_REDIS)
        await eventually(lambda: _answers(world), "Redis answers")


@register
class RedisLoading(Fault):
    """As `RedisKill`, but it takes its time to load, and answers -LOADING meanwhile."""

    kind = "redis-loading"
    lane = "servers"
    seconds = (0.1, 0.5)
    takes_seconds = 2.5
    loads_for_seconds = 2.0

    async def begin(self, world: World, rng: random.Random) -> str:
        """Kill it, and start it with a pause before each command that it loads."""
        async with _redis(world) as redis:
            entries = int((await redis.info("stats"))["total_commands_processed"])
        process = world.system.processes[_REDIS]
        command = list(process.command)
        await world.kill(_REDIS)
        pause_microseconds = max(1, int(self.loads_for_seconds * 1_000_000 / max(1, entries)))
        slow = (
            "--key-load-delay",
            str(pause_microseconds),
            "--loading-process-events-interval-bytes",
            "1024",
        )
        process.command = [*command, *slow]
        await world.start(_REDIS)
        process.command = command
        return _REDIS

    async def end(self, world: World) -> None:
        """Wait until it has loaded."""
        await eventually(lambda: _answers(world), "Redis has loaded")
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
        world.system.processes[_REDIS].signal(signal.SIGSTOP)
        return _REDIS

    async def end(self, world: World) -> None:
        """Wake it."""
        world.system.processes[_REDIS].signal(signal.SIGCONT)


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
        return _REDIS

    async def end(self, world: World) -> None:
        """Allow it as much as there is."""
        async with _redis(world) as redis:
            await redis.config_set("maxmemory", 0)


def _redis(world: World) -> Redis:
    return connect(world.system.redis_url)


async def _answers(world: World) -> bool:
    try:
        async with _redis(world) as redis:
            return bool(await redis.ping())
    except TROUBLE:
        return False
