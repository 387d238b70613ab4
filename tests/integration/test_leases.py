"""Leases on a real Valkey: who leaves is followed at once, only what is needed moves, and waiting is cheap."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from coedit.store.keys import Shard
from coedit.store.redis.discovery import connect_nodes
from coedit.store.redis.lease_thread import LeaseThread
from coedit.store.redis.leases import ShardLeases
from coedit.store.redis.topology import Nodes
from tests.system import eventually

SHARDS = 12
TTL_SECONDS = 3.0


class Member:
    """A process that keeps leases, without the work."""

    def __init__(self, redis: Redis) -> None:
        self.leases = ShardLeases(Nodes(redis), "transformer", Shard.owner.__get__, SHARDS, TTL_SECONDS)
        self.gained: list[Shard] = []
        self.lost: list[Shard] = []
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._keep())

    @property
    def count(self) -> int:
        return len(self.leases.held)

    async def leave(self) -> None:
        self._stop.set()
        await self._task
        await self.leases.leave()

    async def die(self) -> None:
        """End without a word, as after kill -9."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        while not self._stop.is_set():
            gained, lost = await self.leases.keep()
            self.gained += gained
            self.lost += lost
            await self.leases.wait_for_move(self._stop)


@asynccontextmanager
async def members(redis: Redis, count: int) -> AsyncIterator[list[Member]]:
    """Run members that have their fair shares."""
    running = []
    try:
        for _ in range(count):
            running.append(Member(redis))
            await eventually(lambda: share_is_fair(running), "fair shares")
        yield running
    finally:
        for member in running:
            await member.die()


def share_is_fair(running: list[Member]) -> bool:
    counts = [member.count for member in running]
    return sum(counts) == SHARDS and max(counts) == -(-SHARDS // len(counts))


async def test_shards_of_one_who_leaves_are_taken_at_once(redis: Redis) -> None:
    async with members(redis, 3) as (first, second, third):
        left_at = time.monotonic()
        await third.leave()
        await eventually(lambda: share_is_fair([first, second]), "the others have its shards")
        seconds = time.monotonic() - left_at
    print(f"taken {seconds * 1000:.0f} ms after a member left")
    assert seconds < 0.5, "no later than a look at the leases would have found out, which is after a second"


async def test_shards_of_one_who_dies_are_taken_when_its_lease_is_over(redis: Redis) -> None:
    async with members(redis, 2) as (first, second):
        died_at = time.monotonic()
        await second.die()
        await eventually(lambda: first.count == SHARDS, "the other has its shards")
        seconds = time.monotonic() - died_at
    print(f"taken {seconds:.1f} s after a member died")
    assert seconds < 5


async def test_newcomer_gets_its_share_at_once_and_only_that_moves(redis: Redis) -> None:
    async with members(redis, 2) as (first, second):
        first.gained, first.lost, second.gained, second.lost = [], [], [], []
        came_at = time.monotonic()
        third = Member(redis)
        await eventually(lambda: share_is_fair([first, second, third]), "fair shares")
        seconds = time.monotonic() - came_at
        await third.die()
        assert first.gained == second.gained == []
        assert (len(first.lost), len(second.lost), len(third.gained)) == (2, 2, 4)
    assert seconds < 0.5


async def test_waiting_costs_a_handful_of_commands_a_second(redis: Redis) -> None:
    async with members(redis, 2) as (first, _):
        await eventually(lambda: first.count == SHARDS // 2, "fair shares")
        before = await commands(redis)
        watched_seconds = 3.0
        await asyncio.sleep(watched_seconds)
        per_second = (await commands(redis) - before) / watched_seconds
    print(f"{per_second:.0f} commands a second of two members with {SHARDS} shards, most of them renewals")
    # A second apart, each renews its shards in one pipeline, counts the members, and waits once.
    assert per_second < 2 * (SHARDS + 10)


async def commands(redis: Redis) -> int:
    return int((await redis.info("stats"))["total_commands_processed"])


async def test_leases_are_kept_while_the_loop_stands_still(redis: Redis, redis_url: str) -> None:
    """Whoever lost its shards by a heavy input would hand the same input on to the next owner, for ever."""
    leases = ShardLeases(Nodes(redis), "transformer", Shard.owner.__get__, SHARDS, ttl_seconds=2.0)
    await leases.keep()
    errors: list[None] = []
    with LeaseThread(leases, lambda: connect_nodes(redis_url), lambda: errors.append(None)):
        _be_busy(5.0)
        gained, lost = await leases.keep()
    assert len(leases.held) == SHARDS
    assert (gained, lost, errors) == (set(), set(), [])


async def test_lease_thread_takes_nothing_from_others(redis: Redis, redis_url: str) -> None:
    leases = ShardLeases(Nodes(redis), "transformer", Shard.owner.__get__, SHARDS, ttl_seconds=2.0)
    await leases.keep()
    others = Shard(0)
    await redis.set(others.owner, "somebody else", px=60_000)
    errors: list[None] = []
    with LeaseThread(leases, lambda: connect_nodes(redis_url), lambda: errors.append(None)):
        _be_busy(5.0)
        _, lost = await leases.keep()
    assert await redis.get(others.owner) == b"somebody else"
    assert (lost, errors) == ({others}, [])


def _be_busy(seconds: float) -> None:
    """Work in Python, and let no task of the loop have its turn."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
