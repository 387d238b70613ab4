"""A connection to Redis for the hot path: commands packed at once, replies taken as they come, nothing in between.

redis-py makes the connection, so that addresses, TLS, passwords, pins and doubts are its as everywhere. What it does
for each command (a pool, a timeout around every read and write, retries, callbacks) costs four times what the command
itself costs; see ``docs/adr/0012-a-connection-of-our-own-for-the-hot-path.md``.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import hiredis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from coedit.store.redis_connection import ANSWER_SECONDS, shakes_topology

_AGAIN_SECONDS = 0.02
Word = bytes | str | int


def pack(words: Iterable[Word]) -> bytes:
    """Return a command as it goes over the wire (RESP, an array of bulk strings)."""
    parts: list[bytes] = [b""]
    count = 0
    for word in words:
        packed = word if type(word) is bytes else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(packed), packed))
        count += 1
    parts[0] = b"*%d\r\n" % count
    return b"".join(parts)


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
            connection: Any = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
            await connection.connect()
            self._line = _Line.take_over(connection)
            return self._line


class _Line(asyncio.Protocol):
    """The socket, once redis-py has greeted the server."""

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        parse_error: Callable[[str], Exception],
        on_doubt: Callable[[], None],
    ) -> None:
        self.is_open = True
        self._transport = writer.transport
        self._writer = writer  # which would close its socket on its way out of memory
        self._on_doubt = on_doubt
        self._reader = hiredis.Reader(replyError=cast("Any", parse_error))
        self._asked: deque[_Asked] = deque()

    @classmethod
    def take_over(cls, connection: Any) -> "_Line":
        """Return the line of a connection that redis-py made, which has no more to do with it."""
        # redis-py offers no way to it; the tests of this module say so if another version has it elsewhere.
        writer, parser = connection._writer, connection._parser  # noqa: SLF001
        on_doubt = getattr(connection, "_on_doubt", _nothing)
        line = cls(writer, parser.parse_error, on_doubt)
        # Nothing is on its way: every answer of the greeting was read.
        writer.transport.set_protocol(line)
        parser.on_disconnect()
        connection._writer = connection._reader = None  # noqa: SLF001
        return line

    async def ask(self, packed: bytes, count: int) -> list[Any]:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(ANSWER_SECONDS, self.end, RedisTimeoutError("no answer from Redis in time"))
        asked = _Asked(count, loop.create_future(), timer)
        self._asked.append(asked)
        self._transport.write(packed)
        try:
            return await asked.done
        except asyncio.CancelledError:
            self.end(RedisConnectionError("whoever asked does not wait any more"), is_doubtful=False)
            raise
        finally:
            timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._take(reply)
        except hiredis.ProtocolError as error:
            self.end(RedisConnectionError(f"not what Redis would say: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(RedisConnectionError(f"the connection was lost: {exc}"))

    def end(self, error: Exception, *, is_doubtful: bool = True) -> None:
        """Close the socket; whoever waits gets ``error``."""
        if not self.is_open:
            return
        self.is_open = False
        self._transport.abort()
        if is_doubtful:
            self._on_doubt()
        for asked in self._asked:
            if not asked.done.done():
                asked.done.set_exception(error)
        self._asked.clear()

    def _take(self, reply: Any) -> None:
        if not self._asked:  # a push message, which nobody asked for
            return
        if isinstance(reply, Exception) and shakes_topology(reply):
            self._on_doubt()
        asked = self._asked[0]
        asked.replies.append(reply)
        if len(asked.replies) == asked.count:
            self._asked.popleft()
            if not asked.done.done():
                asked.done.set_result(asked.replies)


def _nothing() -> None:
    """Nobody doubts a single server."""


def pages(reply: Any) -> dict[bytes, list[tuple[bytes, dict[bytes, bytes]]]]:
    """Return a raw reply of XREAD by stream, in either protocol version of Redis."""
    streams: Sequence[Any] = list(reply.items()) if isinstance(reply, dict) else (reply or ())
    return {
        name: [(entry_id, dict(zip(words[::2], words[1::2], strict=True))) for entry_id, words in entries]
        for name, entries in streams
    }
