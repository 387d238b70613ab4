"""Where in Redis a shard lies: on the one server there is, on the master behind Sentinels, or on a cluster's masters.

The store asks `Nodes` for the client of a shard each time anew, and groups what concerns several shards by node. What
goes wrong on a connection makes `Nodes` look again where everything lies; whoever met the error backs off and tries
again.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.errors import CoeditError
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE, OnDoubt
from coedit.store.redis.stream_reader import QuickStreamReader, StreamReader

logger = logging.getLogger(__name__)

SLOT_COUNT = 16384
_BETWEEN_LOOKS_SECONDS = 0.1

T = TypeVar("T")
Address = tuple[str, int]
Places = dict[Address, Iterable[range]]
"""Which hash slots each master has."""
Look = Callable[[], Awaitable[Places]]


class NowhereError(RedisConnectionError):
    """At the moment no master is known that has the shard."""


class Nodes:
    """The masters of a deployment's Redis: here the simplest case, one server that has everything."""

    is_cluster = False
    """Whether a command may not touch keys of several hash slots, even on one node."""

    def __init__(self, redis: Redis) -> None:
        self._only = redis

    def of(self, key: str) -> Redis:
        """Return the client of the master that has ``key``.

        Raises:
            NowhereError: none is known at the moment.
        """
        found = self._find(key)
        if found is None:
            self.doubt()
            raise NowhereError(f"no master is known that has {key!r}")
        return found

    def at(self, shard: Shard) -> Redis:
        """Return the client of the master that has a shard's keys.

        Raises:
            NowhereError: none is known at the moment.
        """
        return self.of(shard.tag)

    def by_node(self, shards: Iterable[Shard]) -> dict[Redis, list[Shard]]:
        """Return the shards by the clients of their masters; those that lie nowhere at the moment are left off."""
        placed: dict[Redis, list[Shard]] = defaultdict(list)
        for shard in shards:
            redis = self._find(shard.tag)
            if redis is None:
                self.doubt()
            else:
                placed[redis].append(shard)
        return dict(placed)

    async def each(
        self,
        items: Sequence[T],
        shard_of: Callable[[T], Shard],
        ask: Callable[[Redis, T], object],
        *,
        raise_on_error: bool = True,
    ) -> list[Any]:
        """Return the reply for each item, after one round trip to each node, side by side.

        ``ask`` puts an item's one command on the pipeline of its node. With ``raise_on_error`` off an error stands
        in place of the reply; trouble with a node is the reply for all that was to be asked there.

        Raises:
            RedisError, OSError: the first error among the replies; the other commands may have been executed.
        """
        parts = self._parts(items, shard_of)
        if len(parts) == 1 and parts[0][0] is not None:
            replies = await _ask_all(parts[0][0], items, ask)
        else:
            replies = await self._each_apart(parts, items, ask)
        if raise_on_error:
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
        return replies

    def masters(self) -> Sequence[Redis]:
        """Return the clients of all masters that are known; none before the first `refresh` of several."""
        return [self._only]

    def reader(self, redis: Redis) -> StreamReader:
        """Return what reads the streams of one of the masters."""
        return StreamReader(redis, is_apart=self.is_cluster)

    def quick_reader(self, redis: Redis) -> QuickStreamReader:
        """Return the same for who reads all the time, and closes it when the server may be another one."""
        return QuickStreamReader(redis, is_apart=self.is_cluster)

    async def ping(self) -> None:
        """Return if at least one master answers.

        Raises:
            RedisError, OSError: none does.
        """
        trouble: BaseException = NowhereError("no master is known")
        for redis in self.masters():
            try:
                await redis.ping()
            except TROUBLE as error:
                trouble = error
            else:
                return
        self.doubt()
        raise trouble

    async def refresh(self) -> None:
        """Look where everything lies now.

        Raises:
            RedisError, OSError: nobody can tell; what was known stays.
        """

    def doubt(self) -> None:
        """Have it looked up soon; returns at once."""

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called whenever a shard may lie elsewhere than before."""

    async def aclose(self) -> None:
        """Close every connection."""
        await self._only.aclose()

    def _find(self, key: str) -> Redis | None:
        return self._only

    def _parts(
        self, items: Sequence[T], shard_of: Callable[[T], Shard]
    ) -> list[tuple[Redis | None, list[int]]]:
        parts: dict[Redis | None, list[int]] = defaultdict(list)
        for index, item in enumerate(items):
            parts[self._find(shard_of(item).tag)].append(index)
        return list(parts.items())

    async def _each_apart(
        self,
        parts: list[tuple[Redis | None, list[int]]],
        items: Sequence[T],
        ask: Callable[[Redis, T], object],
    ) -> list[Any]:
        async def answers(redis: Redis | None, indices: list[int]) -> list[Any]:
            try:
                if redis is None:
                    self.doubt()
                    raise NowhereError("no master is known that has the shard")
                return await _ask_all(redis, [items[index] for index in indices], ask)
            except TROUBLE as error:
                return [error] * len(indices)

        replies: list[Any] = [None] * len(items)
        for (_, indices), found in zip(
            parts, await asyncio.gather(*(answers(*part) for part in parts)), strict=True
        ):
            for index, reply in zip(indices, found, strict=True):
                replies[index] = reply
        return replies


async def _ask_all(redis: Redis, items: Sequence[T], ask: Callable[[Redis, T], object]) -> list[Any]:
    async with redis.pipeline(transaction=False) as pipe:
        for item in items:
            ask(pipe, item)
        return await pipe.execute(raise_on_error=False)


class FollowedNodes(Nodes):
    """Masters that change: after a failover, or when slots move. Nothing is known before the first `refresh`.

    ``open_node`` returns the client of an address; it reports what shakes our belief in the topology.
    """

    def __init__(
        self, look: Look, open_node: Callable[[Address, OnDoubt], Redis], *, is_cluster: bool = False
    ) -> None:
        self.is_cluster = is_cluster
        self._look = look
        self._open_node = open_node
        self._clients: dict[Address, Redis] = {}
        self._by_slot: list[Redis | None] = [None] * SLOT_COUNT
        self._callbacks: list[Callable[[], None]] = []
        self._looking: asyncio.Task[None] | None = None
        self._look_again = False
        self._leaving: set[asyncio.Task[None]] = set()

    def masters(self) -> Sequence[Redis]:
        """Return the clients of all masters that were found last."""
        return list(self._clients.values())

    async def refresh(self) -> None:
        """See `Nodes.refresh`."""
        self._take(await self._look())

    def doubt(self) -> None:
        """See `Nodes.doubt`; however often it is called, it is looked up at most some ten times a second."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_until_sure())
        else:
            self._look_again = True

    def on_change(self, callback: Callable[[], None]) -> None:
        """See `Nodes.on_change`."""
        self._callbacks.append(callback)

    async def aclose(self) -> None:
        """See `Nodes.aclose`."""
        if self._looking is not None:
            self._looking.cancel()
        for redis in self._clients.values():
            await redis.aclose()

    def _find(self, key: str) -> Redis | None:
        return self._by_slot[key_slot(key.encode())]

    async def _look_until_sure(self) -> None:
        while True:
            self._look_again = False
            try:
                await self.refresh()
            except (*TROUBLE, CoeditError) as error:
                logger.warning(
                    "the masters cannot be looked up", extra={"event": "topology-error", "error": repr(error)}
                )
            await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)
            if not self._look_again:
                return

    def _take(self, places: Places) -> None:
        before = self._by_slot
        by_slot: list[Redis | None] = [None] * SLOT_COUNT
        gone = {address: redis for address, redis in self._clients.items() if address not in places}
        for address, ranges in places.items():
            if address not in self._clients:
                self._clients[address] = self._open_node(address, self.doubt)
            for slots in ranges:
                by_slot[slots.start : slots.stop] = [self._clients[address]] * len(slots)
        if by_slot == before:
            return
        self._by_slot = by_slot
        for address in gone:
            del self._clients[address]
        names = sorted(f"{host}:{port}" for host, port in places)
        logger.info("masters found", extra={"event": "topology", "masters": names})
        for callback in self._callbacks:
            callback()
        for redis in gone.values():
            task = asyncio.get_running_loop().create_task(_leave(redis))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)


async def _leave(redis: Redis) -> None:
    """Cut all connections to a node that is no master any more: whoever waits for it must not wait on."""
    try:
        await redis.connection_pool.disconnect()
    except TROUBLE as error:
        logger.info("a former master's connection", extra={"event": "topology", "error": repr(error)})
