"""A connection to Redis for the hot path: commands packed at once, replies taken as they come, nothing in between."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from coedit.store.redis.connection import ANSWER_SECONDS
from coedit.store.redis.raw_line import RawLine, greeted

_AGAIN_SECONDS = 0.02


@dataclass(slots=True)
class _Asked:
    """Commands that are on their way, and what was answered so far."""

    count: int
    done: "asyncio.Future[list[Any]]"
    timer: asyncio.TimerHandle
    replies: list[Any] = field(default_factory=list)


class QuickConnection:
    """One connection of a client, made when it is needed and again when it was lost.

    Several may ask at the same time; answers come in the order of the questions, so whoever blocks holds up the others.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._line: _Line | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, packed: bytes, count: int) -> list[Any]:
        """Send ``count`` commands; return their replies, an error in its place as an exception.

        A connection that turns out to be lost is made once more, and the commands are sent again.

        Raises:
            RedisError, OSError: they may or may not have been executed.
        """
        try:
            return await (self._open_line() or await self._connect()).ask(packed, count)
        except RedisConnectionError:
            await asyncio.sleep(_AGAIN_SECONDS)
            return await (self._open_line() or await self._connect()).ask(packed, count)

    def close(self) -> None:
        """End the connection; the next question makes another one."""
        line, self._line = self._line, None
        if line is not None:
            line.end(RedisConnectionError("the connection was closed"), is_doubtful=False)

    def _open_line(self) -> "_Line | None":
        return self._line if self._line is not None and self._line.is_open else None

    async def _connect(self) -> "_Line":
        async with self._connecting:
            if (line := self._open_line()) is not None:
                return line
            self._line = _Line(await greeted(self._redis))
            return self._line


class _Line(RawLine):
    """Questions and answers, in order."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._asked: deque[_Asked] = deque()

    async def ask(self, packed: bytes, count: int) -> list[Any]:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(ANSWER_SECONDS, self.end, RedisTimeoutError("no answer from Redis in time"))
        asked = _Asked(count, loop.create_future(), timer)
        self._asked.append(asked)
        self.write(packed)
        try:
            return await asked.done
        except asyncio.CancelledError:
            self.end(RedisConnectionError("whoever asked does not wait any more"), is_doubtful=False)
            raise
        finally:
            timer.cancel()

    def taken(self, reply: Any) -> None:
        if not self._asked:  # a push message, which nobody asked for
            return
        asked = self._asked[0]
        asked.replies.append(reply)
        if len(asked.replies) == asked.count:
            self._asked.popleft()
            if not asked.done.done():
                asked.done.set_result(asked.replies)

    def ended(self, error: Exception) -> None:
        for asked in self._asked:
            if not asked.done.done():
                asked.done.set_exception(error)
        self._asked.clear()
