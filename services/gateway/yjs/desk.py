"""The documents that Yjs clients of this gateway have open, and how one is opened and left."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from functools import partial

from coedit.errors import CoeditError, InternalError, LimitedError, UnauthorizedError
from coedit.identifiers import AuthorId, ClientId, DocumentId
from coedit.protocol.grants import right_in
from coedit.protocol.tokens import Identity
from coedit.runtime.logs import Sparse
from coedit.runtime.said import named
from coedit.store.documents.reader import DocumentReader
from coedit.store.presence.store import PresenceStore
from services.gateway.access.access import Access
from services.gateway.documents.hub import Hub
from services.gateway.metrics import ERRORS, YJS_DOCUMENTS, YJS_SEATS
from services.gateway.redis.presences import Presences
from services.gateway.redis.submit import Submitter
from services.gateway.yjs.document import YjsDocument
from services.gateway.yjs.people import YjsPeople
from services.gateway.yjs.seat import YjsOutlet, YjsSeat
from services.gateway.yjs.wire import YjsWire

logger = logging.getLogger(__name__)

_STEP_SECONDS = 2.5
_LOG_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.005
_MOST_UNREAD_SECONDS = 2.5
"""So long somebody is kept waiting at most who is to be refused: providers of Yjs come again at once."""


class YjsDesk:
    """What one gateway does for its Yjs clients."""

    def __init__(
        self,
        access: Access,
        hub: Hub,
        reader: DocumentReader,
        submitter: Submitter,
        presences: Presences,
        rosters: PresenceStore,
        time_of_day: Callable[[], float],
    ) -> None:
        self._access = access
        self._hub = hub
        self._reader = reader
        self._submitter = submitter
        self._presences = presences
        self._rosters = rosters
        self._time_of_day = time_of_day
        self._documents: dict[DocumentId, YjsDocument] = {}
        self._seats: dict[YjsSeat, YjsDocument] = {}
        self._awake = asyncio.Event()
        self._refusals = Sparse(_LOG_SECONDS, time.monotonic)
        self._is_draining = False

    async def let_in(self, wire: YjsWire, author: AuthorId) -> None:
        """Let an author have one more document, on this connection; who has to wait is not read meanwhile.

        Raises:
            LimitedError: there is no place for it, or there were too many requests; said after a while, since providers
                come again at once.
        """
        try:
            if not wire.is_accounted:
                wire.account_to(self._access.authors.enter(author, wire))
            await self._access.authors.admit(author)
        except LimitedError as error:
            await asyncio.sleep(min(error.retry_after_seconds, _MOST_UNREAD_SECONDS))
            raise

    async def open(
        self, outlet: YjsOutlet, document_id: DocumentId, identity: Identity, root: str
    ) -> YjsSeat:
        """Return a client's seat at a document; whoever asks calls `leave` in the end.

        Raises:
            ForbiddenError: the client has no right on it.
            WrongRootError, QuarantinedError, UnavailableError, RedisError, OSError, CoeditError: it cannot be opened.
        """
        right_in(await self._access.facets(identity, document_id))
        document = self._document(document_id)
        document.users += 1
        try:
            await document.open(root, identity.author)
            granted = await self._access.facets(identity, document_id)  # it may have been changed meanwhile
            right_in(granted)
            document.check_followed()
        except BaseException:
            self._release(document)
            raise
        client_id = ClientId(secrets.token_urlsafe(12))
        seat = YjsSeat(outlet, document, client_id, identity, granted, root)
        seat.is_draining = self._is_draining
        document.seats[client_id] = seat
        self._seats[seat] = document
        YJS_SEATS.inc()
        return seat

    async def renew(self, seat: YjsSeat, identity: Identity) -> None:
        """Take whom a client's next token names, and settle anew what it may do; raises as `settle` does.

        Raises:
            UnauthorizedError: it names somebody else.
        """
        if identity.author != seat.identity.author:
            raise UnauthorizedError("the token names another author than the one before")
        seat.identity = identity
        await self.settle(seat)

    async def settle(self, seat: YjsSeat) -> None:
        """Settle anew what a client may do that has a seat.

        Raises:
            ForbiddenError: it may not have the document any more.
            StaleTokenError, UndecidedError, OverloadedError: see `Permissions.of`.
        """
        document = self._seats.get(seat)
        if document is None:
            return  # it has left meanwhile
        identity: Identity | None = None
        while identity is not seat.identity:  # it may bring another token meanwhile
            identity = seat.identity
            granted = await self._access.facets(identity, document.document_id)
        seat.grant(granted)
        if not seat.is_seen:
            await document.people.left(seat.client_id)

    async def leave(self, seat: YjsSeat) -> None:
        """Give up a seat."""
        document = self._seats.pop(seat, None)
        if document is None:
            return
        YJS_SEATS.dec()
        del document.seats[seat.client_id]
        await document.people.left(seat.client_id)
        self._release(document)

    def refused(self, answer: CoeditError, error: BaseException) -> None:
        """Take note that a client was refused what it wants, or said."""
        ERRORS.labels(answer.code).inc()
        if count := self._refusals.count(answer.code):
            facts = {"event": "refuse", "code": answer.code, "count": count, "error": named(error)}
            logger.info("Yjs clients were refused", extra=facts)
        if isinstance(answer, InternalError):
            logger.error("a defect in serving a Yjs client", extra={"event": "defect"}, exc_info=error)

    async def step(self) -> None:
        """See to what time does, while Yjs clients are here: send again, renew, let go."""
        if not self._documents:
            self._awake.clear()
            await self._awake.wait()
        await asyncio.sleep(_STEP_SECONDS)
        now = time.monotonic()
        for document in list(self._documents.values()):
            document.people.step(now)
            for seat in list(document.seats.values()):
                seat.send_again(now)
                seat.outlet.keep_alive()

    async def drain(self) -> None:
        """Take no more updates; return when those that were taken are answered."""
        self._is_draining = True
        for seat in self._seats:
            seat.is_draining = True
        while not all(seat.is_answered for seat in self._seats):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def _document(self, document_id: DocumentId) -> YjsDocument:
        document = self._documents.get(document_id)
        if document is None or document.failure is not None:
            people = YjsPeople(document_id, self._presences, self._rosters, self._time_of_day)
            document = YjsDocument(self._hub.get(document_id), self._reader, self._submitter, people)
            people.tell, people.seat_of = document.tell, partial(_seat_of, document)
            self._documents[document_id] = document
            YJS_DOCUMENTS.set(len(self._documents))
            self._awake.set()
        return document

    def _release(self, document: YjsDocument) -> None:
        document.users -= 1
        if document.users:
            return
        if self._documents.get(document.document_id) is document:
            del self._documents[document.document_id]
            YJS_DOCUMENTS.set(len(self._documents))
        document.close()
        self._hub.release(document.document)


def _seat_of(document: YjsDocument, client_id: ClientId) -> YjsSeat | None:
    return document.seats.get(client_id)
