"""What the snapshotter's tests need: somebody who writes logs, and the process itself."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from redis.asyncio import Redis

from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.apply import apply
from coedit.ot.commit import Commit
from coedit.ot.delta import Delta
from coedit.protocol.log_entry import ChainKey, encode_commit
from coedit.store.documents.keep_history import HistoryKeeper
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.documents.reader import DocumentReader
from coedit.store.keys import Shard, shard_of
from coedit.store.objects.archive import Archive
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshot, Snapshots
from coedit.store.redis.durability import Durability
from coedit.store.redis.topology import Nodes
from tests.ports import free_port

T = TypeVar("T")

SECRET = "a secret for tests only"
SHARDS = 8
CHAIN_KEY = ChainKey.derive(SECRET.encode())


@dataclass
class Author:
    """Writes a document's log as the commit script does, and knows what the document must be."""

    redis: Redis
    document_id: DocumentId
    document: Delta = field(default_factory=Delta)
    entries: list[bytes] = field(default_factory=list)
    mac: str = ""

    @property
    def shard(self) -> Shard:
        return shard_of(self.document_id, SHARDS)

    @property
    def head(self) -> int:
        return len(self.entries)

    async def commit(self, delta: Delta, entry: bytes = b"") -> None:
        """Write one commit; ``entry``, if given, stands in the log instead of it."""
        commit = CHAIN_KEY.seal(self.document_id, self._commit(delta), self.mac)
        self.document = apply(self.document, delta)
        self.mac = commit.mac
        self.entries.append(entry or encode_commit(commit))
        shard, name = self.shard, self.document_id
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.xadd(shard.log(name), {"commit": self.entries[-1]}, id=f"{self.head}-0")
            pipe.hset(shard.document(name), mapping={"epoch": 1, "head": self.head, "mac": self.mac})
            pipe.hincrby(shard.document(name), "log_bytes", len(self.entries[-1]))
            pipe.zadd(shard.changed, {name: int(time.time() * 1000)})
            await pipe.execute()

    async def type(self, count: int) -> None:
        """Write ``count`` commits of what people do."""
        for number in range(count):
            delta = Delta().insert(f"{number} 😀")
            if number % 3 == 1:
                delta = Delta().retain(1, {"bold": True}).insert("漢", {"italic": True})
            elif number % 5 == 4:
                delta = Delta().delete(1)
            await self.commit(delta)

    def _commit(self, delta: Delta) -> Commit:
        return Commit(
            revision=Revision(self.head + 1),
            delta=delta,
            author=AuthorId("ada"),
            client_id=ClientId("c1"),
            client_sequence=ClientSequence(self.head + 1),
            at=1,
            epoch=1,
        )


class Store:
    """What the object store and Redis hold of a document."""

    def __init__(self, redis: Redis, objects_url: str, durability: Durability | None = None) -> None:
        objects = open_object_store(objects_url)
        self.log = DocumentLog(Nodes(redis), SHARDS, durability)
        self.snapshots, self.archive = Snapshots(objects), Archive(objects)
        self.keeper = HistoryKeeper(self.log, self.archive, CHAIN_KEY)
        self.reader = DocumentReader(self.log, self.snapshots, self.archive, CHAIN_KEY)

    async def position(self, author: Author) -> Position:
        position = await self.log.position(author.document_id)
        assert position is not None
        return position

    async def covered(self, author: Author) -> Snapshot | None:
        """Return the newest snapshot, if it is noted in Redis and nothing is left to do for the document."""
        changed = await author.redis.zscore(author.shard.changed, author.document_id)
        if changed is not None or (await self.position(author)).snapshot != author.head:
            return None
        return await self.snapshots.newest(author.document_id)

    async def assert_whole(self, author: Author) -> None:
        """Every revision is kept, and the newest snapshot is the document that its author made."""
        assert await self.reader.commits.entries(author.document_id, 1, author.head) == author.entries
        loaded = await self.reader.load(author.document_id)
        assert (loaded.document, loaded.mac, loaded.revision) == (author.document, author.mac, author.head)


async def until(condition: Callable[[], Awaitable[T | None]], seconds: float = 30.0) -> T:
    """Return what ``condition`` answers once it is true."""
    async with asyncio.timeout(seconds):
        while not (answer := await condition()):
            await asyncio.sleep(0.02)
    return answer


@dataclass
class Process:
    """A snapshotter process."""

    process: asyncio.subprocess.Process
    health_url: str

    def kill(self) -> None:
        self.process.kill()

    async def end(self) -> int:
        """Ask it to stop; return the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            return await self.process.wait()


@asynccontextmanager
async def snapshotter(redis_url: str, objects_url: str, **settings: object) -> AsyncIterator[Process]:
    """Run ``python -m services.snapshotter``; ``settings`` without the prefix COEDIT_SNAPSHOTTER_."""
    variables = {f"COEDIT_SNAPSHOTTER_{name.upper()}": str(value) for name, value in settings.items()}
    async with snapshotter_with(redis_url, objects_url, variables) as process:
        yield process


@asynccontextmanager
async def snapshotter_with(
    redis_url: str, objects_url: str, variables: Mapping[str, str]
) -> AsyncIterator[Process]:
    """Run one with these variables."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COEDIT_")}
    environment |= {
        "COEDIT_SECRET": SECRET,
        "COEDIT_REDIS_URL": redis_url,
        "COEDIT_OBJECT_STORE_URL": objects_url,
        "COEDIT_SHARD_COUNT": str(SHARDS),
        "COEDIT_SNAPSHOTTER_HEALTH_PORT": str(port),
        "COEDIT_SNAPSHOTTER_LEASE_SECONDS": "0.5",
        "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.05",
        "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.2",
    }
    environment |= variables
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.snapshotter",
        env=environment,
        cwd=Path(__file__).parents[1],
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Process(process, f"http://127.0.0.1:{port}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
