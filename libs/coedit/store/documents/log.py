"""Where a document stands, and its commits, as Redis holds them."""

from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from coedit.errors import DamagedError, DamageReason, InvalidDeltaError
from coedit.identifiers import ClientId, DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.protocol.events import Event, encode_events
from coedit.store.keys import Shard, shard_of
from coedit.store.objects.deletions import Deletion
from coedit.store.redis.durability import Durability
from coedit.store.redis.topology import Nodes

_PAGE = 2000
_Page = list[tuple[bytes, dict[bytes, bytes]]]
_FIELDS = ("epoch", "head", "mac", "floor", "snapshot", "number", "incarnation", "lost", "bridge")


@dataclass(frozen=True, slots=True)
class Position:
    """The fields of ``document:{s}:ID`` (see `coedit.store.keys`)."""

    epoch: int
    head: Revision
    mac: str
    floor: Revision
    snapshot: Revision
    number: int
    incarnation: str = ""
    lost: str = ""
    """The revisions whose loss began the epoch, ``first-last``; empty: it did not begin by one."""
    bridge: Bridge | None = None
    """As what Yjs clients open the document, once one has."""

    @property
    def lost_revisions(self) -> tuple[Revision, Revision] | None:
        """The first and last of the revisions whose loss began the epoch."""
        first, last, *_ = (*self.lost.split("-"), "")
        return (Revision(int(first)), Revision(int(last))) if last else None

    @property
    def lost_epoch(self) -> int:
        """The epoch of which they are the end, as far as that is known: the one before, or an older one."""
        _, _, ended = (*self.lost.split("-"), "", "")[:3]
        return int(ended) if ended else self.epoch - 1


class DocumentLog:
    """Reads positions and logs; only the commit script writes them."""

    def __init__(self, nodes: Nodes, shard_count: int, durability: Durability | None = None) -> None:
        self._nodes = nodes
        self._durability = durability or Durability()
        self._shard_count = shard_count

    def shard(self, document_id: DocumentId) -> Shard:
        """Return the shard that a document belongs to."""
        return shard_of(document_id, self._shard_count)

    async def position(self, document_id: DocumentId) -> Position | None:
        """Return where a document stands, or None if Redis does not hold it.

        All that is said by it is durable: whoever reads no further can tell of it.

        Raises:
            DamagedError: it is not what the scripts wrote.
            TimeoutError: it is there, and not durable yet.
            RedisError, OSError: Redis cannot be asked.
        """
        with _of_its_type("position"):
            values = await self._durable_fields(document_id)
        return _position(values) if any(value is not None for value in values) else None

    async def positions(
        self, shard: Shard, document_ids: Sequence[DocumentId]
    ) -> list[Position | DamagedError | None]:
        """Return the same of several documents of a shard, in one round trip; one that is damaged says so in its place.

        Raises:
            TimeoutError: they are there, and not all of them durable yet.
            RedisError, OSError: Redis cannot be asked.
        """
        async with self._nodes.at(shard).pipeline(transaction=False) as pipe:
            for document_id in document_ids:
                pipe.hmget(shard.document(document_id), list(_FIELDS))
            asked = self._durability.ask_after_reading(pipe, shard)
            replies = self._durability.confirmed(await pipe.execute(raise_on_error=False), asked)
        return [_position_or_damage(reply) for reply in replies]

    async def _durable_fields(self, document_id: DocumentId) -> list[Any]:
        shard = self.shard(document_id)
        redis, key = self._nodes.at(shard), shard.document(document_id)
        if not self._durability.must_wait:
            return cast("list[Any]", await redis.hmget(key, list(_FIELDS)))
        async with redis.pipeline(transaction=False) as pipe:
            pipe.hmget(key, list(_FIELDS))
            asked = self._durability.ask_after_reading(pipe, shard)
            (values,) = self._durability.confirmed(await pipe.execute(), asked)
        return cast("list[Any]", values)

    async def deletion(self, document_id: DocumentId) -> Deletion | None:
        """Return what Redis knows to have been decided last about a document that was deleted, but for who decided.

        None where nothing ever was, or Redis has forgotten it, which the object store has not.

        Raises:
            RedisError, OSError: Redis cannot be asked.
        """
        shard = self.shard(document_id)
        note = await cast("Awaitable[bytes | None]", self._nodes.at(shard).hget(shard.deleted, document_id))
        return None if note is None else Deletion.of_note(note)

    async def is_suspect(self, document_id: DocumentId) -> bool:
        """Return whether Redis may have lost something of the document that somebody may still give back."""
        shard = self.shard(document_id)
        asked = self._nodes.at(shard).hmget(shard.incarnation, ["id", "suspect_until"])
        known_id, suspect_until = await cast("Awaitable[list[bytes | None]]", asked)
        return not known_id or bool(int(suspect_until or 0))

    async def now_us(self, document_id: DocumentId) -> int:
        """Return the time (µs since 1970) by the clock of the Redis that has a document."""
        seconds, microseconds = await self._nodes.at(self.shard(document_id)).time()
        return int(seconds) * 1_000_000 + int(microseconds)

    async def tell(self, document_id: DocumentId, event: Event) -> None:
        """Tell whoever has a document open of something that is stored nowhere.

        Raises:
            RedisError, OSError: they may not be told.
        """
        shard = self.shard(document_id)
        await self._nodes.at(shard).spublish(shard.events(document_id), encode_events([event]))

    async def ended(self, document_id: DocumentId) -> list[ClientId]:
        """Return the clients that were definitely rejected in a document, the latest last, as far as is known."""
        shard = self.shard(document_id)
        try:
            with _of_its_type("position"):
                found = await self._nodes.at(shard).zrange(shard.ended(document_id), 0, -1)
        except DamagedError:
            return []
        return [ClientId(name.decode()) for name in cast("list[bytes]", found)]

    async def left_behind(self, document_id: DocumentId) -> bool:
        """Return whether Redis has something of a document that it should hold no position of."""
        shard = self.shard(document_id)
        async with self._nodes.at(shard).pipeline(transaction=False) as pipe:
            pipe.exists(shard.log(document_id))
            pipe.zscore(shard.changed, document_id)
            has_log, changed_at = await pipe.execute()
        return bool(has_log) or changed_at is not None

    async def waiting_seconds(self, document_id: DocumentId) -> float:
        """Return for how long a document has waited for a snapshot since its last commit; 0: it does not.

        Raises:
            RedisError, OSError: Redis cannot be asked.
        """
        shard = self.shard(document_id)
        redis = self._nodes.at(shard)
        changed_ms = await redis.zscore(shard.changed, document_id)
        seconds, microseconds = await redis.time()
        now = int(seconds) + int(microseconds) / 1_000_000
        return 0.0 if changed_ms is None else max(0.0, now - float(changed_ms) / 1000)

    async def size_bytes(self, document_id: DocumentId) -> int:
        """Return what the document's log takes in Redis's memory."""
        shard = self.shard(document_id)
        # Of all its nodes: the default looks at five, and one large commit counts as much as thousands of others.
        size = await self._nodes.at(shard).memory_usage(shard.log(document_id), samples=0)
        return int(size or 0)

    async def read(self, document_id: DocumentId, first: int, last: int) -> list[bytes]:
        """Return the entries of revisions ``first`` to ``last``, both included, as far as the log has them.

        That is one run that ends at ``last``: what a trim takes away meanwhile leaves no hole in it.

        Raises:
            DamagedError: the log is no log.
        """
        entries: list[bytes] = []
        while first <= last:
            page = await self._page(document_id, f"{first}-0", f"{last}-0", _PAGE)
            if not page:
                return []
            begin, end = _revision(page[0]), _revision(page[-1])
            if end - begin + 1 != len(page):
                return []
            if begin != first:
                entries.clear()
            entries += [_commit(fields) for _, fields in page]
            first = end + 1
        return entries

    async def run_from(self, document_id: DocumentId, first: int, count: int) -> list[bytes]:
        """Return entries from revision ``first`` on, at most ``count``, up to where the log ends or has a gap.

        Raises:
            DamagedError: the log is no log.
        """
        entries: list[bytes] = []
        for entry in await self._page(document_id, f"{first}-0", "+", count):
            if entry[0] != f"{first + len(entries)}-0".encode():
                break
            entries.append(_commit(entry[1]))
        return entries

    async def whole(self, document_id: DocumentId) -> list[tuple[str, bytes]]:
        """Return every entry of a log as it stands, with its id.

        Raises:
            DamagedError: the log is no log.
        """
        found: list[tuple[str, bytes]] = []
        start = "-"
        while page := await self._page(document_id, start, "+", _PAGE):
            found += [(name.decode(), _commit(fields)) for name, fields in page]
            start = f"({found[-1][0]}"
        return found

    async def _page(self, document_id: DocumentId, first: str, last: str, count: int) -> _Page:
        with _of_its_type("log"):
            shard = self.shard(document_id)
            page = await self._nodes.at(shard).xrange(shard.log(document_id), first, last, count=count)
            return cast("_Page", page)


