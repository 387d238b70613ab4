"""Faults by which Redis forgets what it had acknowledged."""

import asyncio
import os
import random
import shutil
from typing import ClassVar

from tests.chaos.faults import Fault, register
from tests.chaos.faults_redis import REDIS, redis_answers
from tests.chaos.world import Level, World
from tests.system import eventually

_GIVING_SECONDS = 4.0


class _Loss(Fault):
    lane = "servers"
    takes_seconds = 1.5 + _GIVING_SECONDS
    may_lose: ClassVar[frozenset[Level]] = frozenset({"memory", "fsync"})

    @classmethod
    def missing(cls, world: World) -> str:
        # There it is a replica that takes over, which `tests/integration/test_topologies.py` tries.
        return "not where a replica takes over" if world.level == "replicated" else ""

    async def end(self, world: World) -> None:
        """Start it on what is left."""
        (world.system.folder / REDIS).mkdir(exist_ok=True)
        await world.start(REDIS)
        await eventually(lambda: redis_answers(world), "Redis answers")
        # The promise is about donors that live: an edit of a client that left is held by its gateway and its owner
        # alone, and to kill both before they were asked for it would lose it, with nobody left who knows of it.
        await asyncio.sleep(_GIVING_SECONDS)


@register
class RedisWipe(_Loss):
    """The server is killed, its data folder deleted, and it starts empty."""

    kind = "redis-wipe"
    seconds = (0.1, 2.0)

    async def begin(self, world: World, rng: random.Random) -> str:
        """Kill it and delete all that it has."""
        await world.kill(REDIS)
        shutil.rmtree(world.system.folder / "redis")
        return REDIS


@register
class RedisTruncate(_Loss):
    """The server is killed, and the end of its append-only file is lost, as by a disk that lied."""

    kind = "redis-truncate"
    seconds = (0.1, 1.0)

    async def begin(self, world: World, rng: random.Random) -> str:
        """Kill it and cut off up to half of what it wrote since its last rewrite."""
        await world.kill(REDIS)
        newest = max((world.system.folder / "redis" / "appendonlydir").glob("*.incr.aof"))
        os.truncate(newest, int(newest.stat().st_size * rng.uniform(0.5, 0.99)))
        return REDIS
