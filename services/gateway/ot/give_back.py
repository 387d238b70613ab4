"""Takes from clients what Redis has lost: asks who holds more than we do, checks what comes, and passes it on."""

import logging
from collections.abc import Sequence
from itertools import takewhile

from coedit.errors import (
    DivergedError,
    ForgedOfferError,
    UnavailableError,
    UnexpectedMessageError,
    UnknownKeyError,
)
from coedit.identifiers import DocumentId, Revision
from coedit.ot.commit import Commit
from coedit.protocol.giving_back.donations import check_offer
from coedit.protocol.log_entry import ChainKey
from coedit.protocol.messages import Offer, recall_message
from coedit.store.keys import shard_of
from coedit.store.redis.connection import TROUBLE
from coedit.store.streams.offers import Given, OffersStream, Seen
from services.gateway.documents.feed import Place
from services.gateway.documents.mending import BehindClientError
from services.gateway.documents.open_document import OpenDocument
from services.gateway.metrics import OFFERED
from services.gateway.ot.connection import Connection, Recalled

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
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        document_id = document.feed.document_id
        # What a client says is no proof; what it gives is. Of what a snapshot has, this gateway is the witness itself.
        snapshot = await document.stored.snapshot_above(place.head)
        if snapshot is not None:
            seen = Seen(document_id, snapshot.epoch, snapshot.revision, snapshot.mac)
            await self._offers.add(shard_of(document_id, self._shard_count), seen)
        connection.recall(recall_message(document_id, place.epoch, place.head, place.mac))
        await document.stored.until_at(held[1])
        try:
            return await document.check_held(*held)
        except BehindClientError as behind:
            is_to_come = (document_id, behind.place.mac) in connection.given
            # Where Redis is below a snapshot, what was given back begins above it, and fits once the owner was there.
            if is_to_come or await document.stored.snapshot_above(behind.place.head) is not None:
                raise UnavailableError("what was given back is not restored yet; try again") from behind
            raise DivergedError(f"the document is at revision {behind.place.head}") from behind

    async def take(self, connection: Connection, message: Offer) -> None:
        """Pass on what a client gives back, if it was asked, and the chain vouches for it."""
        document_id = DocumentId(message.document)
        commits = tuple(offered.commit() for offered in message.commits)
        try:
            _take_from(connection.recalled.get(document_id), commits)
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


def _take_from(recalled: Recalled | None, commits: Sequence[Commit]) -> None:
    """Take an offer off what a client was asked for.

    Raises:
        UnexpectedMessageError: it was asked for nothing, or for less.
    """
    weight = sum(commit.delta.weight for commit in commits)
    if recalled is None or recalled.offers == 0 or recalled.weight < weight:
        raise UnexpectedMessageError("nobody asked for so much")
    if commits[-1].revision <= recalled.above:
        raise UnexpectedMessageError(f"what was asked for begins above revision {recalled.above}")
    recalled.offers -= 1
    recalled.weight -= weight
