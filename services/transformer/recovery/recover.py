"""Puts right what Redis lost: examines each shard that is gained, and takes back what clients and gateways kept.

A shard is *suspect* where Redis is new, was emptied, restarted, or is another server: it may lack what came last. For a
bounded time nothing is consumed then; who has a document open is asked, and what continues the MAC chain is appended
again. What somebody saw and nobody could give back is lost: the document goes on in another epoch, and says so.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

from redis.asyncio import Redis

from coedit.errors import (
    CoeditError,
    DamagedError,
    ForgedOfferError,
    QuarantinedError,
    UnavailableError,
    UnknownKeyError,
)
from coedit.identifiers import DocumentId
from coedit.protocol.donations import Donations, check_offer
from coedit.protocol.log_entry import ChainKey
from coedit.store.deployment.incarnation import Incarnation, Incarnations
from coedit.store.documents.reader import DocumentReader
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.server_pin import Pins
from coedit.store.redis.stream_reader import StreamReader
from coedit.store.redis.topology import Nodes
from coedit.store.streams.offers import Given, OffersStream, Seen
from coedit.store.writes.restore import RestoreScript
from services.transformer.heads import HeadAnnouncer
from services.transformer.metrics import OFFERS, SUSPECT, SUSPICIONS
from services.transformer.recovery.restorer import Restorer
from services.transformer.recovery.unsaved import Remembered

logger = logging.getLogger(__name__)

_ASK_SECONDS = 1.0
_BLOCK_MS = 1000
_RETRY_SECONDS = 30.0
"""After so long it is tried again to restore what was damaged."""


@dataclass(slots=True)
class Watched:
    """A shard that this process owns, and what was given back to it so far."""

    redis: Redis
    """Of the node on which it was examined."""
    incarnation: Incarnation
    is_suspect: bool
    place: str = "0-0"
    """Id of the last offer that was read."""
    donations: dict[DocumentId, Donations] = field(default_factory=dict)
    seen: dict[DocumentId, Seen] = field(default_factory=dict)
    """The furthest that anybody saw of each document."""
    offered: dict[DocumentId, list[str]] = field(default_factory=dict)
    """Ids of the offers of each document that was not dealt with yet."""
    unmended: list[DocumentId] = field(default_factory=list)
    """Documents of which this process itself knows something that may be lost."""
    broken: set[DocumentId] = field(default_factory=set)
    """Those that could not be restored, being damaged; what was given of them is kept until they are repaired."""
    known: list[Remembered] = field(default_factory=list)
    """What it knows; should the shard become somebody else's before it is sound, its new owner is to know."""

    def note(self, seen: Seen) -> None:
        """Take note of how far somebody saw a document."""
        known = self.seen.get(seen.document_id)
        if known is None or (known.epoch, known.revision) < (seen.epoch, seen.revision):
            self.seen[seen.document_id] = seen

    def forget(self, document_id: DocumentId) -> None:
        """Forget what was given of a document that is dealt with."""
        self.broken.discard(document_id)
        self.donations.pop(document_id, None)
        self.seen.pop(document_id, None)

    def forget_all_but_broken(self) -> None:
        """Forget what was given of the others, which all are dealt with."""
        for document_id in (self.donations.keys() | self.seen.keys()) - self.broken:
            self.forget(document_id)
        self.known.clear()
        self.offered.clear()


