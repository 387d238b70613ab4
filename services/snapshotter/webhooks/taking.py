"""What happened, put into the queues of the endpoints that want to be told of it; and what else is known of them."""

import logging
from collections.abc import Callable, Collection, Sequence

from coedit.protocol.webhooks.endpoints import Endpoint
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.webhooks.deliveries import Deliveries
from coedit.store.webhooks.happened import HappenedStream, Taken
from coedit.store.webhooks.states import EndpointStates, State
from services.snapshotter.metrics import WEBHOOK_DISABLED, WEBHOOK_DROPPED, WEBHOOK_EVENTS

logger = logging.getLogger(__name__)


class Taker:
    """Takes what happened in the shards that are held; ``waiting`` is how much of a shard may wait for an endpoint."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        happened: HappenedStream,
        deliveries: Deliveries,
        states: EndpointStates,
        held: Callable[[], Collection[Shard]],
        *,
        waiting: int,
    ) -> None:
        self._endpoints = endpoints
        self._happened = happened
        self._deliveries = deliveries
        self._states = states
        self._held = held
        self._most = waiting
        self._begun: set[Shard] = set()
        self.known: dict[str, State] = {}
        """The endpoints as they were found last, by name."""

    async def disable(self, endpoint: Endpoint) -> None:
        """Tell an endpoint nothing any more: it said that it is gone.

        Raises:
            RedisError, OSError: it may or may not be noted.
        """
        state = self.known.get(endpoint.name) or State(endpoint.digest, tuple(sorted(endpoint.events)))
        self.known[endpoint.name] = await self._states.disable(endpoint.name, state)
        facts = {"event": "webhook-disabled", "endpoint": endpoint.name}
        logger.warning("an endpoint said that it is gone, and is told nothing any more", extra=facts)

    async def step(self) -> bool:
        """Take what happened since; return whether there may be more of it.

        Raises:
            RedisError, OSError: Redis cannot do it now.
        """
        held = set(self._held())
        gained, self._begun = held - self._begun, held
        if not self._endpoints:
            await self._end(gained)
            return False
        await self._look()
        WEBHOOK_DISABLED.set(sum(state.is_disabled for state in self.known.values()))
        await self._happened.begin(held)  # each time: a Redis that lost its data has lost them, too
        await self._forget(gained)
        told = [one for one in self._endpoints if not self.known[one.name].is_disabled]
        found = await self._happened.read(held)
        for shard, events in found.items():
            taken = await self._happened.take(shard, events, told)
            for event in events:
                WEBHOOK_EVENTS.labels(event.kind or "unknown").inc()
            await self._see_to_surplus(shard, told, taken)
        return bool(found)

    async def _look(self) -> None:
        """Look which endpoints are disabled; what was known stands while the node that says so is away."""
        try:
            self.known = await self._states.note(self._endpoints)
        except TROUBLE as error:
            if not self.known:
                raise
            facts = {"event": "webhook-states", "error": repr(error)}
            logger.warning("whether an endpoint is disabled cannot be found out now", extra=facts)

    async def _end(self, shards: Collection[Shard]) -> None:
        """Have nothing gathered any more: there is nobody to tell."""
        if shards:
            await self._happened.end(shards)
            await self._forget(shards)

    async def _forget(self, shards: Collection[Shard]) -> None:
        """Drop what waits for endpoints that are none any more."""
        names = {endpoint.name for endpoint in self._endpoints}
        dropped = sum([await self._deliveries.forget_others(shard, names) for shard in shards])
        _tell_dropped("unwanted", dropped)

    async def _see_to_surplus(self, shard: Shard, told: Sequence[Endpoint], taken: Taken) -> None:
        _tell_dropped("happened", taken.dropped, shard=shard.number)
        for endpoint, waiting in zip(told, taken.waiting, strict=True):
            if waiting > self._most:
                await self._put_aside(shard, endpoint.name, waiting - self._most)

    async def _put_aside(self, shard: Shard, endpoint: str, count: int) -> None:
        """Put what has been waiting for longest among the failures: the newest says more."""
        forgotten, oldest = 0, await self._deliveries.oldest(endpoint, shard, count)
        for delivery in oldest:
            gone = await self._deliveries.give_up(delivery, delivery.attempts, "too much was waiting")
            forgotten += gone or 0
        _tell_dropped("waiting", len(oldest), shard=shard.number, endpoint=endpoint)
        _tell_dropped("failures", forgotten, shard=shard.number)


def _tell_dropped(reason: str, count: int, **facts: str | int) -> None:
    if count:
        WEBHOOK_DROPPED.labels(reason).inc(count)
        facts |= {"event": "webhooks-dropped", "reason": reason, "count": count}
        logger.warning("events for applications were let go of", extra=facts)
