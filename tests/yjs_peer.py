"""A Yjs client beside a running system, without a gateway: it submits to the stream, and hears the channel itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgpack
from pycrdt import Doc, Text
from redis.asyncio import Redis

from coedit.identifiers import AuthorId, ClientId, ClientSequence, document_id
from coedit.ot.commit import Submission
from coedit.ot.delta import Delta
from coedit.ot.parts.ops import Insert
from coedit.protocol.events import Committed, Event, Rejected, YjsHeld, YjsTaken, decode_events
from coedit.protocol.yjs.update import decode_state_vector
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.documents.log import DocumentLog
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshots
from coedit.store.redis.connection import connect
from coedit.store.redis.topology import Nodes
from coedit.store.streams.ops import Addressed, OpsStream
from tests.system import System, eventually

SHARDS = 8

Answer = dict[str, Any] | YjsTaken | YjsHeld | Rejected
"""The fields of its commit as the log has them, or what it was told instead."""


class YjsPeer:
    """One client with one document; `doc` follows every commit, in order, from the snapshot on."""

    def __init__(self, redis: Redis, system: System, name: str, client: str, root: str) -> None:
        self.name = document_id(name)
        self.client_id = ClientId(client)
        self.root = root
        self.text = Text()
        self.doc: Doc[Any] = Doc({root: self.text})
        self.made: list[bytes] = []
        """Updates that it made itself, as they came."""
        self.revision = 0
        self.answers: dict[int, Answer] = {}
        self.sequence = 0
        self._system = system
        self._nodes = Nodes(redis)
        self._log = DocumentLog(self._nodes, SHARDS)
        self._is_following = False
        self.doc.observe(lambda event: None if self._is_following else self.made.append(event.update))

    @property
    def content(self) -> Delta:
        """The text, as its own Yjs has it."""
        return Delta(Insert(content, attributes) for content, attributes in self.text.diff())

    @property
    def known(self) -> dict[int, int]:
        """How far it has the items of each client; the bytes of a state vector come in any order."""
        return decode_state_vector(self.doc.get_state())

    async def load(self) -> None:
        """Begin with the newest snapshot, if the document is bridged."""
        snapshot = await Snapshots(open_object_store(self._system.object_store_url)).newest(self.name)
        if snapshot is not None and snapshot.bridge is not None:
            self.follow(snapshot.update)
            self.revision = snapshot.revision
        await self.catch_up()

    async def catch_up(self) -> None:
        """Apply what the log has above what is known."""
        for entry in await self.entries(self.revision + 1):
            self._take(entry)

    async def entries(self, first: int = 1) -> list[dict[str, Any]]:
        """Return the fields of the log's commits from revision ``first`` on."""
        position = await self._log.position(self.name)
        if position is None:
            return []
        return [msgpack.unpackb(entry) for entry in await self._log.read(self.name, first, position.head)]

    async def submit(self, update: bytes, *, root: str | None = None, epoch: int = 1) -> Answer:
        """Submit an update; return what became of it. One that is held is answered as such."""
        submission = self.submission(update, root=root, epoch=epoch)
        await self.send(submission)
        sequence = submission.client_sequence
        await eventually(lambda: sequence in self.answers, f"an answer to {sequence}")
        return self.answers[sequence]

    def submission(self, update: bytes, *, root: str | None = None, epoch: int = 1) -> YjsSubmission:
        """Return the next submission."""
        self.sequence += 1
        root = self.root if root is None else root
        return YjsSubmission(
            self.client_id, ClientSequence(self.sequence), AuthorId("yuri"), epoch, root, update
        )

    async def send(self, *submissions: Submission | YjsSubmission) -> None:
        """Add submissions to the stream, as one entry."""
        addressed = [Addressed(self.name, submission) for submission in submissions]
        assert not await OpsStream(self._nodes).add({self._log.shard(self.name): addressed})

    async def say(self) -> list[Answer]:
        """Submit what was made since the last time, update by update."""
        made, self.made = self.made, []
        return [await self.submit(update) for update in made]

    def follow(self, update: bytes) -> None:
        """Apply what somebody else made."""
        self._is_following = True
        self.doc.apply_update(update)
        self._is_following = False

    def hear(self, event: Event) -> None:
        """Take in an event of the document's channel."""
        match event:
            case Committed(entries):
                for entry in entries:
                    self._take(msgpack.unpackb(entry))
            case YjsTaken() | YjsHeld() | Rejected() if event.client_id == self.client_id:
                self.answers[event.client_sequence] = event

    def _take(self, commit: dict[str, Any]) -> None:
        if commit["client_id"] == self.client_id:
            self.answers[commit["client_sequence"]] = commit
        if commit["revision"] == self.revision + 1:
            self.revision = commit["revision"]
            if "update" in commit:
                self.follow(commit["update"])


@asynccontextmanager
async def yjs_peer(
    system: System, name: str, client: str = "yjs-one", root: str = "content"
) -> AsyncIterator[YjsPeer]:
    """Let a Yjs client listen to a document's channel; it has loaded what there is."""
    redis = connect(system.redis_url)
    peer = YjsPeer(redis, system, name, client, root)
    shard = DocumentLog(Nodes(redis), SHARDS).shard(peer.name)
    async with redis, redis.pubsub() as channel, asyncio.TaskGroup() as tasks:
        await channel.ssubscribe(shard.events(peer.name))
        listening = tasks.create_task(_listen(channel, peer))
        try:
            await peer.load()
            yield peer
        finally:
            listening.cancel()


async def _listen(channel: Any, peer: YjsPeer) -> None:
    async for message in channel.listen():
        if message["type"] == "smessage":
            for event in decode_events(message["data"]):
                peer.hear(event)
