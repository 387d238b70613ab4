"""What happened and nobody was told of yet: ``happened:{s}``, and how it gets into the queues of endpoints."""

import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis

from coedit.errors import ProtocolError
from coedit.identifiers import DocumentId
from coedit.protocol.webhooks.endpoints import Endpoint
from coedit.protocol.webhooks.events import (
    DocumentChanged,
    DocumentEvent,
    EventType,
    body_of,
    packed,
    unpacked,
)
from coedit.store.keys import Shard, shard_of
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script

logger = logging.getLogger(__name__)

_READ_COUNT = 100


@dataclass(frozen=True, slots=True)
class Happened:
    """One event as it stands in the stream; ``kind`` is None for what is no event."""

    entry_id: str
    kind: EventType | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some events of a shard."""

    events: int
    dropped: int
    """How many others were let go of since it was looked at last: there were too many, and nobody took them."""
    waiting: tuple[int, ...]
    """How many deliveries of the shard each endpoint has now."""


class HappenedStream:
    """Begins and ends the streams, adds to them, and takes from them. Who holds the shard's lease does that.

    Every method raises RedisError or OSError where Redis cannot do it now; doing it again is harmless.
    """

    def __init__(self, nodes: Nodes, shard_count: int) -> None:
        self._nodes = nodes
        self._shard_count = shard_count
        self._open = Script("open_happened.lua")
        self._take = Script("take_happened.lua")
        self._tell = Script("tell_changed.lua")

    async def begin(self, shards: Collection[Shard]) -> None:
        """Have what happens in these shards gathered from now on, where it is not yet."""
        for shard, is_there in await self._ask(shards, lambda pipe, shard: pipe.exists(shard.happened)):
            if not is_there:
                await self._open.run(self._nodes.at(shard), [shard.happened, shard.taken], [])

    async def end(self, shards: Collection[Shard]) -> None:
        """Have it gathered no more, and forget what was: nobody wants to be told."""
        await self._nodes.each(
            list(shards), lambda shard: shard, lambda pipe, shard: pipe.delete(shard.happened, shard.taken)
        )

    async def read(self, shards: Collection[Shard]) -> dict[Shard, list[Happened]]:
        """Return the oldest of what happened in each of the shards; no shards without any."""
        found = await self._ask(shards, lambda pipe, shard: pipe.xrange(shard.happened, count=_READ_COUNT))
        return {shard: [_happened(*entry) for entry in entries] for shard, entries in found if entries}

    async def _ask(
        self, shards: Collection[Shard], ask: Callable[[Redis, Shard], object]
    ) -> list[tuple[Shard, Any]]:
        """Return the answers for the shards; those of a node in trouble are left out, unless all are."""
        asked = list(shards)
        answers = await self._nodes.each(asked, lambda shard: shard, ask, raise_on_error=False)
        said = [
            (shard, answer)
            for shard, answer in zip(asked, answers, strict=True)
            if not isinstance(answer, Exception)
        ]
        for answer in answers:
            if isinstance(answer, Exception) and not (said and isinstance(answer, TROUBLE)):
                raise answer
            if isinstance(answer, Exception):
                facts = {"event": "webhook-node", "error": repr(answer)}
                logger.warning("what happened in a shard cannot be seen now", extra=facts)
        return said

    async def take(self, shard: Shard, events: Sequence[Happened], endpoints: Sequence[Endpoint]) -> Taken:
        """Put events of a shard into the queues of the endpoints that want them; what is none goes nowhere."""
        keys = [shard.happened, shard.taken, shard.endpoints]
        arguments: list[str | bytes | int] = [len(endpoints)]
        for endpoint in endpoints:
            keys += [shard.deliveries(endpoint.name), shard.due(endpoint.name)]
            arguments.append(endpoint.name)
        for event in events:
            wanted = "".join(str(int(event.kind in endpoint.events)) for endpoint in endpoints)
            arguments += [
                event.entry_id,
                f"msg_{secrets.token_urlsafe(18)}",
                event.kind or "",
                event.body,
                wanted,
            ]
        taken, dropped, *waiting = await self._take.run(self._nodes.at(shard), keys, arguments)
        return Taken(taken, dropped, tuple(waiting))

    async def told(self, document_id: DocumentId) -> int | None:
        """Return the newest revision of which applications were told; None: that is where the snapshot is."""
        shard = shard_of(document_id, self._shard_count)
        told = await cast("Any", self._nodes.at(shard).hget(shard.document(document_id), "told"))
        return None if told is None else int(told)

    async def tell_changed(self, document_id: DocumentId, told: int | None, event: DocumentChanged) -> bool:
        """Have applications told of commits, once; False: the document, or what was told, is not where it was."""
        shard = shard_of(document_id, self._shard_count)
        keys = [shard.document(document_id), shard.happened]
        before = "" if told is None else told
        arguments = [event.epoch, before, event.last_revision, packed(event)]
        return bool(await self._tell.run(self._nodes.at(shard), keys, arguments))


async def add_event(redis: Redis, shard: Shard, event: DocumentEvent) -> None:
    """Add an event to the stream of its shard, if there is one."""
    fields: Any = {"event": packed(event)}
    await redis.xadd(shard.happened, fields, maxlen=10_000, approximate=True, nomkstream=True)


def _happened(entry_id: bytes, fields: dict[bytes, bytes]) -> Happened:
    at_ms = int(entry_id.partition(b"-")[0])
    try:
        kind, data = unpacked(fields.get(b"event", b""))
    except ProtocolError:
        return Happened(entry_id.decode(), None, b"")
    return Happened(entry_id.decode(), kind, body_of(kind, data, at_ms))
