"""One consuming loop for each Redis node that has shards of ours, so that trouble with one holds up no other.

The loops share nothing that they change: a shard that moves to another node is dropped by one and gained by the
other, and where both still believe in it for a moment, the script lets only one write.
"""

from collections.abc import Callable

from redis.asyncio import Redis

from coedit.runtime.lanes import Lanes
from coedit.store.keys import Shard
from coedit.store.redis.server_pin import ServerChangedError
from coedit.store.redis.topology import Nodes
from services.transformer.loop.consume import Consumer
from services.transformer.recovery.recover import Recovery
from services.transformer.recovery.unsaved import Unsaved


class ConsumerLanes:
    """Starts and ends consumers as shards and nodes come and go; ``make`` returns the consumer for a node.

    What is consumed is what ``recovery`` finds sound.
    """

    def __init__(
        self, nodes: Nodes, recovery: Recovery, make: Callable[[Redis], Consumer], lanes: Lanes[Redis]
    ) -> None:
        self._nodes = nodes
        self._recovery = recovery
        self._make = make
        self._lanes = lanes
        self._consumers: dict[Redis, Consumer] = {}
        self._held: set[Shard] = set()
        nodes.on_change(self._place)
        recovery.on_cleared = self._place

    async def follow(self, held: set[Shard]) -> None:
        """Examine the shards that were gained or moved, and consume those that are sound.

        Raises:
            RedisError, OSError: Redis cannot tell now; what was not examined is not consumed.
        """
        self._held = held
        try:
            await self._recovery.follow(held)
        finally:
            self._place()

    async def let_go_of_changed(self) -> None:
        """Begin anew with each node that is another server now, where there is no consumer to find it out.

        So it is while all shards there are suspect: a process that was started after one loss, and meets the next.
        """
        for redis in set(self._nodes.masters()) - self._consumers.keys():
            if self._recovery.pins.of(redis).has_changed:
                self._recovery.forget(redis, ())
                await self._let_go(redis)

    def unsaved(self) -> list[Unsaved]:
        """Return what each consumer keeps until snapshots cover it."""
        return [consumer.unsaved for consumer in self._consumers.values()]

    def interrupt(self) -> None:
        """End every wait for submissions, as `Consumer.interrupt` does."""
        for consumer in self._consumers.values():
            consumer.interrupt()

    def close(self) -> None:
        """End the connections of all consumers, whose loops have ended."""
        for consumer in self._consumers.values():
            consumer.close()

    def _place(self) -> None:
        placed = self._nodes.by_node(self._recovery.sound())
        for redis in self._consumers.keys() - set(self._nodes.masters()):
            self._lanes.end(redis)
            # Whoever takes over may lack what we know to be stored.
            self._recovery.forget(redis, self._consumers.pop(redis).recover())
        for redis in placed.keys() - self._consumers.keys():
            self._start(redis)
        for redis, consumer in self._consumers.items():
            consumer.own(frozenset(placed.get(redis, ())))

    def _start(self, redis: Redis) -> None:
        consumer = self._consumers[redis] = self._make(redis)

        async def step() -> None:
            try:
                await self._step(redis, consumer)
            except Exception:
                await self._recover(redis, consumer)
                raise

        self._lanes.start(redis, step)

    async def _step(self, redis: Redis, consumer: Consumer) -> None:
        if self._recovery.pins.of(redis).has_changed:
            raise ServerChangedError("Redis restarted, or another server took over")
        await consumer.step()

    async def _recover(self, redis: Redis, consumer: Consumer) -> None:
        """Begin anew with a node: whatever was known of its shards may not be so any more."""
        self._recovery.forget(redis, consumer.recover())
        self._place()
        await self._let_go(redis)
        await self.follow(self._held)

    async def _let_go(self, redis: Redis) -> None:
        pin = self._recovery.pins.of(redis)
        if pin.has_changed:
            # What is still connected to the server that was may not be used any more.
            await redis.connection_pool.disconnect()
            pin.release()
