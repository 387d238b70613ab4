"""Presence as its service sees it: read reports, keep the rosters, announce what changed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from redis.exceptions import RedisError

from coedit.errors import ProtocolError
from coedit.identifiers import ClientId, DocumentId
from coedit.presence.roster import Changes, Stay, shared_fields
from coedit.protocol.events import PresenceChanged, encode_events
from coedit.protocol.webhooks.events import DocumentEvent, DocumentJoined, DocumentLeft, packed
from coedit.store.keys import Shard
from coedit.store.presence.reports import REPORT_FIELD, Place, decode_presence, encode_presence
from coedit.store.redis.stream_reader import StreamReader
from coedit.store.scripts import source

READ_COUNT = 2000
"""How many reports of one shard are read at once; also bounds what a tick may have to do."""
_LOAD_COUNT = 500
_EXPIRE_COUNT = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One report as the stream holds it; ``packed`` is None where the entry has no report in it."""

    entry_id: str
    packed: bytes | None

    @property
    def at_ms(self) -> int:
        """When it was reported: milliseconds since 1970, by Redis's clock."""
        return int(self.entry_id.partition("-")[0])


@dataclass(slots=True)
class StoredShard:
    """A shard's presence as the last keeper left it."""

    position: str
    """Id of the last report that was dealt with; empty: none was, ever."""
    stays: dict[DocumentId, dict[ClientId, Stay | None]] = field(default_factory=lambda: defaultdict(dict))
    """None: announced once, and gone since (or unreadable)."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be stored and announced for one document."""

    shard: Shard
    position: str
    """The shard's position as it was loaded or last advanced; another one in Redis refuses the work."""
    document_id: DocumentId
    changes: Changes


class PresenceKeeper:
    """What the service does in Redis, under the lease token ``token``; without it nothing is written.

    Every method raises one of `coedit.store.redis.connection.TROUBLE` where Redis cannot do it now.
    """

    def __init__(self, reader: StreamReader, token: str) -> None:
        self._reader = reader
        self._redis = redis = reader.redis
        self._token = token
        self._keep = redis.register_script(source("keep_presence.lua"))
        self._advance = redis.register_script(source("advance_reports.lua"))

    async def now_ms(self) -> int:
        """Return the time by Redis's clock, in milliseconds since 1970."""
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def load(self, shard: Shard) -> StoredShard:
        """Return the presence of a shard; take its lease first, or somebody may change it meanwhile."""
        position = cast("bytes | None", await self._redis.get(shard.position))
        deadlines = cast(
            "list[tuple[bytes, float]]", await self._redis.zrange(shard.deadlines, 0, -1, withscores=True)
        )
        stored = StoredShard(position.decode() if position else "")
        for start in range(0, len(deadlines), _LOAD_COUNT):
            await self._load_some(shard, deadlines[start : start + _LOAD_COUNT], stored)
        return stored

    async def read(self, positions: Mapping[Shard, str], block_ms: int | None) -> dict[Shard, list[Entry]]:
        """Return reports behind each shard's position, in order, at most `READ_COUNT` each.

        Waits at most ``block_ms`` for the first one; None: not at all.
        """
        shards = {shard.reports.encode(): shard for shard in positions}
        places = {name: positions[shard] or "0-0" for name, shard in shards.items()}
        found = await self._reader.read(places, count=READ_COUNT, block_ms=block_ms)
        return {shards[name]: [_entry(*entry) for entry in entries] for name, entries in found.items()}

    async def overdue(self, shards: Sequence[Shard], now_ms: int) -> dict[Shard, list[Place]]:
        """Return whose time was up at ``now_ms``, the longest overdue first, within a bound."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for shard in shards:
                pipe.zrangebyscore(shard.deadlines, "-inf", now_ms, start=0, num=_EXPIRE_COUNT)
            found = await pipe.execute()
        return {
            shard: [_place(member) for member in members]
            for shard, members in zip(shards, found, strict=True)
            if members
        }

    async def keep(self, work: Sequence[Work]) -> list[bool | RedisError]:
        """Store and announce the changes of each document, in one round trip.

        A document is answered by True; by False where the shard is no longer ours, or not as we know it; or
        by its own error, which leaves the other documents be.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            for item in work:
                keys, arguments = _keep_arguments(item)
                await self._keep(keys=keys, args=[self._token, *arguments], client=pipe)
            answers = await pipe.execute(raise_on_error=False)
        return [answer if isinstance(answer, RedisError) else bool(answer) for answer in answers]

    async def advance(self, positions: Mapping[Shard, tuple[str, str]]) -> set[Shard]:
        """Move each shard from its old position to the new one; return those that are not as we know them."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for shard, (old, new) in positions.items():
                keys = [shard.keeper, shard.position, shard.reports]
                await self._advance(keys=keys, args=[self._token, old, new], client=pipe)
            answers = await pipe.execute()
        return {shard for shard, moved in zip(positions, answers, strict=True) if not moved}

    async def _load_some(
        self, shard: Shard, deadlines: Sequence[tuple[bytes, float]], stored: StoredShard
    ) -> None:
        places = [_place(member) for member, _ in deadlines]
        keys = [shard.presence(*place) for place in places]
        packed = cast("list[bytes | None]", await self._redis.mget(keys))
        for (client, document_id), (_, deadline), value in zip(places, deadlines, packed, strict=True):
            stored.stays[document_id][client] = _stay(value, int(deadline))


def _place(member: bytes) -> tuple[ClientId, DocumentId]:
    # A client id has no colon; a document id may.
    client, _, document = member.decode().partition(":")
    return ClientId(client), DocumentId(document)


def _stay(packed: bytes | None, deadline_ms: int) -> Stay | None:
    if packed is None:
        return None
    try:
        return Stay(decode_presence(packed), deadline_ms)
    except ProtocolError:
        return None


def _entry(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    return Entry(entry_id.decode(), fields.get(REPORT_FIELD))


def _keep_arguments(item: Work) -> tuple[list[str], list[str | bytes | int]]:
    shard, document_id, changes = item.shard, item.document_id, item.changes
    keys = [shard.keeper, shard.position, shard.deadlines, shard.roster(document_id), shard.happened]
    arguments: list[str | bytes | int] = [item.position, shard.events(document_id), _announcement(changes)]
    for stay in (*changes.present, *changes.renewed):
        client = stay.presence.client_id
        keys.append(shard.presence(client, document_id))
        arguments += [client, f"{client}:{document_id}", stay.deadline_ms, encode_presence(stay.presence)]
    for client in changes.left:
        keys.append(shard.presence(client, document_id))
        arguments += [client, f"{client}:{document_id}", 0, b""]
    arguments += map(packed, _events(document_id, changes))
    return keys, arguments


def _events(document_id: DocumentId, changes: Changes) -> Iterator[DocumentEvent]:
    """Yield what applications are told; of carets that moved, nothing."""
    for came in changes.came:
        yield DocumentJoined(
            document=document_id, client_id=came.client_id, author=came.author, name=came.name
        )
    authors = {gone.client_id: gone.author for gone in changes.gone}
    for client in changes.left:
        yield DocumentLeft(document=document_id, client_id=client, author=authors.get(client))


def _announcement(changes: Changes) -> bytes:
    if not changes.present and not changes.left:
        return b""
    present = tuple(shared_fields(stay.presence) for stay in changes.present)
    return encode_events([PresenceChanged(present, changes.left)])
