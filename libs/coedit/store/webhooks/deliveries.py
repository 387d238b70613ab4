"""What endpoints have not been told yet: ``deliveries:{s}:NAME`` in the order it happened, and ``due:{s}:NAME``."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis

from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script

logger = logging.getLogger(__name__)

T = TypeVar("T")

FAILURES_KEPT = 500
"""So many failures of a shard are kept; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint."""

    shard: Shard
    endpoint: str
    entry_id: str
    attempts: int
    """How often it has been tried."""
    age_ms: int
    """For how long it has been waiting."""
    message_id: str
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits for an endpoint."""

    count: int = 0
    oldest_ms: int = 0
    """For how long the oldest has; 0: none does."""


class Deliveries:
    """The queues, one for each endpoint and shard, which hold up no other.

    Every method raises RedisError or OSError where Redis cannot do it now; doing it again is harmless.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._postpone = Script("postpone.lua")
        self._give_up = Script("give_up.lua")

    async def due(self, endpoint: str, shards: Collection[Shard], most: int) -> list[Delivery]:
        """Return what is to be tried now, that which has been due for longest first, at most ``most`` of a node."""
        asked = await self._of_each_node(shards, lambda redis, some: _due_on(redis, endpoint, some, most))
        return [delivery for found in asked for delivery in found]

    async def oldest(self, endpoint: str, shard: Shard, count: int) -> list[Delivery]:
        """Return what has been waiting for longest, whenever it is due."""
        redis = self._nodes.at(shard)
        async with redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.xrange(shard.deliveries(endpoint), count=count)
            pipe.zrange(shard.due(endpoint), 0, -1)
            time, entries, members = await pipe.execute()
        attempts = dict(_member(member) for member in members)
        return [
            _delivery(shard, endpoint, entry_id, attempts[entry_id], fields, _now_ms(time))
            for entry_id, fields in ((entry.decode(), fields) for entry, fields in entries)
            if entry_id in attempts
        ]

    async def delivered(self, delivery: Delivery) -> None:
        """Take a delivery out of its queue: it was made."""
        shard, endpoint = delivery.shard, delivery.endpoint
        async with self._nodes.at(shard).pipeline(transaction=True) as pipe:
            pipe.zrem(shard.due(endpoint), f"{delivery.entry_id}:{delivery.attempts}")
            pipe.xdel(shard.deliveries(endpoint), delivery.entry_id)
            await pipe.execute()

    async def postpone(self, delivery: Delivery, attempts: int, seconds: float) -> bool:
        """Have it tried again in so many seconds; ``attempts`` were made. False: somebody else saw to it."""
        shard = delivery.shard
        arguments: list[str | bytes | int] = [
            delivery.entry_id,
            delivery.attempts,
            attempts,
            int(seconds * 1000),
        ]
        return bool(
            await self._postpone.run(self._nodes.at(shard), [shard.due(delivery.endpoint)], arguments)
        )

    async def give_up(self, delivery: Delivery, attempts: int, reason: str) -> int | None:
        """Put it among the failures; return how many older ones that were too many. None: it was dealt with."""
        shard, endpoint = delivery.shard, delivery.endpoint
        keys = [shard.deliveries(endpoint), shard.due(endpoint), shard.failed]
        entry: list[str | bytes | int] = [delivery.entry_id, delivery.attempts, attempts]
        forgotten: int = await self._give_up.run(
            self._nodes.at(shard), keys, [*entry, endpoint, reason, FAILURES_KEPT]
        )
        return None if forgotten < 0 else forgotten

    async def waiting(self, endpoint: str, shards: Collection[Shard]) -> Waiting:
        """Return how much waits for an endpoint in these shards."""
        found = await self._of_each_node(shards, lambda redis, some: _waiting_on(redis, endpoint, some))
        return Waiting(sum(one.count for one in found), max((one.oldest_ms for one in found), default=0))

    async def forget_others(self, shard: Shard, endpoints: Collection[str]) -> int:
        """Drop what waits for endpoints that are none any more; return how much that was."""
        redis = self._nodes.at(shard)
        known: Any = await redis.smembers(shard.endpoints)
        others = [name for name in (member.decode() for member in known) if name not in endpoints]
        if not others:
            return 0
        async with redis.pipeline(transaction=True) as pipe:
            for name in others:
                pipe.xlen(shard.deliveries(name))
            pipe.srem(shard.endpoints, *others)
            pipe.delete(*(key for name in others for key in (shard.deliveries(name), shard.due(name))))
            answers = await pipe.execute()
        return sum(answers[: len(others)])

    async def _of_each_node(
        self, shards: Collection[Shard], ask: Callable[[Redis, list[Shard]], Awaitable[T]]
    ) -> list[T]:
        """Return what each node says, asked side by side; one in trouble is left out, unless all are."""
        placed = self._nodes.by_node(shards)
        asked = await asyncio.gather(*map(ask, placed.keys(), placed.values()), return_exceptions=True)
        said = [one for one in asked if not isinstance(one, BaseException)]
        for one in asked:
            if isinstance(one, BaseException) and not (said and isinstance(one, TROUBLE)):
                raise one
            if isinstance(one, BaseException):
                facts = {"event": "webhook-node", "error": repr(one)}
                logger.warning("what waits in some shards cannot be seen now", extra=facts)
        return said


async def _waiting_on(redis: Redis, endpoint: str, shards: list[Shard]) -> Waiting:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        for shard in shards:
            pipe.xlen(shard.deliveries(endpoint))
            pipe.xrange(shard.deliveries(endpoint), count=1)
        time, *answers = await pipe.execute()
    ages_ms = [_now_ms(time) - _at_ms(entries[0][0]) for entries in answers[1::2] if entries]
    return Waiting(sum(answers[::2]), max([0, *ages_ms]))


async def _due_on(redis: Redis, endpoint: str, shards: list[Shard], most: int) -> list[Delivery]:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        for shard in shards:
            pipe.zrange(shard.due(endpoint), 0, most - 1, withscores=True)
        time, *answers = await pipe.execute()
    now_ms = _now_ms(time)
    due = sorted(
        (score, shard.number, *_member(member))
        for shard, found in zip(shards, answers, strict=True)
        for member, score in found
        if score <= now_ms
    )[:most]
    if not due:
        return []
    async with redis.pipeline(transaction=False) as pipe:
        for _, number, entry_id, _ in due:
            pipe.xrange(Shard(number).deliveries(endpoint), entry_id, entry_id)
        entries = await pipe.execute()
    for (_, number, entry_id, attempts), found in zip(due, entries, strict=True):
        if not found:  # delivered by one process while another had it tried again later
            await redis.zrem(Shard(number).due(endpoint), f"{entry_id}:{attempts}")
    return [
        _delivery(Shard(number), endpoint, entry_id, attempts, found[0][1], now_ms)
        for (_, number, entry_id, attempts), found in zip(due, entries, strict=True)
        if found
    ]


def _delivery(
    shard: Shard, endpoint: str, entry_id: str, attempts: int, fields: dict[bytes, bytes], now_ms: int
) -> Delivery:
    message_id, kind = fields[b"id"].decode(), fields[b"type"].decode()
    age_ms = max(0, now_ms - _at_ms(entry_id.encode()))
    return Delivery(shard, endpoint, entry_id, attempts, age_ms, message_id, kind, fields[b"body"])


def _member(member: bytes) -> tuple[str, int]:
    entry_id, _, attempts = member.decode().partition(":")
    return entry_id, int(attempts)


def _at_ms(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


def _now_ms(time: tuple[int, int]) -> int:
    return int(time[0]) * 1000 + int(time[1]) // 1000
