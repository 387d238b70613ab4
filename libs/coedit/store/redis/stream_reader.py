"""Blocking reads of several streams that lie on one Redis node.

One XREAD covers them all, except on a cluster, which refuses a command over several hash slots, even of one node
(tried). There each stream has a read of its own under way, which stays so while others bring something.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from coedit.store.redis.quick_connection import QuickConnection
from coedit.store.redis.resp import bulk

Entries = list[tuple[bytes, dict[bytes, bytes]]]


class StreamReader:
    """Reads what stands behind a place in each stream; ``is_apart``: no command may name several streams."""

    def __init__(self, redis: Redis, *, is_apart: bool = False) -> None:
        self.redis = redis
        self._is_apart = is_apart
        self._reading: dict[bytes, tuple[str, asyncio.Task[Entries]]] = {}
        """By stream: behind which place, and the read."""

    async def read(
        self, places: Mapping[bytes, str], *, count: int, block_ms: int | None
    ) -> dict[bytes, Entries]:
        """Return the entries behind the places, at most ``count`` of a stream; no streams without any.

        Waits at most ``block_ms`` for the first one; None: not at all.

        Raises:
            RedisError, OSError: Redis cannot be read now.
        """
        if not places:
            return {}
        if not self._is_apart:
            streams: Any = places  # redis-py's type of keys is invariant
            return _pages(await self.redis.xread(streams, count=count, block=block_ms))
        if block_ms is None:
            return await self._read_now(places, count)
        return await self._read_first(places, count, block_ms)

    def close(self) -> None:
        """End what is its own; there is nothing here, where the client's connections are used."""

    async def _read_now(self, places: Mapping[bytes, str], count: int) -> dict[bytes, Entries]:
        async with self.redis.pipeline(transaction=False) as pipe:
            for name, place in places.items():
                pipe.xread({name: place}, count=count)
            found = await pipe.execute()
        return {name: entries for reply in found for name, entries in _pages(reply).items()}

    async def _read_first(
        self, places: Mapping[bytes, str], count: int, block_ms: int
    ) -> dict[bytes, Entries]:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + block_ms / 1000
        while True:
            self._begin(places, count, block_ms)
            tasks = [task for _, task in self._reading.values()]
            await asyncio.wait(
                tasks, timeout=max(0.0, ends_at - loop.time()), return_when=asyncio.FIRST_COMPLETED
            )
            found = self._take_finished()
            if found or loop.time() >= ends_at:
                return found

    def _begin(self, places: Mapping[bytes, str], count: int, block_ms: int) -> None:
        """Have one read under way for each stream, behind its place."""
        for name, (place, task) in list(self._reading.items()):
            if places.get(name) != place:
                task.cancel()
                del self._reading[name]
        for name in places.keys() - self._reading.keys():
            task = asyncio.create_task(self._read_one(name, places[name], count, block_ms))
            # An error of one that nobody waits for any more is nobody's.
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._reading[name] = (places[name], task)

    def _take_finished(self) -> dict[bytes, Entries]:
        finished = {name: task for name, (_, task) in self._reading.items() if task.done()}
        for name in finished:
            del self._reading[name]
        return {name: entries for name, task in finished.items() if (entries := task.result())}

    async def _read_one(self, name: bytes, place: str, count: int, block_ms: int) -> Entries:
        return _pages(await self.redis.xread({name: place}, count=count, block=block_ms)).get(name, [])


class QuickStreamReader(StreamReader):
    """The same over a connection of its own, for whoever reads all the time; on a cluster it is no other."""

    def __init__(self, redis: Redis, *, is_apart: bool = False) -> None:
        super().__init__(redis, is_apart=is_apart)
        self._connection = QuickConnection(redis)
        self._names: tuple[bytes, ...] = ()
        self._packed_names = b""
        self._packed_places: dict[str, bytes] = {}

    async def read(
        self, places: Mapping[bytes, str], *, count: int, block_ms: int | None
    ) -> dict[bytes, Entries]:
        """See `StreamReader.read`."""
        if not places or self._is_apart or block_ms is None:
            return await super().read(places, count=count, block_ms=block_ms)
        (reply,) = await self._connection.ask(self._packed(places, count, block_ms), 1)
        if isinstance(reply, Exception):
            raise reply
        return _raw_pages(reply)

    def close(self) -> None:
        """End the connection; the next read makes another one."""
        self._connection.close()

    def _packed(self, places: Mapping[bytes, str], count: int, block_ms: int) -> bytes:
        """Return the command, of which little changes from one time to the next."""
        names = tuple(places)
        if names != self._names:
            self._names = names
            self._packed_names = b"".join(map(bulk, names))
        known = self._packed_places
        self._packed_places = {place: known.get(place) or bulk(place.encode()) for place in places.values()}
        size, wait = b"%d" % count, b"%d" % block_ms
        return b"".join(
            (
                b"*%d\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n" % (6 + 2 * len(names)),
                bulk(size),
                b"$5\r\nBLOCK\r\n",
                bulk(wait),
                b"$7\r\nSTREAMS\r\n",
                self._packed_names,
                *[self._packed_places[place] for place in places.values()],
            )
        )


def _pages(reply: Any) -> dict[bytes, Entries]:
    """Return the reply of XREAD, in either protocol version of Redis."""
    if isinstance(reply, dict):
        return {name: pages[0] for name, pages in reply.items()}
    return dict(reply or ())


def _raw_pages(reply: Any) -> dict[bytes, Entries]:
    """Return the same reply as it came over the wire, by stream."""
    streams: Sequence[Any] = list(reply.items()) if isinstance(reply, dict) else (reply or ())
    return {
        name: [(entry_id, dict(zip(words[::2], words[1::2], strict=True))) for entry_id, words in entries]
        for name, entries in streams
    }
