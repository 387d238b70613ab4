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
from typing import cast

from redis.asyncio import Redis

from coedit.errors import CoeditError
from coedit.identifiers import DocumentId
from coedit.protocol.log_entry import ChainKey
from coedit.runtime.tracing.active import traced
from coedit.runtime.tracing.facts import Facts
from coedit.store.deployment.incarnation import Incarnations
from coedit.store.documents.reader import DocumentReader
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.server_pin import Pins
from coedit.store.redis.stream_reader import StreamReader
from coedit.store.redis.topology import Nodes
from coedit.store.streams.offers import OffersStream
from coedit.store.writes.restore import RestoreScript
from services.transformer.heads import HeadAnnouncer
from services.transformer.metrics import SUSPECT, SUSPICIONS
from services.transformer.recovery.hand_over import HandOver
from services.transformer.recovery.mender import Mender
from services.transformer.recovery.restorer import Restorer
from services.transformer.recovery.unsaved import Remembered
from services.transformer.recovery.watched import Watched, remember

logger = logging.getLogger(__name__)

_BLOCK_MS = 1000
_RETRY_SECONDS = 30.0
"""After so long it is tried again to restore what was damaged."""


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
        self._heads = heads
        self._shard_of = reader.shard
        self._offers = OffersStream(nodes)
        restorer = Restorer(reader, restore, chain_key, self.incarnation)
        self._mender = Mender(restorer, self._offers, chain_key)
        self._hand_over = HandOver(reader, self._offers)
        self._readers: dict[Redis, StreamReader] = {}
        self._watched: dict[Shard, Watched] = {}
        self._awake = asyncio.Event()
        self._following = asyncio.Lock()
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
        self._hand_over.remember(remembered)

    def remember(self, remembered: Iterable[Remembered]) -> None:
        """Have compared with what Redis holds, by the next `follow`, what this process itself knows to be stored."""
        self._hand_over.remember(remembered)

    def _let_go(self, shards: Iterable[Shard]) -> None:
        """Watch shards no more; what is known of one that may have lost it is not over."""
        for shard in shards:
            watched = self._watched.pop(shard)
            if watched.is_suspect:
                self._hand_over.remember_older(watched.known)

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
            # What could not be examined yet waits for that.
            await self._hand_over.hand_over(lambda shard: shard in held and shard not in self._watched)
        SUSPECT.set(sum(watched.is_suspect for watched in self._watched.values()))
        self._awake.set()

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
                await self._mender.deal(shard, watched, list(watched.offered))
        if suspects:
            await self._finish_due(suspects)
        await self._retry_broken()

    async def settle(self, document_id: DocumentId) -> None:
        """Compare a document of another incarnation with the object store, and put it where that has it further.

        Raises:
            CoeditError, RedisError, OSError: it cannot be known where the document stands.
        """
        await self._mender.settle(self._watched.get(self._shard_of(document_id)), document_id)

    async def _read(self, redis: Redis, shards: list[Shard]) -> None:
        places = {shard: self._watched[shard].place for shard in shards if shard in self._watched}
        for shard, offers in (await self._offers.read(self._readers[redis], places, _BLOCK_MS)).items():
            watched = self._watched.get(shard)
            if watched is not None:
                await self._mender.take(shard, watched, offers)

    async def _examine(self, shard: Shard, redis: Redis) -> None:
        if not self.pins.of(redis).server.identity:
            await redis.ping()
        incarnation = await self._incarnations.examine(shard, self.pins.of(redis).server)
        if incarnation is None:
            return
        watched = Watched(redis, incarnation, is_suspect=incarnation.suspect_until_ms > 0)
        if watched.is_suspect:
            for known in self._hand_over.of(shard):
                await remember(watched, known)
                self._hand_over.forget(known.document_id)
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
            await self._mender.mend(shard, watched, document_id)
        known = set(watched.seen)
        changed = cast("list[bytes]", await self._nodes.at(shard).zrange(shard.changed, 0, -1))
        for document_id in known | {DocumentId(name.decode()) for name in changed}:
            await self._heads.announce(document_id)

    async def _retry_broken(self) -> None:
        """Restore what is repaired by now, of the sound shards; not often, since all of a document is read for it."""
        if time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + self.retry_seconds
        for shard, watched in list(self._watched.items()):
            await self._mender.retry_broken(shard, watched)

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
            about: Facts = {"coedit.shard": shard.number, "coedit.reason": watched.incarnation.reason}
            try:
                with traced("recover shard", facts=about):
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
        await self._mender.finish(watched)
        last_offer = "" if watched.place == "0-0" else watched.place
        if not await self._incarnations.clear(shard, watched.incarnation, last_offer):
            self._watched.pop(shard, None)
            return
        watched.is_suspect = False
        watched.forget_all_but_broken()
