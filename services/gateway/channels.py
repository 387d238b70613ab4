"""One connection to Redis on which all channels of this gateway's open documents come in."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

logger = logging.getLogger(__name__)

OnMessage = Callable[[bytes], None]
OnSubscribed = Callable[[], None]
_CONFIRM_SECONDS = 5.0
_PING_SECONDS = 15.0


class Channels:
    """Sharded pub/sub: `subscribe` returns once Redis has confirmed, so that nothing read later can be missed.

    After a lost connection every channel is subscribed again, and ``on_subscribed`` of each is called once more.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pubsub = redis.pubsub()
        self._listeners: dict[bytes, tuple[OnMessage, OnSubscribed]] = {}
        self._confirmations: dict[bytes, asyncio.Future[None]] = {}
        self._any = asyncio.Event()
        self._is_asked = False
        """A ping went out, and nothing came since."""

    async def subscribe(self, channel: str, on_message: OnMessage, on_subscribed: OnSubscribed) -> None:
        """Subscribe to a channel; return when Redis says so.

        Raises:
            RedisError, OSError, TimeoutError: it did not.
        """
        name = channel.encode()
        self._listeners[name] = (on_message, on_subscribed)
        confirmed = self._confirmations[name] = asyncio.get_running_loop().create_future()
        try:
            await self._pubsub.ssubscribe(channel)
            self._any.set()
            # Not `wait_for`: in Python 3.11 it swallows a cancellation that comes together with the answer.
            async with asyncio.timeout(_CONFIRM_SECONDS):
                await confirmed
        except BaseException:
            await self.unsubscribe(channel)
            raise
        finally:
            self._confirmations.pop(name, None)

    async def unsubscribe(self, channel: str) -> None:
        """Leave a channel; nothing more comes from it."""
        self._listeners.pop(channel.encode(), None)
        try:
            await self._pubsub.sunsubscribe(channel)
        except (OSError, Exception) as error:  # noqa: BLE001 - a lost connection has no subscriptions
            logger.info("unsubscribing failed", extra={"event": "unsubscribe-error", "error": repr(error)})

    async def step(self) -> None:
        """Take in one message; sleep while there is no channel.

        Raises:
            RedisError, OSError: the connection is gone; the next step subscribes again.
        """
        if not self._listeners:
            self._any.clear()
            await self._any.wait()
        message = await self._pubsub.get_message(timeout=_PING_SECONDS)
        if message is None:
            await self._ask_for_life()
            return
        self._is_asked = False
        self._dispatch(message)

    async def close(self) -> None:
        """End the connection."""
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _ask_for_life(self) -> None:
        """Send a ping: without traffic only its answer shows that the other end is still there."""
        if self._is_asked:
            self._is_asked = False
            connection: Any = self._pubsub.connection  # redis-py declares no type for it
            await connection.disconnect(nowait=True)
            raise RedisConnectionError("no answer to a ping")
        self._is_asked = True
        await self._pubsub.ping()

    def _dispatch(self, message: dict[str, Any]) -> None:
        name = message["channel"]
        listener = self._listeners.get(name)
        if message["type"] == "ssubscribe":
            confirmation = self._confirmations.get(name)
            if confirmation is not None and not confirmation.done():
                confirmation.set_result(None)
            elif listener is not None:
                listener[1]()
        elif message["type"] == "smessage" and listener is not None:
            listener[0](message["data"])
