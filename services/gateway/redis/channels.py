"""One connection to each Redis node, on which all channels of this gateway's open documents come in."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.runtime.lanes import Lanes
from coedit.runtime.tracing.active import observe
from coedit.store.redis.clocks import Clocks
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.pubsub_line import PubSubLine
from coedit.store.redis.raw_line import greeted
from coedit.store.redis.topology import Nodes
from services.gateway.metrics import RECEIPT_TO_BROADCAST_SECONDS

logger = logging.getLogger(__name__)

OnMessage = Callable[[bytes], tuple[int, str] | None]
"""May return when Redis took in what the message tells of (ms since 1970; 0: unknown), and a trace's id or nothing,
once it was told to all."""
OnSubscribed = Callable[[], None]
Hear = Callable[["Line", bytes, bytes, bytes], None]
"""As `coedit.store.redis.pubsub_line.Hear`, with the line."""
_CONFIRM_SECONDS = 5.0
_PING_SECONDS = 15.0


class Line:
    """The connection to one node, and the channels that are subscribed over it.

    After it was lost, the next `step` opens it anew and subscribes all of them again; ``hear`` gets whatever comes.
    """

    def __init__(self, redis: Redis, hear: Hear) -> None:
        self.names: set[bytes] = set()
        self.redis = redis
        self._hear = hear
        self._pubsub: PubSubLine | None = None
        self._opening = asyncio.Lock()
        self._leaving: Counter[bytes] = Counter()
        """Channels that were unsubscribed from, and how many answers to that are to come."""
        self._any = asyncio.Event()

    async def add(self, names: Iterable[bytes]) -> None:
        """Subscribe to channels: now and after each loss, until `remove`.

        Raises:
            RedisError, OSError: the line is lost at the moment.
        """
        names = list(names)
        self.names.update(names)
        self._any.set()
        async with self._opening:
            if self._pubsub is None:
                connection = await greeted(self.redis)
                self._pubsub, names = PubSubLine(connection, partial(self._hear, self)), list(self.names)
            self._pubsub.subscribe(names)

    def remove(self, name: bytes) -> None:
        """Unsubscribe from a channel; nothing more is asked of it."""
        self.names.discard(name)
        if self._pubsub is not None:
            self._leaving[name] += 1
            self._pubsub.unsubscribe(name)

    async def step(self) -> None:
        """Let messages come in, until it is time to ask for a sign of life; sleep while there is no channel.

        Raises:
            RedisError, OSError: the line is lost; the next step opens it again.
        """
        if not self.names:
            self._any.clear()
            await self._any.wait()
        if self._pubsub is None:
            await self.add(())
        assert self._pubsub is not None  # noqa: S101 - for the type checker
        try:
            await self._pubsub.watch(_PING_SECONDS)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection."""
        pubsub, self._pubsub = self._pubsub, None
        self._leaving.clear()
        if pubsub is not None:
            pubsub.end(RedisConnectionError("the line was closed"), is_doubtful=False)

    def was_asked(self, name: bytes) -> bool:
        """Return whether the end of a subscription, of which was just heard, is an answer to `remove`."""
        if self._leaving[name] == 0:
            return False
        self._leaving[name] -= 1
        return True


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
    it is now, and ``on_subscribed`` of each is called once more. With ``clocks`` it is measured how long after Redis
    took them commits are told.
    """

    def __init__(self, nodes: Nodes, clocks: Clocks | None = None) -> None:
        self._nodes = nodes
        self._clocks = clocks
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
            self.unsubscribe(channel)
            raise
        finally:
            listener.confirmed = None

    def unsubscribe(self, channel: str) -> None:
        """Leave a channel; nothing more comes from it."""
        name = channel.encode()
        listener = self._listeners.pop(name, None)
        if listener is not None and listener.line is not None:
            listener.line.remove(name)

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

    def close(self) -> None:
        """End the connections."""
        for line in self._lines.values():
            line.close()

    async def _follow(self) -> None:
        moving: dict[Line, list[bytes]] = {}
        for name, listener in self._listeners.items():
            line = self._line(name.decode())
            if line is not listener.line:
                moving.setdefault(line, []).append(name)
        for line, names in moving.items():
            for name in names:
                self._move(name, line)
            try:
                await line.add([name for name in names if name in self._listeners])
            except TROUBLE as error:
                # Its own loop opens it again, and then subscribes to all that it was given.
                logger.info("a line is lost", extra={"event": "line-error", "error": repr(error)})
        self._close_idle()

    def _move(self, name: bytes, line: Line) -> None:
        listener = self._listeners.get(name)
        if listener is None:
            return
        before, listener.line = listener.line, line
        if before is not None:
            before.remove(name)

    def _close_idle(self) -> None:
        """End the lines to nodes that are no masters any more."""
        masters = set(self._nodes.masters())
        for redis in [
            redis for redis, line in self._lines.items() if redis not in masters and not line.names
        ]:
            if self._lanes is not None:
                self._lanes.end(redis)
            self._lines.pop(redis).close()

    def _line(self, channel: str) -> Line:
        redis = self._nodes.of(channel)
        line = self._lines.get(redis)
        if line is None:
            line = self._lines[redis] = Line(redis, self._hear)
            if self._lanes is not None:
                self._lanes.start(redis, line.step)
        return line

    def _hear(self, line: Line, kind: bytes, name: bytes, data: bytes) -> None:
        listener = self._listeners.get(name)
        if kind == b"smessage":
            told = None if listener is None else listener.on_message(data)
            if told is not None and told[0]:
                self._measure(line.redis, *told)
        elif kind == b"ssubscribe":
            if listener is not None:
                _confirm(listener)
        elif not line.was_asked(name):
            self._lose(line, name, listener)

    def _measure(self, redis: Redis, at_ms: int, trace: str) -> None:
        now_ms = self._clocks.now_ms(redis) if self._clocks is not None else None
        if now_ms is not None:
            observe(RECEIPT_TO_BROADCAST_SECONDS, max(0.0, now_ms - at_ms) / 1000, trace)

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
