"""The owner's last word on each document, published to a real Valkey."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from coedit.identifiers import DocumentId, Revision
from coedit.protocol.events import HeadAt, decode_events
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.keys import Shard
from coedit.store.redis.connection import connect
from coedit.store.redis.topology import Nodes
from services.transformer.heads import QUIET_SECONDS, HeadAnnouncer

_SHARDS = 8
_NAMES = [DocumentId(name) for name in ("first", "second", "third")]


class Channels:
    """What is said on the channels of the documents, and the time, which a test sets."""

    def __init__(self, redis: Redis) -> None:
        self.now = 0.0
        nodes = Nodes(redis)
        self._log = DocumentLog(nodes, _SHARDS)
        self._pubsub = redis.pubsub()
        self.heads = HeadAnnouncer(nodes, self._log, lambda: self.now)
        self._redis = redis

    async def listen(self) -> None:
        for name in _NAMES:
            await self._pubsub.ssubscribe(self._log.shard(name).events(name))
            assert (await self._next())["type"] == "ssubscribe"

    def commit(self, name: DocumentId, revision: int, at: float) -> None:
        self.now = at
        self.heads.committed(name, Position(1, Revision(revision), "mac", Revision(0), Revision(0), 0))

    async def change(self, name: DocumentId, revision: int) -> None:
        """Have a document in Redis as if it had been committed to."""
        shard = self._log.shard(name)
        await self._redis.hset(shard.document(name), mapping={"epoch": 1, "head": revision, "mac": "mac"})
        await self._redis.zadd(shard.changed, {name: revision})

    async def damage(self, name: DocumentId) -> None:
        shard = self._log.shard(name)
        await self._redis.set(shard.document(name), "no hash")
        await self._redis.zadd(shard.changed, {name: 1})

    async def reads(self) -> int:
        """Return how often Redis has read from a connection: once for a command, some times for a long pipeline."""
        stats = await self._redis.info("stats")
        return int(stats["total_reads_processed"])

    def shard(self, name: DocumentId) -> Shard:
        return self._log.shard(name)

    async def said(self, count: int) -> dict[str, int]:
        """Return the next heads that are said, by document."""
        found = dict[str, int]()
        for _ in range(count):
            message = await self._next()
            (event,) = decode_events(message["data"])
            assert isinstance(event, HeadAt)
            found[message["channel"].decode().rpartition(":")[2]] = event.revision
        return found

    async def _next(self) -> dict[str, Any]:
        message: dict[str, Any] | None = await self._pubsub.get_message(timeout=10)
        assert message is not None, "nothing was said"
        return message

    async def aclose(self) -> None:
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]


@pytest.fixture
async def channels(redis_url: str) -> AsyncIterator[Channels]:
    redis = connect(redis_url)
    channels = Channels(redis)
    await channels.listen()
    yield channels
    await channels.aclose()
    await redis.aclose()


async def test_heads_that_are_due_at_about_one_time_are_said_in_one_step(channels: Channels) -> None:
    """However many documents go quiet, it takes a few round trips a second; what is not due yet waits."""
    first, second, third = _NAMES
    channels.commit(first, 1, at=0.0)
    channels.commit(second, 1, at=0.05)
    channels.commit(third, 1, at=0.5)
    channels.now = QUIET_SECONDS
    await channels.heads.step()
    assert await channels.said(2) == {first: 1, second: 1}
    channels.now = 0.5 + QUIET_SECONDS
    await channels.heads.step()
    assert await channels.said(1) == {third: 1}


async def test_document_that_goes_on_says_its_head_when_it_is_quiet(channels: Channels) -> None:
    """Each commit puts it off; then the newest head is said, once."""
    first, second, _ = _NAMES
    channels.commit(first, 1, at=0.0)
    channels.commit(second, 1, at=0.1)
    channels.commit(first, 2, at=0.9)
    channels.now = 0.1 + QUIET_SECONDS
    await channels.heads.step()
    assert await channels.said(1) == {second: 1}
    channels.now = 0.9 + QUIET_SECONDS
    await channels.heads.step()
    assert await channels.said(1) == {first: 2}


async def test_whoever_takes_over_a_shard_says_the_heads_of_all_that_changed(channels: Channels) -> None:
    """Nobody can commit meanwhile: it takes a few round trips for however many, and one that is damaged stops none."""
    first, *_ = _NAMES
    shard = channels.shard(first)
    of_shard = [name for name in map(DocumentId, map(str, range(10_000))) if channels.shard(name) == shard]
    for name in of_shard:
        await channels.change(name, 7)
    await channels.damage(of_shard[0])
    await channels.change(first, 3)
    before = await channels.reads()
    await channels.heads.announce_changed(shard)
    assert await channels.said(1) == {first: 3}
    assert await channels.reads() - before < len(of_shard) / 10
