"""One consuming loop for each Redis node that has shards of ours, so that trouble with one holds up no other.

The loops share nothing that they change: a shard that moves to another node is dropped by one and gained by the
other, and where both still believe in it for a moment, the script lets only one write.
"""

from collections.abc import Callable, Iterable

from redis.asyncio import Redis

from coedit.runtime.lanes import Lanes
from coedit.store.keys import Shard
from coedit.store.topology import Nodes
from services.transformer.consume import Consumer


class ConsumerLanes:
    """Starts and ends consumers as shards and nodes come and go; ``make`` returns the consumer for a node."""

    def __init__(self, nodes: Nodes, make: Callable[[Redis], Consumer], lanes: Lanes[Redis]) -> None:
        self._nodes = nodes
        self._make = make
        self._lanes = lanes
        self._consumers: dict[Redis, Consumer] = {}
        self._held: frozenset[Shard] = frozenset()
        nodes.on_change(self._follow)

    def own(self, held: Iterable[Shard]) -> None:
        """Say which shards to consume from now on."""
        self._held = frozenset(held)
        self._follow()

    def _follow(self) -> None:
        placed = self._nodes.by_node(self._held)
        for redis in self._consumers.keys() - set(self._nodes.masters()):
            self._lanes.end(redis)
            del self._consumers[redis]
        for redis in placed.keys() - self._consumers.keys():
            self._start(redis)
        for redis, consumer in self._consumers.items():
            consumer.own(frozenset(placed.get(redis, ())))

    def _start(self, redis: Redis) -> None:
        consumer = self._consumers[redis] = self._make(redis)

        async def step() -> None:
            try:
                await consumer.step()
            except Exception:
                consumer.recover()
                raise

        self._lanes.start(redis, step)
