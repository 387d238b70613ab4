"""The way in: submissions, grouped by tick and shard, as entries of ``ops:{s}``.

An entry is a MessagePack list of maps, one a submission. Most are of format 1, and do not say so. Those that a
transformer of an earlier version must not decide, since it would pass over what they ask for, say ``format`` 2 and
stand in epoch 0: it answers them as what was made in another epoch, and whoever sent them sends them again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgpack
from redis.asyncio import Redis

from coedit.errors import InvalidDeltaError
from coedit.identifiers import (
    AuthorId,
    ClientId,
    ClientSequence,
    DocumentId,
    Revision,
    author_id,
    client_id,
    document_id,
    known_traceparent,
)
from coedit.ot.commit import Caret, Submission
from coedit.ot.delta import Delta
from coedit.protocol.metadata import named_metadata
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.quick_connection import QuickConnection
from coedit.store.redis.resp import pack
from coedit.store.redis.topology import Nodes, NowhereError
from coedit.store.scripts import source

_FIELD, _SUSPECT = b"submissions", b"suspect"
_HEAVY_WEIGHT = 128 * 1024
"""Encoded in some milliseconds."""
_MAX_SET_APART_BYTES = 64 * 1024
"""What is kept of each field of an entry that nobody could decide: a thousand of them must fit into Redis."""
_QUEUES_AT_ONCE = 256
"""So many shards are asked for by one script, which nobody else's command can interrupt."""
_MULTI, _EXEC = pack((b"MULTI",)), pack((b"EXEC",))


@dataclass(frozen=True, slots=True)
class Addressed:
    """A submission, and the document that it is for."""

    document_id: DocumentId
    submission: Submission | YjsSubmission


class Queue(NamedTuple):
    """What waits in a shard: how many entries, and for how long the oldest has, by Redis's clock."""

    length: int
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stream: its id, when Redis took it (ms since 1970), and its fields as they came."""

    entry_id: str
    at: int
    fields: dict[bytes, bytes]

    @property
    def is_suspect(self) -> bool:
        """Whether it was part of an entry that ended whoever decided it."""
        return _SUSPECT in self.fields


class OpsStream:
    """Adds to the submissions of a shard, and tells how many wait."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._connections: WeakKeyDictionary[Redis, QuickConnection] = WeakKeyDictionary()

    async def add(
        self, shards: dict[Shard, Sequence[Addressed]], *, is_suspect: bool = False
    ) -> dict[Shard, Exception]:
        """Add the submissions of a tick: one entry a shard, in one round trip to each node.

        ``is_suspect``: they may end whoever decides them (see `Entry.is_suspect`).

        Return the shards whose node may or may not have them, with its error; their clients send again.
        """
        placed = self._nodes.by_node(shards)
        nowhere = shards.keys() - {shard for some in placed.values() for shard in some}
        failed: dict[Shard, Exception] = {
            shard: NowhereError("no master is known that has the shard") for shard in nowhere
        }
        parts = [self._add_on(redis, some, shards, is_suspect) for redis, some in placed.items()]
        for answers in await asyncio.gather(*parts) if len(parts) > 1 else [await part for part in parts]:
            failed |= answers
        return failed

    async def _add_on(
        self, redis: Redis, some: list[Shard], shards: dict[Shard, Sequence[Addressed]], is_suspect: bool
    ) -> dict[Shard, Exception]:
        """Add what is for one node; return what went wrong with which shard."""
        packed = [await _packed(shard, shards[shard], is_suspect) for shard in some]
        # As one transaction: otherwise whoever reads is woken by the first, and has to come again for the others. On a
        # cluster there is none over several slots, and each stream is read apart.
        is_whole = len(some) > 1 and not self._nodes.is_cluster
        if is_whole:
            packed = [_MULTI, *packed, _EXEC]
        connection = self._connections.get(redis)
        if connection is None:
            connection = self._connections[redis] = QuickConnection(redis)
        try:
            answers = await connection.ask(b"".join(packed), len(packed))
        except TROUBLE as error:
            return dict.fromkeys(some, error)
        if is_whole:
            errors = [answer for answer in answers if isinstance(answer, Exception)]
            answers = errors[:1] * len(some) if errors else answers[-1]
        return {
            shard: answer
            for shard, answer in zip(some, answers, strict=True)
            if isinstance(answer, Exception)
        }

    def close(self) -> None:
        """End the connections; adding makes others."""
        for connection in self._connections.values():
            connection.close()

    async def backlog(self, shards: Sequence[Shard]) -> dict[Shard, int]:
        """Return how many entries wait, per shard."""
        lengths = await self._nodes.each(
            shards, lambda shard: shard, lambda pipe, shard: pipe.xlen(shard.ops)
        )
        return dict(zip(shards, lengths, strict=True))

    async def queues(self, shards: Sequence[Shard]) -> dict[Shard, Queue]:
        """Return what waits, per shard; nothing of those whose node does not answer, or that have no stream there.

        It costs Redis the reading of an entry for each shard in which something waits.

        Raises:
            RedisError, OSError: no node answers.
        """
        placed = self._nodes.by_node(shards)
        found = await asyncio.gather(
            *(self._queues_on(redis, some) for redis, some in placed.items()), return_exceptions=True
        )
        queues: dict[Shard, Queue] = {}
        for part in found:
            if isinstance(part, BaseException):
                if not isinstance(part, TROUBLE) or len(found) == 1:
                    raise part
            else:
                queues |= part
        return queues

    async def _queues_on(self, redis: Redis, shards: list[Shard]) -> dict[Shard, Queue]:
        at_once = 1 if self._nodes.is_cluster else _QUEUES_AT_ONCE
        pages = [shards[at : at + at_once] for at in range(0, len(shards), at_once)]
        script = source("queue.lua")
        async with redis.pipeline(transaction=False) as pipe:
            for page in pages:
                pipe.eval(script, len(page), *(shard.ops for shard in page))
            told = [number for answer in await pipe.execute() for number in answer]
        return {
            shard: Queue(length, age_ms / 1000)
            for shard, length, age_ms in zip(shards, told[::2], told[1::2], strict=True)
            if length >= 0
        }