class Recovery:
    """The owner's care for its shards."""

    def __init__(
        self,
        nodes: Nodes,
        pins: Pins,
        incarnations: Incarnations,
        reader: DocumentReader,
        restore: RestoreScript,
        heads: HeadAnnouncer,
        chain_key: ChainKey,
    ) -> None:
        self.on_cleared: Callable[[], None] = lambda: None
        """Called when shards became fit to be consumed."""
        self.retry_seconds = _RETRY_SECONDS
        self._nodes = nodes
        self.pins = pins
        self._incarnations = incarnations
        self._restorer = Restorer(reader, restore, chain_key, self.incarnation)
        self._heads = heads
        self._chain_key = chain_key
        self._shard_of = reader.shard
        self._offers = OffersStream(nodes)
        self._readers: dict[Redis, StreamReader] = {}
        self._watched: dict[Shard, Watched] = {}
        self._awake = asyncio.Event()
        self._following = asyncio.Lock()
        self._remembered: dict[DocumentId, Remembered] = {}
        """What this process knows and Redis may have lost, until whoever has to know does."""
        self._reader = reader
        self._retry_at = 0.0

    def sound(self) -> frozenset[Shard]:
        """Return the shards that can be consumed."""
        placed = self._nodes.by_node(self._watched)
        return frozenset(
            shard
            for redis, shards in placed.items()
            for shard in shards
            if self._watched[shard].redis is redis and not self._watched[shard].is_suspect
        )

    def incarnation(self, document_id: DocumentId) -> str:
        """Return the id of the incarnation of a document's shard; empty where that is not ours any more."""
        watched = self._watched.get(self._shard_of(document_id))
        return watched.incarnation.id if watched else ""

    def forget(self, redis: Redis, remembered: Sequence[Remembered]) -> None:
        """Forget the shards of a node: they are examined again before anything is done with them.

        ``remembered`` is what this process itself knows to be stored, should it turn out to be lost.
        """
        self._let_go([shard for shard, watched in self._watched.items() if watched.redis is redis])
        self.remember(remembered)

    def remember(self, remembered: Iterable[Remembered]) -> None:
        """Have compared with what Redis holds, by the next `follow`, what this process itself knows to be stored."""
        self._remembered |= {known.document_id: known for known in remembered}

    def _let_go(self, shards: Iterable[Shard]) -> None:
        """Watch shards no more; what is known of one that may have lost it is not over."""
        for shard in shards:
            watched = self._watched.pop(shard)
            if watched.is_suspect:
                self._remembered = {known.document_id: known for known in watched.known} | self._remembered

    async def follow(self, held: set[Shard]) -> None:
        """Examine the shards that were gained, and leave off those lost.

        Raises:
            RedisError, OSError: Redis cannot tell now; what was not examined is not consumed.
        """
        async with self._following:
            placed = {shard: redis for redis, shards in self._nodes.by_node(held).items() for shard in shards}
            self._let_go(
                [shard for shard, watched in self._watched.items() if placed.get(shard) is not watched.redis]
            )
            gained = {shard: redis for shard, redis in placed.items() if shard not in self._watched}
            for shard, redis in gained.items():
                await self._examine(shard, redis)
            self._tell_suspicions(gained)
            await self._hand_over(held)
        SUSPECT.set(sum(watched.is_suspect for watched in self._watched.values()))
        self._awake.set()

    async def _hand_over(self, held: set[Shard]) -> None:
        """Give what is known and lost, of shards that somebody else owns or that are sound, to their owners.

        What cannot be given now is kept for the next time.
        """
        for document_id, known in list(self._remembered.items()):
            shard = self._shard_of(document_id)
            if shard in held and shard not in self._watched:
                continue  # it could not be examined yet
            try:
                if not await self._reader.holds(document_id, known.stored):
                    await self._offers.add(shard, *await asyncio.to_thread(known.offers))
            except TROUBLE as error:
                facts = {"event": "hand-over-error", "document_id": document_id, "error": repr(error)}
                logger.warning("what is known of a document could not be handed over yet", extra=facts)
                continue
            except DamagedError as error:
                facts = {"event": "hand-over-damaged", "document_id": document_id, "error": str(error)}
                logger.warning("a damaged document cannot be compared with what is known of it", extra=facts)
            self._remembered.pop(document_id, None)

    async def step(self) -> None:
        """Deal with the offers that came, and with the shards whose time of suspicion is over."""
        while not self._watched:
            self._awake.clear()
            await self._awake.wait()
        suspects = [shard for shard, watched in self._watched.items() if watched.is_suspect]
        for shard in suspects:
            await self._ask(shard)
        placed = self._nodes.by_node(self._watched)
        self._readers = {redis: self._readers.get(redis) or self._nodes.reader(redis) for redis in placed}
        await asyncio.gather(*(self._read(redis, shards) for redis, shards in placed.items()))
        for shard, watched in list(self._watched.items()):
            if watched.offered and not watched.is_suspect:
                await self._deal(shard, watched, list(watched.offered))
        if suspects:
            await self._finish_due(suspects)
        await self._retry_broken()

    async def settle(self, document_id: DocumentId) -> None:
        """Compare a document of another incarnation with the object store, and put it where that has it further.

        Raises:
            CoeditError, RedisError, OSError: it cannot be known where the document stands.
        """
        watched = self._watched.get(self._shard_of(document_id))
        if watched is None or document_id not in watched.broken:
            await self._restorer.restore(document_id, Donations(document_id))
            return
        await self._give_up(watched, document_id)  # it is repaired, and may take back what it lacks
        watched.forget(document_id)

    async def _read(self, redis: Redis, shards: list[Shard]) -> None:
        places = {shard: self._watched[shard].place for shard in shards if shard in self._watched}
        for shard, offers in (await self._offers.read(self._readers[redis], places, _BLOCK_MS)).items():
            await self._take(shard, offers)

    async def _examine(self, shard: Shard, redis: Redis) -> None:
        if not self.pins.of(redis).server.identity:
            await redis.ping()
        incarnation = await self._incarnations.examine(shard, self.pins.of(redis).server)
        if incarnation is None:
            return
        watched = Watched(redis, incarnation, is_suspect=incarnation.suspect_until_ms > 0)
        if watched.is_suspect:
            for known in list(self._remembered.values()):
                if self._shard_of(known.document_id) == shard:
                    await _remember(watched, known)
                    del self._remembered[known.document_id]
        self._watched[shard] = watched
        if incarnation.reason:
            SUSPICIONS.labels(incarnation.reason).inc()

    def _tell_suspicions(self, gained: Iterable[Shard]) -> None:
        reasons = Counter(
            watched.incarnation.reason
            for shard in gained
            if (watched := self._watched.get(shard)) is not None and watched.incarnation.reason
        )
        for reason, count in reasons.items():
            facts = {"event": "suspicion", "reason": reason, "shards": count}
            logger.warning("Redis may have lost commits; asking who has them", extra=facts)

    async def _ask(self, shard: Shard) -> None:
        """Tell whoever has a document open where Redis has it; who has it further offers what is missing."""
        watched = self._watched.get(shard)
        if watched is None:
            return  # given up while another was asked about
        unmended, watched.unmended = watched.unmended, []
        for document_id in unmended:
            await self._mend(shard, watched, document_id)
        known = set(watched.seen)
        changed = cast("list[bytes]", await self._nodes.at(shard).zrange(shard.changed, 0, -1))
        for document_id in known | {DocumentId(name.decode()) for name in changed}:
            await self._heads.announce(document_id)

    async def _take(self, shard: Shard, offers: list[tuple[str, Seen | Given | None]]) -> None:
        watched = self._watched.get(shard)
        if watched is None:
            return
        touched: dict[DocumentId, None] = {}
        worthless: list[str] = []
        for entry_id, offer in offers:
            watched.place = entry_id
            if offer is None:
                OFFERS.labels("unreadable").inc()
            if offer is None or (isinstance(offer, Given) and not self._accept(watched, offer)):
                worthless.append(entry_id)
                continue
            if isinstance(offer, Seen):
                watched.note(offer)
            touched[offer.document_id] = None
            watched.offered.setdefault(offer.document_id, []).append(entry_id)
        await self._deal(shard, watched, touched)
        if worthless and not watched.is_suspect:
            await self._offers.forget(shard, worthless)

    async def _deal(self, shard: Shard, watched: Watched, document_ids: Iterable[DocumentId]) -> None:
        """Mend documents; what was offered of one that cannot be now is kept, and tried again."""
        for document_id in document_ids:
            # A shard that is suspect keeps them all, for an owner that takes it over.
            if await self._mend(shard, watched, document_id) and not watched.is_suspect:
                await self._offers.forget(shard, watched.offered.pop(document_id, []))
                if document_id not in watched.broken:
                    watched.forget(document_id)

    def _accept(self, watched: Watched, offer: Given) -> bool:
        try:
            check_offer(self._chain_key, offer.document_id, offer.commits, offer.before)
        except (ForgedOfferError, UnknownKeyError) as error:
            OFFERS.labels(error.code).inc()
            facts = {"event": "offer-refused", "code": error.code, "document_id": offer.document_id}
            logger.warning("offered commits are not ours", extra=facts)
            return False
        OFFERS.labels("accepted").inc()
        donations = watched.donations.setdefault(offer.document_id, Donations(offer.document_id))
        donations.add(offer.commits, offer.before)
        last = offer.commits[-1]
        # Outside of the grace nobody waits for whoever has half of a commit any more.
        if watched.is_suspect or not last.lacks_update:
            watched.note(Seen(offer.document_id, last.epoch, last.revision, last.mac))
        return True

    async def _mend(self, shard: Shard, watched: Watched, document_id: DocumentId) -> bool:
        """Restore a document; return whether it is dealt with. One document's trouble is its own."""
        donations = watched.donations.get(document_id) or Donations(document_id)
        try:
            if watched.is_suspect:  # somebody may give more of it
                await self._restorer.restore(document_id, donations)
            else:
                await self._give_up(watched, document_id)
        except QuarantinedError as error:
            self._keep_broken(watched, document_id, error)
        except CoeditError as error:
            facts = {"event": "restore-error", "document_id": document_id, "error": repr(error)}
            logger.warning("a document could not be restored yet", extra=facts | {"shard": shard.number})
            return not isinstance(error, UnavailableError)
        else:
            watched.broken.discard(document_id)
        return True

    async def _give_up(self, watched: Watched, document_id: DocumentId) -> None:
        donations = watched.donations.get(document_id) or Donations(document_id)
        await self._restorer.give_up(document_id, donations, watched.seen.get(document_id))

    def _keep_broken(self, watched: Watched, document_id: DocumentId, error: QuarantinedError) -> None:
        """Keep what was given of a damaged document until it is repaired, and say how far it was known."""
        if document_id in watched.broken:
            return
        watched.broken.add(document_id)
        seen = watched.seen.get(document_id)
        facts: dict[str, object] = {"event": "restore-damaged", "document_id": document_id}
        if seen is not None:
            facts |= {"seen": seen.revision, "epoch": seen.epoch}
        facts["error"] = repr(error)
        logger.error("a damaged document cannot be restored before it is repaired", extra=facts)

    async def _retry_broken(self) -> None:
        """Restore what is repaired by now, of the sound shards; not often, since all of a document is read for it."""
        if time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + self.retry_seconds
        for shard, watched in list(self._watched.items()):
            for document_id in () if watched.is_suspect else tuple(watched.broken):
                await self._mend(shard, watched, document_id)
                if document_id not in watched.broken:
                    watched.forget(document_id)

    async def _finish_due(self, suspects: list[Shard]) -> None:
        due: list[tuple[Shard, Watched]] = []
        for redis, shards in self._nodes.by_node(suspects).items():
            seconds, microseconds = await redis.time()
            now_ms = int(seconds) * 1000 + int(microseconds) // 1000
            for shard in shards:
                watched = self._watched.get(shard)
                if watched is not None and watched.incarnation.suspect_until_ms <= now_ms:
                    due.append((shard, watched))
        failures: list[Exception] = []
        for shard, watched in due:
            try:
                await self._finish(shard, watched)
            except (CoeditError, *TROUBLE) as error:
                failures.append(error)  # the other shards need not wait for this one
        if len(due) > len(failures):
            SUSPECT.set(sum(watched.is_suspect for watched in self._watched.values()))
            facts = {"event": "suspicion-over", "shards": len(due) - len(failures)}
            logger.info("shards are sound", extra=facts)
            self.on_cleared()
        if failures:
            raise failures[0]

    async def _finish(self, shard: Shard, watched: Watched) -> None:
        """End the suspicion of a shard: what was seen and not given back is lost.

        Raises:
            UnavailableError, RedisError, OSError: a store cannot tell now; the shard stays suspect.
        """
        for document_id in tuple(watched.seen):
            try:
                await self._give_up(watched, document_id)
                watched.broken.discard(document_id)
            except QuarantinedError as error:
                self._keep_broken(watched, document_id, error)
        last_offer = "" if watched.place == "0-0" else watched.place
        if not await self._incarnations.clear(shard, watched.incarnation, last_offer):
            self._watched.pop(shard, None)
            return
        watched.is_suspect = False
        watched.forget_all_but_broken()


async def _remember(watched: Watched, known: Remembered) -> None:
    document_id, stored = known.document_id, known.stored
    watched.known.append(known)
    if stored.head:
        watched.note(Seen(document_id, stored.epoch, stored.head, stored.mac))
    watched.unmended.append(document_id)
    donations = watched.donations.setdefault(document_id, Donations(document_id))
    for given in await asyncio.to_thread(list, known.given()):
        donations.add(given.commits, given.before)
