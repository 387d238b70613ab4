"""One connection to each Redis node, on which all channels of this gateway's open documents come in."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from redis.asyncio import Connection, Redis
from redis.asyncio.client import PubSub
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.runtime.lanes import Lanes
from coedit.store.redis_connection import TROUBLE
from coedit.store.topology import Nodes

logger = logging.getLogger(__name__)

OnMessage = Callable[[bytes], None]
OnSubscribed = Callable[[], None]
Hear = Callable[["Line", dict[str, Any]], None]
_CONFIRM_SECONDS = 5.0
_PING_SECONDS = 15.0


class Line:
    """The connection to one node, and the channels that are subscribed over it.

    After it was lost, the next `step` opens it anew and subscribes all of them again; ``hear`` gets whatever comes.
    """

    def __init__(self, redis: Redis, hear: Hear) -> None:
        self.names: set[bytes] = set()
        self._redis = redis
        self._hear = hear
        self._pubsub: PubSub | None = None
        self._opening = asyncio.Lock()
        self._leaving: Counter[bytes] = Counter()
        """Channels that were unsubscribed from, and how many answers to that are to come."""
        self._any = asyncio.Event()
        self._is_asked = False
        """A ping went out, and nothing came since."""

    async def add(self, names: Iterable[bytes]) -> None:
        """Subscribe to channels: now and after each loss, until `remove`.

        Raises:
            RedisError, OSError: the line is lost at the moment.
        """
        names = list(names)
        self.names.update(names)
        self._any.set()
        async with self._opening:
            try:
                if self._pubsub is None:
                    pubsub, names = _ShardPubSub(self._redis.connection_pool), list(self.names)
                    await pubsub.connect()  # type: ignore[no-untyped-call]
                    self._pubsub = pubsub
                await _subscribe(self._pubsub, names)
            except (RuntimeError, AttributeError) as error:
                # redis-py tries to connect again, while whoever listens waits on the connection that was lost,
                # or takes it away.
                await self.close()
                raise RedisConnectionError("the connection was lost") from error
            except BaseException:
                await self.close()
                raise

    async def remove(self, name: bytes) -> None:
        """Unsubscribe from a channel; nothing more is asked of it."""
        self.names.discard(name)
        if self._pubsub is None:
            return
        self._leaving[name] += 1
        try:
            await self._pubsub.sunsubscribe(name)
        except (OSError, Exception) as error:  # noqa: BLE001 - a lost connection has no subscriptions
            logger.info("unsubscribing failed", extra={"event": "unsubscribe-error", "error": repr(error)})

    async def step(self) -> None:
        """Take in one message; sleep while there is no channel.

        Raises:
            RedisError, OSError: the line is lost; the next step opens it again.
        """
        if not self.names:
            self._any.clear()
            await self._any.wait()
        try:
            await self._listen()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the connection."""
        pubsub, self._pubsub = self._pubsub, None
        self._leaving.clear()
        self._is_asked = False
        if pubsub is not None:
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    def was_asked(self, name: bytes) -> bool:
        """Return whether the end of a subscription, of which was just heard, is an answer to `remove`."""
        if self._leaving[name] == 0:
            return False
        self._leaving[name] -= 1
        return True

    async def _listen(self) -> None:
        if self._pubsub is None:
            await self.add(())
        assert self._pubsub is not None  # noqa: S101 - for the type checker
        message = await self._pubsub.get_message(timeout=_PING_SECONDS)
        if message is None:
            await self._ask_for_life(self._pubsub)
            return
        self._is_asked = False
        self._hear(self, message)

    async def _ask_for_life(self, pubsub: PubSub) -> None:
        """Send a ping: without traffic only its answer shows that the other end is still there."""
        if self._is_asked:
            raise RedisConnectionError("no answer to a ping")
        self._is_asked = True
        await pubsub.ping()


class _ShardPubSub(PubSub):
    """Does not subscribe again by itself: on a cluster it would name channels of several slots in one command."""

    async def on_connect(self, connection: Connection) -> None:
        raise RedisConnectionError("the connection was lost")


async def _subscribe(pubsub: PubSub, names: Iterable[bytes]) -> None:
    by_slot: dict[int, list[bytes]] = {}
    for name in names:
        by_slot.setdefault(key_slot(name), []).append(name)
    for of_slot in by_slot.values():
        await pubsub.ssubscribe(*of_slot)


class _Listener:
    """Who listens to a channel, and over which line; None: it must be subscribed to again."""

    __slots__ = ("confirmed", "line", "on_message", "on_subscribed")

    def __init__(self, line: Line, on_message: OnMessage, on_subscribed: OnSubscribed) -> None:
        self.line: Line | None = line
        self.on_message = on_message
        self.on_subscribed = on_subscribed
        self.confirmed: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()