async def _packed(shard: Shard, submissions: Sequence[Addressed], is_suspect: bool) -> bytes:
    """Return the command that adds an entry; a heavy one is encoded in a thread."""

    def command() -> bytes:
        marks = (_SUSPECT, b"1") if is_suspect else ()
        return pack(("XADD", shard.ops, "*", _FIELD, encode_submissions(submissions), *marks))

    is_heavy = sum([addressed.submission.weight for addressed in submissions]) > _HEAVY_WEIGHT
    return await asyncio.to_thread(command) if is_heavy else command()


def encode_submissions(submissions: Sequence[Addressed]) -> bytes:
    """Return the value of an entry."""
    packed: bytes = msgpack.packb([_fields(addressed) for addressed in submissions])
    return packed


def decode_entry(entry: Entry) -> list[Addressed]:
    """Return the submissions in an entry.

    Raises:
        CoeditError: it was not written by `encode_submissions`.
    """
    try:
        return [_addressed(fields) for fields in msgpack.unpackb(entry.fields[_FIELD])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidDeltaError(f"not an entry of submissions: {error!r}") from error


def packed_entry(entry: Entry) -> bytes:
    """Return an entry as it is set apart in ``refused:{s}``: its id and its fields, of which long ones are cut."""
    fields = {name: value[:_MAX_SET_APART_BYTES] for name, value in entry.fields.items()}
    packed: bytes = msgpack.packb([entry.entry_id, fields])
    return packed


def _fields(addressed: Addressed) -> dict[str, Any]:
    submission = addressed.submission
    fields: dict[str, Any] = {
        "document": addressed.document_id,
        "client_id": submission.client_id,
        "client_sequence": submission.client_sequence,
        "author": submission.author,
        "epoch": submission.epoch,
    }
    if submission.traceparent:
        fields["traceparent"] = submission.traceparent
    if isinstance(submission, YjsSubmission):
        return fields | {"root": submission.root, "update": submission.update}
    fields |= {"base_revision": submission.base_revision, "delta": submission.delta.to_json()}
    if submission.is_exact or submission.metadata:
        fields |= _fields_of_2(submission)
    if submission.caret is not None:
        fields["caret"] = list(submission.caret)
    return fields


def _fields_of_2(submission: Submission) -> dict[str, Any]:
    """Return what format 2 says otherwise: no document is in epoch 0, so who knows only format 1 puts it off."""
    fields = {"format": 2, "epoch": 0, "made_in": submission.epoch, "exact": submission.is_exact}
    return fields | ({"metadata": dict(submission.metadata)} if submission.metadata else {})


def _addressed(fields: dict[str, Any]) -> Addressed:
    return Addressed(
        document_id(fields["document"]),
        _yjs_submission(fields) if "update" in fields else _submission(fields),
    )


def _yjs_submission(fields: dict[str, Any]) -> YjsSubmission:
    root, update = fields["root"], fields["update"]
    if type(root) is not str or type(update) is not bytes:
        raise InvalidDeltaError("a Yjs submission is no update of a text")
    _refuse_no_counts(fields["client_sequence"], fields["epoch"])
    return YjsSubmission(
        ClientId(client_id(fields["client_id"])),
        ClientSequence(fields["client_sequence"]),
        AuthorId(author_id(fields["author"])),
        fields["epoch"],
        root,
        update,
        known_traceparent(fields.get("traceparent")),
    )


def _refuse_no_counts(*numbers: object) -> None:
    if any(type(number) is not int or number < 0 for number in numbers):
        raise InvalidDeltaError("a number of a submission is not a count")


def _submission(fields: dict[str, Any]) -> Submission:
    caret = fields.get("caret")
    if fields.get("format") == 2:
        fields = fields | {"epoch": fields["made_in"]}
    _refuse_no_counts(fields["client_sequence"], fields["epoch"], fields["base_revision"], *(caret or ()))
    return Submission(
        ClientId(client_id(fields["client_id"])),
        ClientSequence(fields["client_sequence"]),
        AuthorId(author_id(fields["author"])),
        fields["epoch"],
        Revision(fields["base_revision"]),
        Delta.from_json(fields["delta"], is_bounded=False),
        None if caret is None else Caret(*caret),
        known_traceparent(fields.get("traceparent")),
        fields.get("exact") is True,
        named_metadata(fields["client_id"], fields.get("metadata")),
    )
