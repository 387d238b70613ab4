"""Where a document stands, and its commits, as Redis holds them."""

from dataclasses import dataclass
from typing import Any, cast

from coedit.identifiers import DocumentId, Revision
from coedit.store.durability import Durability
from coedit.store.keys import Shard, shard_of
from coedit.store.topology import Nodes

_PAGE = 2000
_Page = list[tuple[bytes, dict[bytes, bytes]]]
_FIELDS = ("epoch", "head", "mac", "floor", "snapshot", "number", "incarnation", "lost")


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

    @property
    def lost_revisions(self) -> tuple[Revision, Revision] | None:
        """The first and last of the revisions whose loss began the epoch."""
        first, _, last = self.lost.partition("-")
        return (Revision(int(first)), Revision(int(last))) if last else None


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
            TimeoutError: it is there, and not durable yet.
            RedisError, OSError: Redis cannot be asked.
        """
        shard = self.shard(document_id)
        redis, key = self._nodes.at(shard), shard.document(document_id)
        if not self._durability.must_wait:
            values = await redis.hmget(key, list(_FIELDS))
        else:
            async with redis.pipeline(transaction=False) as pipe:
                pipe.hmget(key, list(_FIELDS))
                asked = self._durability.ask_after_reading(pipe, shard)
                (values,) = self._durability.confirmed(await pipe.execute(), asked)
        return None if values[0] is None else _position(values)

    async def read(self, document_id: DocumentId, first: int, last: int) -> list[bytes]:
        """Return the entries of revisions ``first`` to ``last``, both included, as far as the log has them.

        That is one run that ends at ``last``: what a trim takes away meanwhile leaves no hole in it.
        """
        entries: list[bytes] = []
        shard = self.shard(document_id)
        redis, key = self._nodes.at(shard), shard.log(document_id)
        while first <= last:
            page = cast("_Page", await redis.xrange(key, f"{first}-0", f"{last}-0", count=_PAGE))
            if not page:
                return []
            begin, end = _revision(page[0]), _revision(page[-1])
            if end - begin + 1 != len(page):
                return []
            if begin != first:
                entries.clear()
            entries += [fields[b"commit"] for _, fields in page]
            first = end + 1
        return entries


def _revision(entry: tuple[bytes, dict[bytes, bytes]]) -> int:
    return int(entry[0].split(b"-")[0])


def _position(values: list[Any]) -> Position:
    epoch, head, mac, floor, snapshot, number, incarnation, lost = values
    return Position(
        int(epoch),
        Revision(int(head)),
        mac.decode(),
        Revision(int(floor or 0)),
        Revision(int(snapshot or 0)),
        int(number or 0),
        incarnation.decode() if incarnation else "",
        lost.decode() if lost else "",
    )
