"""Takes what was given back to a shard, and puts documents where that leads."""

import logging
from collections.abc import Iterable

from coedit.errors import (
    CoeditError,
    DeletedError,
    ForgedOfferError,
    QuarantinedError,
    UnavailableError,
    UnknownKeyError,
)
from coedit.identifiers import DocumentId
from coedit.protocol.giving_back.donations import Donations, check_offer
from coedit.protocol.log_entry import ChainKey
from coedit.runtime.tracing.active import traced
from coedit.store.keys import Shard
from coedit.store.streams.offers import Given, OffersStream, Seen
from services.transformer.metrics import OFFERS
from services.transformer.recovery.restorer import Restorer
from services.transformer.recovery.watched import Watched

logger = logging.getLogger(__name__)


class Mender:
    """Mends the documents of watched shards, one by one."""

    def __init__(self, restorer: Restorer, offers: OffersStream, chain_key: ChainKey) -> None:
        self._restorer = restorer
        self._offers = offers
        self._chain_key = chain_key

    async def take(
        self, shard: Shard, watched: Watched, offers: Iterable[tuple[str, Seen | Given | None]]
    ) -> None:
        """Take in what was offered, in order, and mend what it is of."""
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
        await self.deal(shard, watched, touched)
        if worthless and not watched.is_suspect:
            await self._offers.forget(shard, worthless)

    async def deal(self, shard: Shard, watched: Watched, document_ids: Iterable[DocumentId]) -> None:
        """Mend documents; what was offered of one that cannot be now is kept, and tried again."""
        for document_id in document_ids:
            # A shard that is suspect keeps them all, for an owner that takes it over.
            if await self.mend(shard, watched, document_id) and not watched.is_suspect:
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

    async def mend(self, shard: Shard, watched: Watched, document_id: DocumentId) -> bool:
        """Restore a document; return whether it is dealt with. One document's trouble is its own."""
        donations = watched.donations.get(document_id) or Donations(document_id)
        try:
            with traced("restore", document_id, {"coedit.shard": shard.number}):
                if watched.is_suspect:  # somebody may give more of it
                    await self._restorer.restore(document_id, donations)
                else:
                    await self.give_up(watched, document_id)
        except QuarantinedError as error:
            self.keep_broken(watched, document_id, error)
        except DeletedError:
            refuse_erased(document_id)
        except CoeditError as error:
            facts = {"event": "restore-error", "document_id": document_id, "error": repr(error)}
            logger.warning("a document could not be restored yet", extra=facts | {"shard": shard.number})
            return not isinstance(error, UnavailableError)
        else:
            watched.broken.discard(document_id)
        return True

    async def give_up(self, watched: Watched, document_id: DocumentId) -> None:
        """Put a document where it can be put now; what somebody saw beyond that is lost.

        Raises:
            QuarantinedError: it is damaged.
            CoeditError, RedisError, OSError: a store cannot tell now.
        """
        donations = watched.donations.get(document_id) or Donations(document_id)
        await self._restorer.give_up(document_id, donations, watched.seen.get(document_id))

    def keep_broken(self, watched: Watched, document_id: DocumentId, error: QuarantinedError) -> None:
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

    async def settle(self, watched: Watched | None, document_id: DocumentId) -> None:
        """Compare one document with the object store, and put it where that has it further; raises as `give_up`."""
        if watched is None or document_id not in watched.broken:
            await self._restorer.restore(document_id, Donations(document_id))
            return
        await self.give_up(watched, document_id)  # it is repaired, and may take back what it lacks
        watched.forget(document_id)

    async def retry_broken(self, shard: Shard, watched: Watched) -> None:
        """Restore what is repaired by now of a sound shard."""
        for document_id in () if watched.is_suspect else tuple(watched.broken):
            await self.mend(shard, watched, document_id)
            if document_id not in watched.broken:
                watched.forget(document_id)

    async def finish(self, watched: Watched) -> None:
        """Give up all of a shard that somebody saw and nobody gave back; raises as `give_up` does, but for damage."""
        for document_id in tuple(watched.seen):
            try:
                await self.give_up(watched, document_id)
                watched.broken.discard(document_id)
            except QuarantinedError as error:
                self.keep_broken(watched, document_id, error)
            except DeletedError:
                refuse_erased(document_id)


def refuse_erased(document_id: DocumentId) -> None:
    """Take note that what was given back of a document that was erased is not taken."""
    OFFERS.labels("deleted").inc()
    facts = {"event": "restore-erased", "document_id": document_id}
    logger.info("a document that was erased is not restored", extra=facts)
