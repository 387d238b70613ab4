"""Who is where: gathers what clients say of their carets, and gives their signs of life."""

import asyncio
import logging

from coedit.identifiers import ClientId, DocumentId
from coedit.presence.roster import Presence
from coedit.store.presence.store import PresenceStore
from coedit.store.redis.connection import TROUBLE
from services.gateway.metrics import LOOP_ERRORS

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.05

Place = tuple[ClientId, DocumentId]


class Presences:
    """What clients here have said; many moves within a tick are one report."""

    def __init__(self, store: PresenceStore, ttl_seconds: float) -> None:
        self._store = store
        self._alive_seconds = ttl_seconds / 3
        self._here: dict[Place, Presence] = {}
        self._moved: dict[Place, None] = {}
        self._awake = asyncio.Event()

    def say(self, document_id: DocumentId, presence: Presence) -> None:
        """Take note of where a client is."""
        place = (presence.client_id, document_id)
        self._here[place] = presence
        self._moved[place] = None
        self._awake.set()

    def known(self, client_id: ClientId, document_id: DocumentId) -> Presence | None:
        """Return what a client said last."""
        return self._here.get((client_id, document_id))

    async def leave(self, client_id: ClientId, document_id: DocumentId) -> None:
        """Report that a client left; lost reports are mended by expiry."""
        place = (client_id, document_id)
        self._moved.pop(place, None)
        if self._here.pop(place, None) is None:
            return
        try:
            await self._store.left([place])
        except TROUBLE as error:
            LOOP_ERRORS.labels("presence").inc()
            logger.info("a leave was not reported", extra={"event": "presence-error", "error": repr(error)})

    async def report_step(self) -> None:
        """Report who moved, at most once a tick; wait while nobody does."""
        await self._awake.wait()
        self._awake.clear()
        moved, self._moved = self._moved, {}
        try:
            await self._store.report_all(
                (place[1], self._here[place]) for place in moved if place in self._here
            )
        except TROUBLE:
            self._moved = moved | self._moved
            self._awake.set()
            raise
        await asyncio.sleep(TICK_SECONDS)

    async def alive_step(self) -> None:
        """Give everybody's sign of life, and report again whom Redis does not know."""
        await asyncio.sleep(self._alive_seconds)
        if self._here:
            for place in await self._store.alive(list(self._here)):
                if place in self._here:
                    self._moved[place] = None
                    self._awake.set()
