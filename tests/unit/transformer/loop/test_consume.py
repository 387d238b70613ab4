"""The consuming loop after an error: nothing that may have been written stays untold."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, ClassVar, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.identifiers import DocumentId
from coedit.store.keys import Shard
from coedit.store.redis.stream_reader import StreamReader
from coedit.store.streams.ops import Entry
from coedit.store.writes.commit import BatchWrite, CommitScript, Committed, DocumentWrite
from services.transformer.deciding.batch import BatchDecider
from services.transformer.deciding.part import NOWHERE
from services.transformer.documents.working import WorkingDocuments
from services.transformer.heads import HeadAnnouncer
from services.transformer.loop.consume import Consumer
from services.transformer.recovery.unsaved import Unsaved

SHARDS = frozenset({Shard(0), Shard(1)})


class FakeRedis:
    """Has cursors; ``is_away`` makes every read fail."""

    def __init__(self) -> None:
        self.is_away = False
        self.cursors = {shard.cursor: b"1-0" for shard in SHARDS}
        self.read: list[dict[bytes, str]] = []

    async def get(self, key: str) -> bytes:
        return self.cursors[key]

    async def hgetall(self, _: str) -> dict[bytes, bytes]:
        return {}

    async def delete(self, _: str) -> None:
        pass

    def pipeline(self, **_: Any) -> "FakePipeline":
        return FakePipeline()

    async def xread(self, streams: dict[bytes, str], **_: Any) -> list[Any]:
        if self.is_away:
            raise RedisConnectionError("gone")
        self.read.append(dict(streams))
        return []


class FakePipeline:
    """Takes notes of what is begun."""

    async def __aenter__(self) -> "FakePipeline":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def hset(self, *_: object) -> None:
        pass

    def expire(self, *_: object) -> None:
        pass

    async def execute(self) -> None:
        pass


class FakeHeads:
    def __init__(self) -> None:
        self.announced: list[Shard] = []

    async def announce_changed(self, shard: Shard) -> None:
        self.announced.append(shard)


class FakeDocuments:
    unsaved = Unsaved(0)

    def held(self) -> tuple[()]:
        return ()

    def drop_excess(self) -> None:
        pass


class NoScript:
    token = "tester"

    def close(self) -> None:
        pass


def _consumer(reader: StreamReader, heads: FakeHeads) -> Consumer:
    return Consumer(
        reader,
        cast("WorkingDocuments", FakeDocuments()),
        cast("BatchDecider", None),
        cast("CommitScript", NoScript()),
        cast("HeadAnnouncer", heads),
        lambda _: Shard(0),
        10,
    )


async def test_heads_are_announced_after_an_error() -> None:
    """The batch may be written and its message lost: then nobody knows of it, and no later commit may come."""
    redis, heads = FakeRedis(), FakeHeads()
    consumer = _consumer(StreamReader(cast("Redis", redis)), heads)
    consumer.own(SHARDS)
    await consumer.step()
    heads.announced.clear()
    redis.is_away = True
    with pytest.raises(RedisConnectionError):
        await consumer.step()
    consumer.recover()
    redis.is_away, redis.cursors = False, {shard.cursor: b"2-0" for shard in SHARDS}
    await consumer.step()
    assert set(heads.announced) == SHARDS
    assert set(redis.read[-1].values()) == {"2-0"}


async def test_waiting_ends_at_once_when_shards_change_or_the_process_stops() -> None:
    """A takeover, or a clean stop, must not wait for the end of a blocking read."""
    reader = SleepingReader()
    consumer = _consumer(cast("StreamReader", reader), FakeHeads())
    consumer.own(SHARDS)
    interruptions: list[Callable[[], None]] = [
        lambda: consumer.own(frozenset({Shard(0)})),
        consumer.interrupt,
    ]
    for interrupt in interruptions:
        step = asyncio.create_task(consumer.step())
        await reader.is_reading.wait()
        interrupt()
        done, _ = await asyncio.wait({step}, timeout=1)
        assert done
    step = asyncio.create_task(consumer.step())
    await reader.is_reading.wait()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step


async def test_interruption_that_comes_out_as_a_lost_connection_is_over_with_it() -> None:
    """Otherwise the next one counted as two, of which one was somebody else's: the process ended by it."""
    reader = SleepingReader()
    consumer = _consumer(cast("StreamReader", reader), FakeHeads())
    consumer.own(SHARDS)

    async def steps() -> None:
        reader.is_lost = True
        with pytest.raises(RedisConnectionError):
            await consumer.step()
        reader.is_lost = False
        await consumer.step()

    task = asyncio.create_task(steps())
    for _ in range(2):
        await reader.is_reading.wait()
        reader.is_reading.clear()
        consumer.interrupt()
    await asyncio.wait_for(task, 1)


