"""Keeps a feed at the head of what is stored: compares both histories, fills gaps, or has the document begin anew."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from coedit.errors import (
    CoeditError,
    DamagedError,
    DeletedError,
    DivergedError,
    RevisionTooOldError,
    UnavailableError,
)
from coedit.identifiers import Revision
from coedit.runtime.tracing.active import traced
from coedit.store.redis.connection import TROUBLE
from services.gateway.documents.feed import Feed, Place
from services.gateway.documents.heal import Healer
from services.gateway.documents.stored import StoredDocument
from services.gateway.metrics import LOOP_ERRORS

logger = logging.getLogger(__name__)

PAGE_REVISIONS = 500


class BehindClientError(Exception):
    """A client holds a later revision of the document than Redis and the snapshots do."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.head)
        self.place = place


class Mending:
    """One document's; a task runs only while something is to be read.

    ``on_damage`` is told what the document is quarantined for, or by nothing that it is no more; ``restart`` is told
    where it stands in another history.
    """

    def __init__(
        self,
        feed: Feed,
        stored: StoredDocument,
        healer: Healer,
        on_damage: Callable[[str], None],
        restart: Callable[[Place], None],
    ) -> None:
        self.is_behind = False
        """Whether Redis has the document at a lower revision than this gateway: what is submitted has to wait."""
        self.task: asyncio.Task[None] | None = None
        self._feed = feed
        self._stored = stored
        self._healer = healer
        self._on_damage = on_damage
        self._restart = restart
        self._again = False
        self._begins_anew = False

    def mend(self) -> None:
        """Bring the feed to the head, now or, where it is not started yet, then."""
        if not self._feed.is_started or (self.task is not None and not self.task.done()):
            self._again = True
            return
        self.task = asyncio.get_running_loop().create_task(self._fill_gap())

    def begin_anew(self) -> None:
        """Read where the document stands now, whatever the feed knows."""
        self._begins_anew = True
        self.mend()

    def begin(self, place: Place) -> None:
        """Start the feed, and see to what came before it was started."""
        self._feed.start(place)
        if self._again:
            self.mend()

    def close(self) -> None:
        """Mend no more."""
        if self.task is not None:
            self.task.cancel()

    def check_history(self, epoch: int, revision: Revision, mac: str) -> None:
        """Refuse what was read of another history than the feed's: behind it would come the feed's commits.

        Raises:
            UnavailableError: it is; what becomes of the feed's is being found out.
        """
        if epoch < self._feed.epoch or not self._feed.leads_past(revision, mac):
            self.mend()
            raise UnavailableError("the document is being restored; open it again in a while")

    async def check_held(self, place: Place, epoch: int, revision: Revision, mac: str) -> None:
        """Refuse a client whose history is not the one that leads to ``place``; see `OpenDocument.check_held`."""
        if revision > place.head and epoch >= place.epoch:
            raise BehindClientError(place)
        if revision > place.head:
            raise DivergedError(f"the document is at revision {place.head} of epoch {place.epoch}")
        if await self._stored.mac_at(revision, place) != mac:
            raise DivergedError(f"another history at revision {revision}")
        self.check_history(place.epoch, revision, mac)

    async def _fill_gap(self) -> None:
        pause_seconds = 0.05
        while True:
            self._again = False
            try:
                await self._read_to_head()
            except DamagedError as error:
                facts = {"event": "gap-damaged", "document_id": self._feed.document_id, "error": str(error)}
                logger.warning("a gap cannot be filled: the document is damaged", extra=facts)
                with suppress(*TROUBLE):
                    await self._stored.found(error)
                return  # until it is repaired, which is told
            except DeletedError:
                return  # it is ended for whoever has it open
            except (*TROUBLE, CoeditError) as error:
                LOOP_ERRORS.labels("fill-gap").inc()
                facts = {"event": "gap-error", "document_id": self._feed.document_id, "error": repr(error)}
                logger.warning("a gap could not be filled yet", extra=facts)
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2.0, pause_seconds * 2)
                continue
            if not self._again:
                return

    async def _read_to_head(self) -> None:
        damage, before = await self._stored.quarantined(), self._stored.damage
        if (damage is not None) != bool(before):  # its message was missed
            self._on_damage("" if damage is None else damage.message)
        if self._begins_anew:
            self._begins_anew = False
            self._restart(await self._stored.place())
            return
        # While the answer is on its way the channel brings more: only what was known before may be compared with it.
        known, mac = self._feed.head, self._feed.mac
        place = await self._healed(await self._stored.place(), known)
        try:
            await self._go_on(place, known, mac)
        except RevisionTooOldError:
            # What comes next is kept nowhere any more: no waiting brings it, and nobody here can be brought on.
            self._restart(place)

    async def _healed(self, place: Place, known: Revision) -> Place:
        """Return where the document stands once what Redis lacks of it was given back."""
        if place.head >= known or place.epoch > self._feed.epoch or self._stored.damage:
            return place
        self.is_behind = True
        try:
            with traced("heal", self._feed.document_id):
                return await self._healer.heal(self._feed, self._stored.place)
        finally:
            self.is_behind = False

    async def _go_on(self, place: Place, known: Revision, mac: str) -> None:
        """Read on to ``place``, if what was known of the feed is part of the history that leads there."""
        feed = self._feed
        is_ours = place.head >= known and await self._stored.mac_at(known, place) == mac
        if not is_ours or place.epoch < feed.epoch:
            await self._healer.give_up(feed)
        if not is_ours or place.epoch != feed.epoch:
            self._restart(place)
            return
        feed.is_sure = True
        while feed.head < place.head:
            feed.take(await self._stored.commits(feed.head, min(place.head, feed.head + PAGE_REVISIONS)))
        feed.stored_up_to(place.snapshot_revision)
