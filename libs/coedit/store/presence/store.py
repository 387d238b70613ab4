"""Presence as gateways see it: they report who is here, and read the roster of a document they open."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

from redis.asyncio import Redis

from coedit.errors import ProtocolError
from coedit.identifiers import ClientId, DocumentId
from coedit.presence.roster import Presence
from coedit.store.keys import Shard, shard_of
from coedit.store.presence.reports import (
    MAX_PLACES,
    REPORT_FIELD,
    Alive,
    Left,
    Place,
    Report,
    Seen,
    decode_presence,
    encode_report,
)
from coedit.store.redis.topology import Nodes

logger = logging.getLogger(__name__)

REPORTS_BOUND = 10_000
"""About how many reports of a shard wait at most. Presence may be lost, unlike edits: the oldest go first."""


class PresenceStore:
    """What one gateway reports, under its name ``gateway``, and reads.

    ``ttl_seconds`` is how long a presence lasts without a sign of life; call `alive` about three times in it.
    Every method raises one of `coedit.store.redis.connection.TROUBLE` where Redis cannot do it now; a report
    that got lost that way is mended by the next `alive`.
    """

    def __init__(self, nodes: Nodes, shard_count: int, gateway: str, ttl_seconds: float = 30.0) -> None:
        self._nodes = nodes
        self._shard_count = shard_count
        self._gateway = gateway
        self._ttl_ms = int(ttl_seconds * 1000)

    async def report(self, document_id: DocumentId, presence: Presence) -> None:
        """Report that a client came to a document, moved, or changed its name or colour."""
        await self.report_all([(document_id, presence)])

    async def report_all(self, seen: Iterable[tuple[DocumentId, Presence]]) -> None:
        """Report many at once, in one round trip to each node."""
        await self._add_all(
            [
                (self._shard(document_id), Seen(document_id, replace(presence, gateway=self._gateway)))
                for document_id, presence in seen
            ]
        )

    async def alive(self, places: Iterable[Place]) -> list[Place]:
        """Renew the presence of these clients; return those that are not known: `report` them again.

        A presence is not known when it expired, its report was lost, or is too new to have been kept yet.
        """
        asked: list[tuple[Shard, Place | Alive]] = []
        for shard, batch in self._batches(places):
            # The keys are renewed here too, so that nobody vanishes while no presence service runs.
            asked += [(shard, place) for place in batch]
            asked.append((shard, Alive(batch)))
        answers = await self._nodes.each(asked, lambda item: item[0], self._ask_alive)
        return [
            item
            for (_, item), known in zip(asked, answers, strict=True)
            if not isinstance(item, Alive) and not known
        ]

    async def left(self, places: Iterable[Place]) -> None:
        """Report that these clients left the documents, or lost their connection.

        A client that has the document open over a newer connection has not left; between two gateways the
        service sees that by itself, within one gateway the caller must.
        """
        await self._add_all([(shard, Left(self._gateway, batch)) for shard, batch in self._batches(places)])

    async def read_roster(self, document_id: DocumentId) -> list[Presence]:
        """Return who is present in a document, by client id, whether or not a presence service runs.

        Subscribe first and read then: a change in between is told by the channel as well, which does no harm.
        """
        shard = self._shard(document_id)
        redis = self._nodes.at(shard)
        members = cast("set[bytes]", await redis.smembers(shard.roster(document_id)))
        clients = sorted(ClientId(member.decode()) for member in members)
        if not clients:
            return []
        keys = [shard.presence(client, document_id) for client in clients]
        stored = cast("list[bytes | None]", await redis.mget(keys))
        # A member without a key has expired; the service drops it, but it need not be running.
        return [presence for packed in stored if packed for presence in _readable(packed, document_id)]

    def _shard(self, document_id: DocumentId) -> Shard:
        return shard_of(document_id, self._shard_count)

    def _batches(self, places: Iterable[Place]) -> list[tuple[Shard, tuple[Place, ...]]]:
        by_shard: dict[Shard, list[Place]] = defaultdict(list)
        for place in places:
            by_shard[self._shard(place[1])].append(place)
        return [
            (shard, tuple(places[start : start + MAX_PLACES]))
            for shard, places in by_shard.items()
            for start in range(0, len(places), MAX_PLACES)
        ]

    def _ask_alive(self, pipe: Redis, asked: tuple[Shard, Place | Alive]) -> None:
        shard, item = asked
        if isinstance(item, Alive):
            _add(pipe, (shard, item))
        else:
            pipe.pexpire(shard.presence(*item), self._ttl_ms)

    async def _add_all(self, reports: Sequence[tuple[Shard, Report]]) -> None:
        await self._nodes.each(reports, lambda report: report[0], _add)


def _add(pipe: Redis, addressed: tuple[Shard, Report]) -> None:
    shard, report = addressed
    pipe.xadd(shard.reports, {REPORT_FIELD: encode_report(report)}, maxlen=REPORTS_BOUND, approximate=True)


def _readable(packed: bytes, document_id: DocumentId) -> Sequence[Presence]:
    try:
        return (decode_presence(packed),)
    except ProtocolError as error:
        facts = {"event": "presence-unreadable", "document_id": document_id, "error": str(error)}
        logger.warning("a stored presence cannot be read and is left out", extra=facts)
        return ()