class Channels:
    """Sharded pub/sub: `subscribe` returns once Redis has confirmed, so that nothing read later can be missed.

    After a lost connection, a failover or the move of a slot every channel concerned is subscribed again, where
    it is now, and ``on_subscribed`` of each is called once more.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._lines: dict[Redis, Line] = {}
        self._lanes: Lanes[Redis] | None = None
        self._listeners: dict[bytes, _Listener] = {}
        self._has_moved = asyncio.Event()
        nodes.on_change(self._has_moved.set)

    def run_on(self, lanes: Lanes[Redis]) -> None:
        """Take in what comes, in a loop for each node."""
        self._lanes = lanes
        for redis, line in self._lines.items():
            lanes.start(redis, line.step)

    async def subscribe(self, channel: str, on_message: OnMessage, on_subscribed: OnSubscribed) -> None:
        """Subscribe to a channel; return when Redis says so.

        Raises:
            RedisError, OSError, TimeoutError: it did not.
        """
        name = channel.encode()
        line = self._line(channel)
        listener = self._listeners[name] = _Listener(line, on_message, on_subscribed)
        assert listener.confirmed is not None  # noqa: S101 - for the type checker
        try:
            await line.add([name])
            # Not `wait_for`: in Python 3.11 it swallows a cancellation that comes together with the answer.
            async with asyncio.timeout(_CONFIRM_SECONDS):
                await listener.confirmed
        except BaseException:
            await self.unsubscribe(channel)
            raise
        finally:
            listener.confirmed = None

    async def unsubscribe(self, channel: str) -> None:
        """Leave a channel; nothing more comes from it."""
        name = channel.encode()
        listener = self._listeners.pop(name, None)
        if listener is not None and listener.line is not None:
            await listener.line.remove(name)

    async def step(self) -> None:
        """Wait until channels lie elsewhere, and subscribe to them there.

        Raises:
            RedisError, OSError: some cannot be at the moment; the next step tries again.
        """
        await self._has_moved.wait()
        try:
            if any(listener.line is None for listener in self._listeners.values()):
                await self._nodes.refresh()
            self._has_moved.clear()
            await self._follow()
        except BaseException:
            self._has_moved.set()
            raise

    async def close(self) -> None:
        """End the connections."""
        for line in self._lines.values():
            await line.close()

    async def _follow(self) -> None:
        moving: dict[Line, list[bytes]] = {}
        for name, listener in self._listeners.items():
            line = self._line(name.decode())
            if line is not listener.line:
                moving.setdefault(line, []).append(name)
        for line, names in moving.items():
            for name in names:
                await self._move(name, line)
            try:
                await line.add([name for name in names if name in self._listeners])
            except TROUBLE as error:
                # Its own loop opens it again, and then subscribes to all that it was given.
                logger.info("a line is lost", extra={"event": "line-error", "error": repr(error)})
        await self._close_idle()

    async def _move(self, name: bytes, line: Line) -> None:
        listener = self._listeners.get(name)
        if listener is None:
            return
        before, listener.line = listener.line, line
        if before is not None:
            await before.remove(name)

    async def _close_idle(self) -> None:
        """End the lines to nodes that are no masters any more."""
        masters = set(self._nodes.masters())
        for redis in [
            redis for redis, line in self._lines.items() if redis not in masters and not line.names
        ]:
            if self._lanes is not None:
                self._lanes.end(redis)
            await self._lines.pop(redis).close()

    def _line(self, channel: str) -> Line:
        redis = self._nodes.of(channel)
        line = self._lines.get(redis)
        if line is None:
            line = self._lines[redis] = Line(redis, self._hear)
            if self._lanes is not None:
                self._lanes.start(redis, line.step)
        return line

    def _hear(self, line: Line, message: dict[str, Any]) -> None:
        name = message["channel"]
        listener = self._listeners.get(name)
        if message["type"] == "smessage":
            if listener is not None:
                listener.on_message(message["data"])
        elif message["type"] == "ssubscribe":
            if listener is not None:
                _confirm(listener)
        elif message["type"] == "sunsubscribe" and not line.was_asked(name):
            self._lose(line, name, listener)

    def _lose(self, line: Line, name: bytes, listener: _Listener | None) -> None:
        """Take note that a node gave up a channel by itself: its slot is somewhere else now."""
        line.names.discard(name)
        if listener is not None and listener.line is line:
            listener.line = None
            self._has_moved.set()


def _confirm(listener: _Listener) -> None:
    confirmed = listener.confirmed
    if confirmed is not None and not confirmed.done():
        confirmed.set_result(None)
    elif confirmed is None:
        listener.on_subscribed()
