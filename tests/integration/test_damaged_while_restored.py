"""What was given of a document that could not be restored, being damaged, is there for it once it is repaired."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from coedit.errors import DamagedError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import ChainKey
from coedit.store.deployment.incarnation import Grace, Incarnations
from coedit.store.documents.log import DocumentLog
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from coedit.store.objects.archive import Archive
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshots
from coedit.store.redis.connection import connect
from coedit.store.redis.server_pin import Pins
from coedit.store.redis.topology import Nodes
from coedit.store.streams.offers import Given, OffersStream, Seen
from coedit.store.writes.restore import RestoreScript
from services.transformer.heads import HeadAnnouncer
from services.transformer.recovery.recover import Recovery
from tests.redis_server import redis_server

_SHARDS = 4
_KEY = ChainKey.derive(b"a secret of sixteen bytes")
_NAME = DocumentId("notes")
_GRACE_SECONDS = 0.5


class Owner:
    """The owner of a document's shard, and what is given to it."""

    def __init__(self, redis: Redis, pins: Pins, grace_seconds: float) -> None:
        nodes, objects = Nodes(redis), open_object_store("memory://")
        self._redis = redis
        self._offers = OffersStream(nodes)
        self.log = DocumentLog(nodes, _SHARDS)
        self.quarantine = Quarantine(nodes, _SHARDS, "snapshotter")
        self.shard = self.log.shard(_NAME)
        grace = Grace(grace_seconds, grace_seconds)
        self.recovery = Recovery(
            nodes,
            pins,
            Incarnations(nodes, objects, "mine", _SHARDS, grace),
            DocumentReader(self.log, Snapshots(objects), Archive(objects), _KEY),
            RestoreScript(nodes, "mine"),
            HeadAnnouncer(nodes, self.log, time.monotonic),
            _KEY,
        )
        self.recovery.retry_seconds = 0.1

    async def begin(self) -> None:
        await self._redis.set(self.shard.owner, "mine")
        await self.recovery.follow({self.shard})

    async def damage(self) -> None:
        assert await self.quarantine.enter(_NAME, DamagedError("a test's", "log"))

    async def repair(self) -> None:
        damage = await self.quarantine.of(_NAME)
        assert damage is not None
        assert await self.quarantine.lift(_NAME, damage)

    async def give(self, commits: list[Commit], seen: int = 0) -> None:
        """Be offered commits, and the word of somebody who has seen more."""
        last = commits[-1]
        claim = Seen(_NAME, 1, Revision(seen or last.revision), "unknown" if seen else last.mac)
        await self._offers.add(self.shard, Given(_NAME, "", tuple(commits)), claim)

    async def step_until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await self.recovery.step()

    async def stands(self) -> tuple[int, int, str]:
        """Epoch, head and what is lost."""
        position = await self.log.position(_NAME)
        return (position.epoch, position.head, position.lost) if position else (0, 0, "")


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[tuple[Redis, Pins]]:
    pins = Pins()
    with redis_server(tmp_path) as url:
        async with connect(url, pins=pins) as redis:
            yield redis, pins


def _commits(count: int) -> list[Commit]:
    commits = list[Commit]()
    for number in range(1, count + 1):
        author, client = AuthorId("ada"), ClientId("c")
        commit = Commit(Revision(number), Delta().insert("x"), author, client, ClientSequence(number), 1, 1)
        commits.append(_KEY.seal(_NAME, commit, commits[-1].mac if commits else ""))
    return commits


@pytest.mark.parametrize(("seen", "stands"), [(0, (1, 3, "")), (5, (2, 3, "4-5-1"))], ids=["all", "not all"])
async def test_what_was_given_while_the_shard_was_suspect_is_there_when_the_document_is_read_again(
    redis: tuple[Redis, Pins], seen: int, stands: tuple[int, int, str]
) -> None:
    owner = Owner(*redis, _GRACE_SECONDS)
    await owner.begin()
    assert not owner.recovery.sound()
    await owner.damage()
    await owner.give(_commits(3), seen)
    await owner.step_until(lambda: owner.shard in owner.recovery.sound())
    assert await owner.stands() == (0, 0, "")
    await owner.repair()
    await owner.recovery.settle(_NAME)
    assert await owner.stands() == stands


async def test_what_was_given_to_a_sound_shard_is_put_back_soon_after_the_repair(
    redis: tuple[Redis, Pins],
) -> None:
    owner = Owner(*redis, 0)
    await owner.begin()
    assert owner.shard in owner.recovery.sound()
    await owner.damage()
    await owner.give(_commits(3))
    for _ in range(3):
        await owner.recovery.step()
    assert await owner.stands() == (0, 0, "")
    await owner.repair()
    async with asyncio.timeout(30):
        while await owner.stands() != (1, 3, ""):
            await owner.recovery.step()
