"""One endpoint's loop: what is due for it, sent; what does not arrive is tried again, and at last put aside."""

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Sequence

from coedit.protocol.webhooks.endpoints import Endpoint
from coedit.protocol.webhooks.retries import delay_seconds
from coedit.runtime.lifecycle import until_stopped
from coedit.store.keys import Shard
from coedit.store.webhooks.deliveries import Deliveries, Delivery
from services.snapshotter.metrics import WEBHOOK_ATTEMPTS, WEBHOOK_DROPPED
from services.snapshotter.webhooks.sender import Attempt, Sender
from services.snapshotter.webhooks.taking import Taker

logger = logging.getLogger(__name__)

_AT_ONCE = 10
"""So many events are under way to an endpoint at a time."""
_AILING_AFTER = 5
"""After so many failures in a row, one at a time, until one arrives: who is away need not be asked ten times."""
_LONGEST_PAUSE_SECONDS = 3600.0


class Delivering:
    """Tells one endpoint of what happened in the shards that are held."""

    def __init__(
        self,
        endpoint: Endpoint,
        deliveries: Deliveries,
        sender: Sender,
        taker: Taker,
        held: Callable[[], Collection[Shard]],
        delays: Sequence[float],
    ) -> None:
        self._endpoint = endpoint
        self._deliveries = deliveries
        self._sender = sender
        self._taker = taker
        self._held = held
        self._delays = delays
        self._failed_in_a_row = 0
        self._pause_seconds = 0.0

    async def step(self, stop: asyncio.Event, idle_seconds: float) -> None:
        """Send what is due, and wait a little if nothing was.

        Raises:
            RedisError, OSError: Redis cannot do it now; what was sent may be sent again.
        """
        if not await self.work():
            await until_stopped(stop, max(idle_seconds, self._pause_seconds))
            self._pause_seconds = 0.0

    async def work(self) -> bool:
        """Send some of what is due; return whether to look for more at once."""
        state = self._taker.known.get(self._endpoint.name)
        if state is None:
            return False
        if state.is_disabled:
            await self._give_up_all()
            return False
        most = 1 if self._failed_in_a_row >= _AILING_AFTER else _AT_ONCE
        due = await self._deliveries.due(self._endpoint.name, self._held(), most)
        # All of them to their ends: what is under way is not begun once more.
        for error in await asyncio.gather(*map(self._deliver, due[:most]), return_exceptions=True):
            if error is not None:
                raise error
        return bool(due) and not self._pause_seconds

    async def _give_up_all(self) -> None:
        """Put aside what waits for an endpoint that is disabled."""
        for shard in self._held():
            for delivery in await self._deliveries.oldest(self._endpoint.name, shard, _AT_ONCE):
                await self._put_aside(delivery, delivery.attempts, "the endpoint is disabled")

    async def _deliver(self, delivery: Delivery) -> None:
        attempt = await self._sender.attempt(self._endpoint, delivery)
        attempts = delivery.attempts + 1
        if attempt.outcome == "delivered":
            self._failed_in_a_row = 0
            await self._deliveries.delivered(delivery)
            WEBHOOK_ATTEMPTS.labels("delivered").inc()
            logger.debug("an event was delivered", extra=self._facts(delivery, attempts, "webhook"))
            return
        self._failed_in_a_row += 1
        if attempt.is_busy:
            self._pause_seconds = min(_LONGEST_PAUSE_SECONDS, max(1.0, attempt.retry_after_seconds))
        if attempt.outcome == "gone":
            await self._taker.disable(self._endpoint)
        await self._see_to(delivery, attempts, attempt)

    async def _see_to(self, delivery: Delivery, attempts: int, attempt: Attempt) -> None:
        """Have what was not delivered tried again, or put it aside."""
        chance = random.random()
        delay = delay_seconds(self._delays, attempts, chance, attempt.retry_after_seconds)
        if attempt.outcome == "gone" or delay is None:
            await self._put_aside(delivery, attempts, attempt.reason)
            return
        await self._deliveries.postpone(delivery, attempts, delay)
        WEBHOOK_ATTEMPTS.labels("postponed").inc()
        facts = self._facts(delivery, attempts, "webhook-postponed")
        facts |= {"reason": attempt.reason, "delay_seconds": round(delay, 3)}
        logger.info("an event was not delivered, and is tried again", extra=facts)

    async def _put_aside(self, delivery: Delivery, attempts: int, reason: str) -> None:
        forgotten = await self._deliveries.give_up(delivery, attempts, reason)
        WEBHOOK_ATTEMPTS.labels("failed").inc()
        WEBHOOK_DROPPED.labels("failures").inc(forgotten or 0)
        facts = self._facts(delivery, attempts, "webhook-failed")
        logger.warning("an event is given up, and among the failures", extra=facts | {"reason": reason})

    def _facts(self, delivery: Delivery, attempts: int, event: str) -> dict[str, str | int | float]:
        return {
            "event": event,
            "endpoint": self._endpoint.name,
            "message_id": delivery.message_id,
            "kind": delivery.kind,
            "attempts": attempts,
        }
