"""Takes from clients what Redis has lost: asks who holds more than we do, checks what comes, and passes it on."""

import logging
from itertools import takewhile

from coedit.errors import (
    DivergedError,
    ForgedOfferError,
    UnavailableError,
    UnexpectedMessageError,
    UnknownKeyError,
)
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.donations import check_offer
from coedit.protocol.log_entry import ChainKey
from coedit.protocol.messages import Offer, recall_message
from coedit.store.keys import shard_of
from coedit.store.offers_stream import Given, OffersStream, Seen
from coedit.store.redis_connection import TROUBLE
from services.gateway.connection import Connection
from services.gateway.feed import Place
from services.gateway.metrics import OFFERED
from services.gateway.open_document import BehindClientError, OpenDocument

logger = logging.getLogger(__name__)

Held = tuple[int, Revision, str]
"""Epoch, revision and mac of the newest state that a client says it holds."""


class GiveBack:
    """What one gateway does with clients that are ahead of Redis."""

    def __init__(self, offers: OffersStream, chain_key: ChainKey, shard_count: int) -> None:
        self._offers = offers
        self._chain_key = chain_key
        self._shard_count = shard_count

    async def ask(self, connection: Connection, document: OpenDocument, place: Place, held: Held) -> Place:
        """Ask a client for what it holds and we lack; return where the document stands with that.

        Raises:
            DivergedError: it gave nothing that continues our history.
            UnavailableError: it did, and that is not restored yet.
        """
        document_id = document.feed.document_id
        if held[0] == place.epoch:  # of an epoch that we know nothing of, only what it gives counts
            await self._offers.add(shard_of(document_id, self._shard_count), Seen(document_id, *held))
        connection.recall(recall_message(document_id, place.epoch, place.head, place.mac))
        await document.until_at(held[1])
        try:
            return await document.check_held(*held)
        except BehindClientError as behind:
            is_to_come = (document_id, behind.place.mac) in connection.given
            # Where Redis is below a snapshot, what was given back begins above it, and fits once the owner was there.
            if is_to_come or await document.is_behind_its_snapshot(behind.place):
                raise UnavailableError("what was given back is not restored yet; try again") from behind
            raise DivergedError(f"the document is at revision {behind.place.head}") from behind

    async def take(self, connection: Connection, message: Offer) -> None:
        """Pass on what a client gives back, if it was asked, and the chain vouches for it."""
        document_id = DocumentId(message.document)
        commits = tuple(offered.commit() for offered in message.commits)
        try:
            if connection.offers_left.get(document_id, 0) == 0:
                raise UnexpectedMessageError("nobody asked for so much")
            connection.offers_left[document_id] -= 1
            check_offer(self._chain_key, document_id, commits, message.before)
            given = Given(document_id, message.before, commits)
            await self._offers.add(shard_of(document_id, self._shard_count), given)
        except (ForgedOfferError, UnknownKeyError, UnexpectedMessageError) as error:
            OFFERED.labels(error.code).inc()
            facts = {"event": "offer-refused", "code": error.code, "document_id": document_id}
            logger.warning("an offer is refused", extra=facts | {"client_id": connection.client_id})
            connection.send_error(error, document_id)
        except TROUBLE as error:
            OFFERED.labels("unavailable").inc()
            logger.warning("an offer was not taken", extra={"event": "offer-error", "error": repr(error)})
        else:
            OFFERED.labels("accepted").inc()
            whole = list(takewhile(lambda commit: not commit.lacks_update, commits))
            if whole:  # the others cannot be put back: nothing is to come of them
                macs = (message.before, *(commit.mac for commit in whole))
                connection.given |= {(document_id, mac) for mac in macs}
