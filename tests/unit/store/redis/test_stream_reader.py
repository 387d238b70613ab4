"""Streams that no command may name together are read side by side, each once."""

import asyncio
from collections import defaultdict
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.store.redis.stream_reader import StreamReader


class FakeStreams:
    """Streams with blocking reads of one each, as a cluster has them."""

    def __init__(self) -> None:
        self.entries: dict[bytes, list[str]] = defaultdict(list)
        self.added = asyncio.Condition()
        self.reads: list[bytes] = []
        self.error: Exception | None = None

    async def add(self, name: bytes, entry: str) -> None:
        async with self.added:
            self.entries[name].append(entry)
            self.added.notify_all()

    async def xread(self, streams: dict[bytes, str], *, count: int, block: int) -> list[Any]:
        ((name, place),) = streams.items()
        self.reads.append(name)
        if self.error is not None:
            raise self.error
        async with self.added:
            try:
                async with asyncio.timeout(block / 1000):
                    await self.added.wait_for(lambda: self._behind(name, place))
            except TimeoutError:
                return []
        return [[name, [(entry.encode(), {}) for entry in self._behind(name, place)[:count]]]]

    def _behind(self, name: bytes, place: str) -> list[str]:
        return [entry for entry in self.entries[name] if entry > place]


@pytest.fixture
def streams() -> FakeStreams:
    return FakeStreams()


@pytest.fixture
def reader(streams: FakeStreams) -> StreamReader:
    return StreamReader(cast("Redis", streams), is_apart=True)


async def test_first_stream_that_brings_something_is_returned(
    streams: FakeStreams, reader: StreamReader
) -> None:
    await streams.add(b"b", "1-0")
    assert await reader.read({b"a": "0", b"b": "0", b"c": "0"}, count=10, block_ms=60_000) == {
        b"b": [(b"1-0", {})]
    }


async def test_other_reads_stay_under_way(streams: FakeStreams, reader: StreamReader) -> None:
    await streams.add(b"b", "1-0")
    await reader.read({b"a": "0", b"b": "0"}, count=10, block_ms=60_000)
    await streams.add(b"a", "1-0")
    assert await reader.read({b"a": "0", b"b": "1-0"}, count=10, block_ms=60_000) == {b"a": [(b"1-0", {})]}
    assert sorted(streams.reads) == [b"a", b"b", b"b"]


async def test_stream_whose_place_moved_is_read_from_there(
    streams: FakeStreams, reader: StreamReader
) -> None:
    assert await reader.read({b"a": "0"}, count=10, block_ms=1) == {}
    await reader.read({b"a": "0", b"b": "0"}, count=10, block_ms=0)
    await streams.add(b"a", "1-0")
    await streams.add(b"a", "2-0")
    assert await reader.read({b"a": "1-0"}, count=10, block_ms=60_000) == {b"a": [(b"2-0", {})]}


async def test_nothing_comes_in_time(reader: StreamReader) -> None:
    assert await reader.read({b"a": "0", b"b": "0"}, count=10, block_ms=20) == {}


async def test_error_of_one_is_raised_and_the_next_read_begins_anew(
    streams: FakeStreams, reader: StreamReader
) -> None:
    streams.error = RedisConnectionError("gone")
    with pytest.raises(RedisConnectionError):
        await reader.read({b"a": "0"}, count=10, block_ms=60_000)
    streams.error = None
    await streams.add(b"a", "1-0")
    assert await reader.read({b"a": "0"}, count=10, block_ms=60_000) == {b"a": [(b"1-0", {})]}
