"""A connection to Redis on which messages of channels come in (sharded pub/sub), each heard as soon as it is read."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.store.redis.raw_line import RawLine
from coedit.store.redis.resp import pack

Hear = Callable[[bytes, bytes, bytes], None]
"""Gets the kind (``smessage``, ``ssubscribe`` or ``sunsubscribe``), the channel, and the data of a message."""

_WITH_CHANNEL = (b"smessage", b"ssubscribe", b"sunsubscribe")


class PubSubLine(RawLine):
    """A line that subscribes; what ``hear`` raises ends it, and comes out of `watch`."""

    def __init__(self, connection: Any, hear: Hear) -> None:
        super().__init__(connection)
        self._hear = hear
        self._has_ended = asyncio.Event()
        self._error: Exception | None = None
        self._is_asked = False
        """A ping went out, and nothing came since."""

    def subscribe(self, names: Iterable[bytes]) -> None:
        """Ask for channels; that each is subscribed to is heard."""
        by_slot: dict[int, list[bytes]] = {}
        for name in names:  # on a cluster a command may name channels of one slot only
            by_slot.setdefault(key_slot(name), []).append(name)
        self.write(b"".join([pack((b"SSUBSCRIBE", *of_slot)) for of_slot in by_slot.values()]))

    def unsubscribe(self, name: bytes) -> None:
        """Ask for nothing more from a channel; that it has ended is heard."""
        self.write(pack((b"SUNSUBSCRIBE", name)))

    async def watch(self, seconds: float) -> None:
        """Return after so long, having asked the server for a sign of life, or raise as soon as the line is lost.

        Raises:
            RedisError, OSError: it is lost, or the server has given no sign since it was asked the last time.
            Exception: what ``hear`` raised.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._has_ended.wait()
        if self._is_asked:
            self.end(RedisConnectionError("no answer to a ping"))
        if self._error is not None:
            raise self._error
        self._is_asked = True
        self.write(pack((b"PING",)))

    def taken(self, reply: Any) -> None:
        """See `RawLine`."""
        self._is_asked = False
        if isinstance(reply, Exception):
            self.end(reply)
        elif isinstance(reply, list) and reply[0] in _WITH_CHANNEL:  # and not the answer to a ping
            kind, name, data = reply
            try:
                self._hear(kind, name, data)
            except Exception as error:  # noqa: BLE001 - raised by `watch`
                self.end(error, is_doubtful=False)

    def ended(self, error: Exception) -> None:
        """See `RawLine`."""
        self._error = error
        self._has_ended.set()
