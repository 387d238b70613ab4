"""What is given back to a shard that lost commits: the entries of ``offers:{s}``, each a MessagePack list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from coedit.errors import CoeditError, InvalidDeltaError
from coedit.identifiers import DocumentId, Revision, document_id
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import decode_commit, encode_commit
from coedit.store.keys import Shard
from coedit.store.redis.stream_pages import pages
from coedit.store.redis.stream_reader import StreamReader
from coedit.store.redis.topology import Nodes

_FIELD = b"offer"
_BOUND = 10_000
"""About how many offers of a shard wait at most; whoever gave one asks again, so the oldest may go."""
_READ_COUNT = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody trustworthy has seen a document there, and may not hold all that leads there."""

    document_id: DocumentId
    epoch: int
    revision: Revision
    mac: str


@dataclass(frozen=True, slots=True)
class Given:
    """Commits of a document in a row; the first follows the mac ``before``."""

    document_id: DocumentId
    before: str
    commits: tuple[Commit, ...]


Offer = Seen | Given


class OffersStream:
    """Adds to the offers of a shard, and reads them."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def add(self, shard: Shard, *offers: Offer) -> None:
        """Add offers, which are read together: half a history would be taken for all of it.

        Raises:
            RedisError, OSError: Redis may or may not have them; adding them again does no harm.
        """
        async with self._nodes.at(shard).pipeline(transaction=True) as pipe:
            for offer in offers:
                pipe.xadd(shard.offers, {_FIELD: _encode(offer)}, maxlen=_BOUND, approximate=True)
            await pipe.execute()

    async def read(
        self, reader: StreamReader, places: Mapping[Shard, str], block_ms: int
    ) -> dict[Shard, list[tuple[str, Offer | None]]]:
        """Return what stands behind each place of a node's shards, with its ids; None for what is no offer.

        Waits at most ``block_ms`` for the first one.
        """
        shards = {shard.offers.encode(): shard for shard in places}
        streams = {name: places[shard] for name, shard in shards.items()}
        found = await reader.read(streams, count=_READ_COUNT, block_ms=block_ms)
        return {
            shards[name]: [(entry_id.decode(), _decode(fields)) for entry_id, fields in entries]
            for name, entries in found.items()
        }

    async def forget(self, shard: Shard, entry_ids: Sequence[str]) -> None:
        """Drop offers that were dealt with."""
        if entry_ids:
            await self._nodes.at(shard).xdel(shard.offers, *entry_ids)

    async def forget_document(self, shard: Shard, document_id: DocumentId) -> int:
        """Drop all offers of a document; return how many they were."""
        redis, count = self._nodes.at(shard), 0
        async for page in pages(redis, shard.offers):
            decoded = [(entry_id, _decode(fields)) for entry_id, fields in page]
            its = [entry_id for entry_id, offer in decoded if offer and offer.document_id == document_id]
            count += await redis.xdel(shard.offers, *its) if its else 0
        return count


def _encode(offer: Offer) -> bytes:
    fields: list[Any]
    match offer:
        case Seen(document, epoch, revision, mac):
            fields = ["seen", document, epoch, revision, mac]
        case Given(document, before, commits):
            fields = ["given", document, before, [encode_commit(commit) for commit in commits]]
    packed: bytes = msgpack.packb(fields)
    return packed


def _decode(fields: Mapping[bytes, bytes]) -> Offer | None:
    try:
        return _offer(msgpack.unpackb(fields[_FIELD]))
    except (CoeditError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _offer(fields: list[Any]) -> Offer:
    match fields:
        case ["seen", str(document), int(epoch), int(revision), str(mac)]:
            return Seen(document_id(document), epoch, Revision(revision), mac)
        case ["given", str(document), str(before), list(commits)]:
            # An OT client has half of a bridged document's commits: they prove how far it was, and put nothing back.
            given = tuple(decode_commit(packed, may_lack_update=True) for packed in commits)
            return Given(document_id(document), before, given)
    raise InvalidDeltaError("not an offer")
