"""How much waits in the shards that are owned, and for how long: by shard, for who looks after the whole."""

from collections.abc import Callable, Collection

from coedit.store.keys import Shard
from coedit.store.streams.ops import OpsStream, Queue
from services.transformer.metrics import QUEUE_AGE_SECONDS, QUEUED


class Queues:
    """Keeps a value for each shard that ``held`` returns, and none for the others."""

    def __init__(self, ops: OpsStream, held: Callable[[], Collection[Shard]]) -> None:
        self._ops = ops
        self._held = held
        self._told: set[Shard] = set()
        self.longest = Queue(0, 0.0)
        """What was in the shard that was furthest behind."""

    async def look(self) -> None:
        """Ask Redis once.

        Raises:
            RedisError, OSError: it cannot be asked now.
        """
        queues = await self._ops.queues(sorted(self._held(), key=lambda shard: shard.number))
        for shard, queue in queues.items():
            label = str(shard.number)
            QUEUED.labels(label).set(queue.length)
            QUEUE_AGE_SECONDS.labels(label).set(queue.age_seconds)
        for shard in self._told - queues.keys():
            QUEUED.remove(str(shard.number))
            QUEUE_AGE_SECONDS.remove(str(shard.number))
        self._told = set(queues)
        self.longest = max(queues.values(), key=lambda queue: queue.age_seconds, default=Queue(0, 0.0))