async def raw_position(redis: Redis, shard: Shard, document_id: DocumentId) -> tuple[bytes, ...] | None:
    """Return the fields of a position as they stand, an absent one as nothing; None where it is no hash at all.

    Raises:
        RedisError, OSError: Redis cannot tell now.
    """
    try:
        values = await redis.hmget(shard.document(document_id), list(_FIELDS))
    except ResponseError as error:
        if "WRONGTYPE" not in str(error):
            raise
        return None
    return tuple(value or b"" for value in cast("list[bytes | None]", values))


@contextmanager
def _of_its_type(reason: DamageReason) -> Iterator[None]:
    """Tell a key of a wrong type, which is one document's damage, from trouble of Redis."""
    try:
        yield
    except ResponseError as error:
        if "WRONGTYPE" not in str(error):
            raise
        raise DamagedError(f"the {reason} in Redis is of a wrong type", reason) from error


def _commit(fields: dict[bytes, bytes]) -> bytes:
    """Return an entry's commit; one that has none is no commit, as whoever decodes it finds."""
    return fields.get(b"commit", b"")


def _revision(entry: tuple[bytes, dict[bytes, bytes]]) -> int:
    return int(entry[0].split(b"-")[0])


def _position(values: list[Any]) -> Position:
    try:
        position = _parsed_position(values)
        _ = position.lost_revisions
        return position
    except (AttributeError, TypeError, ValueError, InvalidDeltaError) as error:
        raise DamagedError(f"the position in Redis is incomplete: {error!r}", "position") from error


def _position_or_damage(reply: Any) -> Position | DamagedError | None:
    try:
        with _of_its_type("position"):
            if isinstance(reply, Exception):
                raise reply
        return _position(reply) if any(value is not None for value in reply) else None
    except DamagedError as error:
        return error


def _parsed_position(values: list[Any]) -> Position:
    epoch, head, mac, floor, snapshot, number, incarnation, lost, bridge = values
    return Position(
        int(epoch),
        Revision(int(head)),
        mac.decode(),
        Revision(int(floor or 0)),
        Revision(int(snapshot or 0)),
        int(number or 0),
        incarnation.decode() if incarnation else "",
        lost.decode() if lost else "",
        Bridge.read(bridge.decode()) if bridge else None,
    )
