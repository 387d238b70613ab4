"""Faults by which Redis forgets what it had acknowledged."""

import os
import random
import shutil

from tests.chaos.faults import Fault, register
from tests.chaos.faults_redis import REDIS, redis_answers
from tests.chaos.world import Level, World
from tests.system import eventually

_ANY: frozenset[Level] = frozenset({"memory", "fsync"})


@register
class RedisWipe(Fault):
    """The server is killed, its data folder deleted, and it starts empty."""

    kind = "redis-wipe"
    lane = "servers"
    seconds = (0.1, 2.0)
    takes_seconds = 8.0
    may_lose = _ANY

    async def begin(self, world: World, rng: random.Random) -> str:
        """Kill it and delete all that it has."""
        await world.kill(REDIS)
        shutil.rmtree(world.system.folder / "redis")
        return REDIS

    async def end(self, world: World) -> None:
        """Start it empty, and wait until what was lost has been given back."""
        (world.system.folder / "redis").mkdir()
        await world.start(REDIS)
        await eventually(lambda: redis_answers(world), "Redis answers")


@register
class RedisTruncate(Fault):
    """The server is killed, and the end of its append-only file is lost, as by a disk that lied."""

    kind = "redis-truncate"
    lane = "servers"
    seconds = (0.1, 1.0)
    takes_seconds = 8.0
    may_lose = _ANY

    async def begin(self, world: World, rng: random.Random) -> str:
        """Kill it and cut off up to half of what it wrote since its last rewrite."""
        await world.kill(REDIS)
        newest = max((world.system.folder / "redis" / "appendonlydir").glob("*.incr.aof"))
        os.truncate(newest, int(newest.stat().st_size * rng.uniform(0.5, 0.99)))
        return REDIS

    async def end(self, world: World) -> None:
        """Start it on what is left."""
        await world.start(REDIS)
        await eventually(lambda: redis_answers(world), "Redis answers")
