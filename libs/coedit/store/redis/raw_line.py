"""The socket of a connection to Redis, once redis-py has made it and greeted the server.

redis-py makes the connection, so that addresses, TLS, passwords, pins and doubts are its as everywhere. What it does
for each command (a pool, a timeout around every read and write, retries, callbacks) costs four times what the command
itself costs; see ``docs/adr/0012-a-connection-of-our-own-for-the-hot-path.md``.
"""

import asyncio
from abc import ABC, abstractmethod
from contextvars import Context
from typing import Any

import hiredis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.store.redis.connection import shakes_topology


async def greeted(redis: Redis) -> Any:
    """Return a new connection of a client, for `RawLine`.

    Raises:
        RedisError, OSError: the server cannot be reached, or is not the one that is wanted.
    """
    connection: Any = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    # What comes in over it is read in the context in which it was made: that of a request would stay as long, and all
    # that is heard would be traced and logged as the request's.
    await asyncio.get_running_loop().create_task(connection.connect(), context=Context())
    return connection


class RawLine(asyncio.Protocol, ABC):
    """Takes over the socket of a ``connection``, which redis-py then has no more to do with; replies go to `taken`."""

    def __init__(self, connection: Any) -> None:
        # redis-py offers no way to it; the tests of this module say so if another version has it elsewhere.
        writer, parser = connection._writer, connection._parser  # noqa: SLF001
        self.is_open = True
        self._writer = writer  # which would close its socket on its way out of memory
        self._transport = writer.transport
        self._on_doubt = getattr(connection, "_on_doubt", _nothing)
        self._reader = hiredis.Reader(replyError=parser.parse_error)
        # Nothing is on its way: every answer of the greeting was read.
        try:
            self._transport.set_protocol(self)
        except RuntimeError as error:  # uvloop's, for a socket that was closed meanwhile
            raise RedisConnectionError(f"the socket is closed: {error}") from error
        parser.on_disconnect()
        connection._writer = connection._reader = None  # noqa: SLF001

    @abstractmethod
    def taken(self, reply: Any) -> None:
        """Take in a reply, or a push message; an error comes as one of redis-py's exceptions."""

    @abstractmethod
    def ended(self, error: Exception) -> None:
        """Take note that the line is closed, once."""

    def write(self, packed: bytes) -> None:
        """Send commands; never waits. Where the socket turns out to be closed, the line ends."""
        try:
            self._transport.write(packed)
        except RuntimeError as error:  # uvloop's
            self.end(RedisConnectionError(f"the socket is closed: {error}"))

    def end(self, error: Exception, *, is_doubtful: bool = True) -> None:
        """Close the socket, for ``error``; ``is_doubtful``: it may be that the server is not the right one."""
        if not self.is_open:
            return
        self.is_open = False
        self._transport.abort()
        if is_doubtful:
            self._on_doubt()
        self.ended(error)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._reader.feed(data)
        try:
            while self.is_open and (reply := self._reader.gets()) is not False:
                if isinstance(reply, Exception) and shakes_topology(reply):
                    self._on_doubt()
                self.taken(reply)
        except hiredis.ProtocolError as error:
            self.end(RedisConnectionError(f"not what Redis would say: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.end(RedisConnectionError(f"the connection was lost: {exc}"))


def _nothing() -> None:
    """Nobody doubts a single server."""
