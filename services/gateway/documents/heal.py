"""Gives back what Redis lost of an open document: what this gateway has itself, and what its clients keep."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from coedit.identifiers import DocumentId
from coedit.protocol.messages import recall_message
from coedit.store.keys import Shard
from coedit.store.streams.offers import Given, Offer, OffersStream, Seen
from services.gateway.documents.feed import Feed, Place
from services.gateway.documents.subscription import Subscription
from services.gateway.metrics import RECALLS

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 15.0
"""How long a document may take to come back, before its clients are told that it is another one."""
_PAUSE_SECONDS = 0.4
_ASKED_AT_ONCE = 3
"""How many clients are asked in one go: each may send megabytes, and one that has all is enough."""
_GIVEN_COMMITS = 200


class Healer:
    """Brings documents that Redis has at a lower revision than this gateway back to where they were."""

    def __init__(self, offers: OffersStream, shard_of: Callable[[DocumentId], Shard]) -> None:
        self._offers = offers
        self._shard_of = shard_of

    async def heal(self, feed: Feed, place: Callable[[], Awaitable[Place]]) -> Place:
        """Give back until Redis has the document where ``feed`` has it, it went on elsewhere, or nobody has more.

        Return where it stands then.

        Raises:
            RedisError, OSError: Redis cannot be reached now.
        """
        now = await place()
        facts = {"event": "heal", "document_id": feed.document_id, "revision": now.head, "known": feed.head}
        logger.warning("Redis has lost commits of a document; giving them back", extra=facts)
        asked: set[Subscription] = set()
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while (
            now.head < feed.head and now.epoch <= feed.epoch and asyncio.get_running_loop().time() < deadline
        ):
            # Of another history the owner has to see where the two part.
            above = now.head if feed.leads_past(now.head, now.mac) else 0
            await self._offers.add(self._shard_of(feed.document_id), *_offers(feed, above))
            _, recent = feed.recent_above(above)
            if not recent or recent[0].revision > now.head + 1:
                self._recall(feed, now, asked)
            await asyncio.sleep(_PAUSE_SECONDS)
            now = await place()
        return now

    async def give_up(self, feed: Feed) -> None:
        """Show the owner what the document has gone on without, so that it is reported as lost.

        Raises:
            RedisError, OSError: Redis cannot be reached now.
        """
        await self._offers.add(self._shard_of(feed.document_id), *_offers(feed, 0))

    def _recall(self, feed: Feed, now: Place, asked: set[Subscription]) -> None:
        """Ask some clients that were not asked yet for what they keep; when all were, begin anew."""
        further = [subscription for subscription in feed.subscriptions if subscription.revision > now.head]
        if asked.issuperset(further):
            asked.clear()
        for subscription in [donor for donor in further if donor not in asked][:_ASKED_AT_ONCE]:
            asked.add(subscription)
            RECALLS.inc()
            subscription.outlet.recall(recall_message(feed.document_id, now.epoch, now.head, now.mac))


def _offers(feed: Feed, revision: int) -> list[Offer]:
    """Return where the feed is, and what it keeps of the way there above ``revision``."""
    before, recent = feed.recent_above(revision)
    offers: list[Offer] = []
    for start in range(0, len(recent), _GIVEN_COMMITS):
        commits = tuple(commit.commit() for commit in recent[start : start + _GIVEN_COMMITS])
        offers.append(Given(feed.document_id, before, commits))
        before = commits[-1].mac
    # Last of all: whoever reads the offers in parts would take what is yet to come for lost.
    offers.append(Seen(feed.document_id, feed.epoch, feed.head, feed.mac))
    return offers