class SleepingReader:
    """Has cursors, and nothing to read for a long time."""

    def __init__(self) -> None:
        self.redis = FakeRedis()
        self.is_reading = asyncio.Event()
        self.is_lost = False
        """Whether the connection is found lost when the wait is ended."""

    async def read(self, _: Any, **__: Any) -> dict[bytes, Any]:
        self.is_reading.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            if self.is_lost:
                raise RedisConnectionError("lost") from error
            raise
        finally:
            self.is_reading.clear()
        return {}


async def test_shard_that_had_no_turn_comes_first_the_next_time() -> None:
    """One with heavy edits, always waiting, would otherwise take every batch's time."""
    reader = BusyReader()
    decider = SlowDecider()
    consumer = Consumer(
        cast("StreamReader", reader),
        cast("WorkingDocuments", FakeDocuments()),
        cast("BatchDecider", decider),
        cast("CommitScript", AgreeingScript()),
        cast("HeadAnnouncer", FakeHeads()),
        lambda _: Shard(0),
        10,
    )
    consumer.own(SHARDS)
    for _ in range(4):
        await consumer.step()
    assert [shard.number for shard in decider.decided] in ([0, 1, 0, 1], [1, 0, 1, 0])


class BusyReader:
    """Both shards always have something."""

    def __init__(self) -> None:
        self.redis = FakeRedis()

    async def read(self, places: dict[bytes, str], **_: Any) -> dict[bytes, Any]:
        return {name: [(b"2-0", {b"submissions": b""})] for name in places}


class SlowDecider:
    """Takes all the time that a batch has."""

    def __init__(self) -> None:
        self.decided: list[Shard] = []

    async def decide(self, shard: Shard, cursor: str, entries: list[Entry], until: float) -> BatchWrite:
        self.decided.append(shard)
        while time.monotonic() <= until:
            await asyncio.sleep(0.01)
        return BatchWrite(shard, cursor, entries[-1].entry_id)


class AgreeingScript:
    token = "tester"

    async def run(self, batches: list[BatchWrite]) -> list[Committed]:
        return [Committed(0) for _ in batches]


class StoredReader:
    """Both shards have the same few entries, of which one is suspect."""

    ENTRIES: ClassVar[Any] = ((b"2-0", {}), (b"3-0", {b"suspect": b"1"}), (b"4-0", {}), (b"5-0", {}))

    def __init__(self) -> None:
        self.redis = FakeRedis()

    async def read(self, places: dict[bytes, str], **_: Any) -> dict[bytes, Any]:
        waits = {
            name: [entry for entry in self.ENTRIES if int(entry[0][:1]) > int(place[:1])]
            for name, place in places.items()
        }
        return {name: entries for name, entries in waits.items() if entries}


class QuickDecider:
    """Notes what is decided between two writes."""

    token = "tester"

    def __init__(self) -> None:
        self.steps: list[list[tuple[int, list[str]]]] = [[]]

    async def decide(self, shard: Shard, cursor: str, entries: list[Entry], _: float) -> BatchWrite:
        self.steps[-1].append((shard.number, [entry.entry_id for entry in entries]))
        return BatchWrite(shard, cursor, entries[-1].entry_id)

    async def decide_apart(self, shard: Shard, cursor: str, entry: Entry) -> BatchWrite:
        return await self.decide(shard, cursor, [entry], 0.0)

    async def run(self, batches: list[BatchWrite]) -> list[Committed]:
        self.steps.append([])
        return [Committed(0) for _ in batches]


async def test_what_is_noted_is_decided_and_written_by_itself() -> None:
    """Else it would be blamed for what ended the process in another shard, of which all that waits may be begun."""
    decider = QuickDecider()
    consumer = Consumer(
        cast("StreamReader", StoredReader()),
        cast("WorkingDocuments", FakeDocuments()),
        cast("BatchDecider", decider),
        cast("CommitScript", decider),
        cast("HeadAnnouncer", FakeHeads()),
        lambda _: Shard(0),
        10,
    )
    consumer.own(SHARDS)
    for _ in range(5):
        await consumer.step()
    steps = decider.steps[:-1]
    assert sorted(steps[:2]) == [[(0, ["2-0"])], [(1, ["2-0"])]]  # noted: the first of what was gained
    assert sorted(steps[2:4]) == [[(0, ["3-0"])], [(1, ["3-0"])]]  # noted: suspect
    assert sorted(steps[4]) == [(0, ["4-0", "5-0"]), (1, ["4-0", "5-0"])]


def test_note_says_nothing_of_where_its_document_stands() -> None:
    """It is taken for no write: a document that is not in Redis would be forgotten for it."""
    consumer = _consumer(cast("StreamReader", StoredReader()), FakeHeads())
    note = DocumentWrite(DocumentId("notes"), NOWHERE, NOWHERE, b"message", is_note=True)
    consumer._note_committed(BatchWrite(Shard(0), "1-0", "2-0", [note]))
    assert consumer._cursors == {Shard(0).ops.encode(): "2-0"}
