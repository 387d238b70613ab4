"""The one script by which a transformer writes: a batch of a shard, fenced by its token and its cursor."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from coedit.identifiers import ClientId, DocumentId
from coedit.store.documents.log import Position
from coedit.store.keys import Shard
from coedit.store.objects.spans import folder
from coedit.store.redis.durability import Durability
from coedit.store.redis.quick_connection import QuickConnection
from coedit.store.redis.resp import pack
from coedit.store.scripts import source


@dataclass(frozen=True, slots=True)
class DocumentWrite:
    """What a batch does to one document: its commits, where it stands before and after, and what is published."""

    document_id: DocumentId
    expected: Position
    after: Position
    message: bytes
    commits: tuple[bytes, ...] = ()
    ended: tuple[ClientId, ...] = ()
    """Clients that were definitely rejected: nothing more of them is committed."""
    is_note: bool = False
    """Nothing but a message, which goes out before that of the document's own write, the next one."""


@dataclass(frozen=True, slots=True)
class BatchWrite:
    """What a batch does to a shard; ``refused`` are entries that nobody could decode or decide."""

    shard: Shard
    old_cursor: str
    new_cursor: str
    documents: Sequence[DocumentWrite] = ()
    refused: Sequence[bytes] = field(default=())


@dataclass(frozen=True, slots=True)
class Committed:
    """Everything was written, at ``at`` by Redis's clock (ms since 1970)."""

    at: int


class Fenced:
    """Nothing was written: the shard belongs to somebody else."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Nothing was written: the shard is ours, but its cursor stands elsewhere.

    So it is when the connection was lost behind a batch that had been written, and the client sent it again.
    """

    cursor: str


@dataclass(frozen=True, slots=True)
class Misfit:
    """Nothing was written: these documents are not where they were expected, or are damaged (``broken``)."""

    documents: tuple[DocumentId, ...]
    broken: bool


Outcome = Committed | Fenced | Moved | Misfit


class CommitScript:
    """Runs the script for the batches of several shards in one round trip.

    Where ``durability`` has to be waited for, that is once for all of them, and they are published after it and not
    by the script.
    """

    def __init__(self, redis: Redis, token: str, durability: Durability | None = None) -> None:
        self._redis = redis
        self.token = token
        self._durability = durability or Durability()
        self._connection = QuickConnection(redis)
        self._source = source("commit.lua")
        self._sha = sha1(self._source.encode(), usedforsecurity=False).hexdigest()

    async def run(self, batches: Sequence[BatchWrite]) -> list[Outcome]:
        """Write the batches; return what became of each.

        Raises:
            RedisError, OSError: any of them may or may not have been written.
        """
        replies = await self._evaluate(batches)
        unknown = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            # Redis forgets scripts when it restarts or fails over; asking it each time would cost a round trip.
            await self._redis.script_load(self._source)
            again = await self._evaluate([batches[index] for index in unknown])
            for index, reply in zip(unknown, again, strict=True):
                replies[index] = reply
        outcomes = [_outcome(batch, reply) for batch, reply in zip(batches, replies, strict=True)]
        if self._durability.must_wait:
            written = [
                batch
                for batch, outcome in zip(batches, outcomes, strict=True)
                if isinstance(outcome, Committed)
            ]
            await self._publish(written)
        return outcomes

    def close(self) -> None:
        """End the connection; the next batch makes another one."""
        self._connection.close()

    async def _evaluate(self, batches: Sequence[BatchWrite]) -> list[Any]:
        """Return what the script said of each batch, or the error that it ended with."""
        if not self._durability.must_wait:
            packed = b"".join([self._packed(batch) for batch in batches])
            return await self._connection.ask(packed, len(batches))
        async with self._redis.pipeline(transaction=False) as pipe:
            for batch in batches:
                keys = _keys(batch)
                pipe.evalsha(self._sha, len(keys), *keys, *self._arguments(batch))
            asked = self._durability.ask(pipe)
            return self._durability.confirmed(await pipe.execute(raise_on_error=False), asked)

    def _packed(self, batch: BatchWrite) -> bytes:
        keys = _keys(batch)
        return pack(["EVALSHA", self._sha, len(keys), *keys, *self._arguments(batch)])

    def _arguments(self, batch: BatchWrite) -> list[str | bytes | int]:
        arguments: list[str | bytes | int] = [
            self.token,
            batch.old_cursor,
            batch.new_cursor,
            0 if self._durability.must_wait else 1,
            len(batch.refused),
            *batch.refused,
        ]
        for write in batch.documents:
            after = write.after
            arguments += [write.document_id, write.expected.epoch, write.expected.head]
            arguments += [after.epoch, after.head, after.mac, after.floor, after.snapshot, after.number]
            arguments += [after.incarnation, _new_bridge(write), _listed_as(write)]
            arguments += [write.message, len(write.commits), *write.commits]
            arguments += [len(write.ended), *write.ended]
        return arguments

    async def _publish(self, batches: Sequence[BatchWrite]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for batch in batches:
                for write in batch.documents:
                    pipe.spublish(batch.shard.events(write.document_id), write.message)
            await pipe.execute()


def listed_as(document_id: DocumentId, number: int) -> str:
    """Return as what Redis lists a document whose newest snapshot is of this number: not at all if it has one."""
    return "" if number else folder(document_id)


def _listed_as(write: DocumentWrite) -> str:
    return "" if write.expected.epoch else listed_as(write.document_id, write.after.number)


def _new_bridge(write: DocumentWrite) -> str:
    """Return what is to be noted of the document's bridge, if that is not noted already."""
    bridge = write.after.bridge
    is_noted = write.expected.epoch > 0 and write.expected.bridge == bridge
    return "" if bridge is None or is_noted else bridge.stored()


def _keys(batch: BatchWrite) -> list[str]:
    shard = batch.shard
    keys = [shard.owner, shard.cursor, shard.ops, shard.changed, shard.refused, shard.damaged, shard.fresh]
    keys.append(shard.deleted)
    for write in batch.documents:
        keys += [
            shard.document(write.document_id),
            shard.log(write.document_id),
            shard.events(write.document_id),
            shard.ended(write.document_id),
        ]
    return keys


def _outcome(batch: BatchWrite, reply: Any) -> Outcome:
    if isinstance(reply, Exception):
        raise reply
    name, *rest = reply
    if name == b"committed":
        return Committed(int(rest[0]))
    if name in (b"stale", b"broken"):
        documents = tuple(batch.documents[int(index)].document_id for index in rest)
        return Misfit(documents, broken=name == b"broken")
    if name == b"moved":
        return Moved(rest[0].decode())
    return Fenced()
