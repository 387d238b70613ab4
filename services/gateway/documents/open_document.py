"""One document that clients of this gateway have open: its feed, what is read of it, and what keeps it whole.

The race that matters: subscribe first, wait for Redis to confirm, read the state second. What the channel brings
meanwhile is either in what was read, and passed over, or comes after it.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any

from coedit.errors import (
    CoeditError,
    DamagedError,
    DivergedError,
    NotTextError,
    QuarantinedError,
    RevisionTooOldError,
    UnavailableError,
)
from coedit.identifiers import ClientId, DocumentId, Revision
from coedit.protocol.events import ClientCameBack
from coedit.store.documents.log import DocumentLog
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader, LoadedDocument
from coedit.store.objects.snapshots import Snapshot
from coedit.store.redis.connection import TROUBLE
from services.gateway.documents.content import Content
from services.gateway.documents.feed import Feed, Place
from services.gateway.documents.heal import Healer
from services.gateway.documents.recent import MAX_RECENT_COMMITS, Logged, page_of
from services.gateway.documents.subscription import Subscription
from services.gateway.metrics import LOOP_ERRORS, QUARANTINES, SUBSCRIPTIONS
from services.gateway.redis.channels import Channels

logger = logging.getLogger(__name__)

_PAGE_REVISIONS = 500
_LOOK_AGAIN_SECONDS = 0.2
_GIVING_SECONDS = 5.0
"""How long a client may take to give back what it says it has."""


class BehindClientError(Exception):
    """A client holds a later revision of the document than Redis and the snapshots do."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.head)
        self.place = place


class OpenDocument:
    """A feed, the rendered content shared by who opens it, and the tasks that keep it whole."""

    def __init__(
        self,
        document_id: DocumentId,
        log: DocumentLog,
        reader: DocumentReader,
        channels: Channels,
        healer: Healer,
        quarantine: Quarantine,
    ) -> None:
        self.feed = Feed(document_id, self._mend, self._on_damage)
        self._healer = healer
        self._quarantine = quarantine
        self._log = log
        self._reader = reader
        self._channels = channels
        self._channel = log.shard(document_id).events(document_id)
        self._lock = asyncio.Lock()
        self._content: Content | None = None
        self._is_followed = False
        """Whether the content is known to be of the history that the feed goes on with."""
        self._is_subscribed = False
        self._mending: asyncio.Task[None] | None = None
        self._mend_again = False
        self.is_behind = False
        """Whether Redis has the document at a lower revision than this gateway: what is submitted has to wait."""
        self.damage = ""
        """What is wrong with the document, which then takes no writes; empty: nothing is known to be."""
        self._is_salvaged = False
        """Whether the content is not that of the head, but of the last revision that can be vouched for."""
        self._begin_anew = False
        self.users = 0
        """How many subscriptions, and opens under way, need the document."""

    async def content(self) -> Content:
        """Return the document at, or a little below, its head: subscribed, built and encoded once for all joiners.

        One that is damaged is returned at the last revision that can be vouched for.

        Raises:
            NotTextError: it is a Yjs document of another shape.
            UnavailableError: Redis has another history of it than this gateway.
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        async with self._lock:
            await self._subscribe()
            content = self._content
            if content is None or not self._is_current(content):
                loaded, self._is_salvaged = await self._read(content.loaded if content else None)
                # Encoding a large document takes long enough to be felt by everyone else.
                content = await asyncio.to_thread(Content, self.feed.document_id, loaded)
                if not self._is_salvaged:
                    self.check_history(loaded)
                    self.keep_read(loaded)
                    self._catch_feed_up(loaded)
            self._content, self._is_followed = content, True
            _check_text(content.loaded.is_text)
            return content

    def check_history(self, loaded: LoadedDocument) -> None:
        """Refuse what was read of another history than the feed's: behind it would come the feed's commits.

        Raises:
            UnavailableError: it is; what becomes of the feed's is being found out.
        """
        self._check_history(loaded.epoch, loaded.revision, loaded.mac)

    def _check_history(self, epoch: int, revision: Revision, mac: str) -> None:
        if epoch < self.feed.epoch or not self.feed.leads_past(revision, mac):
            self._mend(self.feed)
            raise UnavailableError("the document is being restored; open it again in a while")

    def keep_read(self, loaded: LoadedDocument) -> None:
        """Keep the commits that a bridged document was read by: should Redis lose them, its clients cannot help."""
        if loaded.bridge is not None and loaded.recent:
            left_off = max(0, len(loaded.recent) - MAX_RECENT_COMMITS)
            before = loaded.recent[left_off - 1].mac if left_off else loaded.recent_before
            commits = [Logged.read(entry) for entry in loaded.entries[left_off:]]
            self.feed.keep_below(commits, before)

    def take_content(self) -> Content | None:
        """Let go of the rendered content; return it if whoever opens the document next may begin with it."""
        content = None if self._is_salvaged else self._content
        self._content, self._is_salvaged = None, False
        return content

    def begin_with(self, content: Content | None) -> None:
        """Begin with what was kept since an earlier opening, which may be of a history that is no more."""
        self._content, self._is_followed = content, False

    async def look_for_damage(self) -> str:
        """Return what is known to be wrong with the document, now and, since it is subscribed, from now on.

        Raises:
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        async with self._lock:
            await self._subscribe()
            damage = await self._quarantine.of(self.feed.document_id)
        self.damage = "" if damage is None else damage.message
        return self.damage

    async def found(self, error: DamagedError) -> None:
        """Quarantine the document for what was found here.

        Raises:
            RedisError, OSError: it may or may not be quarantined.
        """
        if await self._quarantine.enter(self.feed.document_id, error):
            QUARANTINES.labels(error.reason).inc()
        self.damage = str(error)

    async def _read(self, known: LoadedDocument | None = None) -> tuple[LoadedDocument, bool]:
        """Return the document as far as it is sound, and whether that is not all of it."""
        loaded, damage = await self._reader.load_readable(self.feed.document_id, known)
        if damage is not None:
            await self.found(damage)
        return loaded, damage is not None

    def _is_current(self, content: Content) -> bool:
        """Return whether a content can be given out; one that was kept since an earlier opening only at the head."""
        if self._is_salvaged:
            return True
        feed = self.feed
        if not self._is_followed:
            return (content.epoch, content.revision, content.mac) == (feed.epoch, feed.head, feed.mac)
        return content.epoch == feed.epoch and feed.head - content.revision <= content.may_lag

    async def check_held(self, epoch: int, revision: Revision, mac: str) -> Place:
        """Refuse a client whose history is not ours; return where the document stands.

        Raises:
            DamagedError: that cannot be told.
            NotTextError: the document is a Yjs document of another shape.
            BehindClientError: we never came that far in its epoch, or to that epoch: it may have what we lost.
            DivergedError: we have another mac at its revision, or it is ahead of an epoch that ended.
            UnavailableError: Redis has another history than this gateway.
        """
        async with self._lock:
            await self._subscribe()
            place = await self._place()
        _check_text(place.is_text)
        if revision > place.head and epoch >= place.epoch:
            raise BehindClientError(place)
        if revision > place.head:
            raise DivergedError(f"the document is at revision {place.head} of epoch {place.epoch}")
        if await self._mac_at(revision, place) != mac:
            raise DivergedError(f"another history at revision {revision}")
        self._check_history(place.epoch, revision, mac)
        return place

    async def until_current(self) -> Revision:
        """Return where the document stands in Redis now, once the feed is there too, or on its way."""
        place = await self._place()
        if place.head > self.feed.head or place.epoch != self.feed.epoch:
            self._mend(self.feed)
        return place.head

    async def is_suspect(self) -> bool:
        """Return whether Redis may have lost something of the document that somebody may still give back."""
        return await self._log.is_suspect(self.feed.document_id)

    async def now_us(self) -> int:
        """Return the time (µs since 1970) by the clock of the document's Redis."""
        return await self._log.now_us(self.feed.document_id)

    async def announce(self, client_id: ClientId, opened_us: int) -> None:
        """Tell every gateway that a client has come back, so that nobody else goes by its id; best effort."""
        try:
            await self._log.tell(self.feed.document_id, ClientCameBack(client_id, opened_us))
        except TROUBLE as error:
            facts = {"event": "announce-error", "client_id": client_id, "error": repr(error)}
            logger.warning("a client that came back is not announced", extra=facts)

    async def until_at(self, revision: Revision) -> None:
        """Wait until Redis has the document at ``revision`` or above, within a bound."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GIVING_SECONDS):
                # Of what is not in Redis nothing is read meanwhile: anybody can say that there is more.
                while not await self._is_at(revision):
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _is_at(self, revision: Revision) -> bool:
        with suppress(DamagedError):  # whoever reads on finds it again
            position = await self._log.position(self.feed.document_id)
            return position is not None and position.head >= revision
        return False

    async def snapshot_above(self, revision: Revision) -> Snapshot | None:
        """Return the newest snapshot, if it is of a later revision than ``revision``, where Redis has the document."""
        with suppress(DamagedError):  # whoever reads on finds it again
            return await self._reader.snapshot_above(self.feed.document_id, revision)
        return None

    async def _mac_at(self, revision: Revision, place: Place) -> str:
        if revision in (0, place.head):
            return place.mac if revision else ""
        entries = await self._reader.entries(self.feed.document_id, revision, revision)
        mac: str = Logged.read(entries[0]).fields["mac"]
        return mac

    def join(self, subscription: Subscription, revision: Revision) -> None:
        """Begin to tell ``subscription`` of what comes after ``revision``."""
        subscription.revision = revision
        self.feed.subscriptions.add(subscription)
        SUBSCRIPTIONS.inc()
        # Not live before its connection has been written to and caught up: one way for all.
        subscription.is_live = True
        subscription.fall_behind()

    async def page_after(self, revision: Revision) -> list[dict[str, Any]]:
        """Return the first of what `logged_after` does, as clients are told it, as far as it fits one frame."""
        return page_of(await self.logged_after(revision))

    async def logged_after(self, revision: Revision) -> list[Logged]:
        """Return commits above ``revision``, at most a page, from memory, the log or the archive; none at the head.

        Of a damaged document none are told: its clients are as far as they can get.
        """
        recent = self.feed.recent_since(revision)
        if recent is None:
            if self.damage:
                return []
            recent = await self._logged(revision, min(self.feed.head, revision + _PAGE_REVISIONS))
        return recent

    async def _logged(self, revision: Revision, last: int) -> list[Logged]:
        """Return the first of the commits above ``revision`` up to ``last``, each checked to follow the one before.

        Raises:
            UnavailableError: Redis has lost some that are known here: they may come back.
        """
        try:
            entries = await self._reader.checked_page(self.feed.document_id, revision + 1, last)
            return [Logged.read(entry) for entry in entries]
        except DamagedError as error:
            await self.found(error)
            raise
        except RevisionTooOldError as error:
            # Told of it, a client would give up its pending edit for good.
            if (await self._place()).head < last:
                raise UnavailableError("the document is being restored; open it again in a while") from error
            raise

    def close(self) -> None:
        """Leave the channel."""
        if self._mending is not None:
            self._mending.cancel()
        if self._is_subscribed:
            self._channels.unsubscribe(self._channel)

    async def _subscribe(self) -> None:
        if not self._is_subscribed:
            await self._channels.subscribe(self._channel, self.feed.on_message, self._on_subscribed_again)
            self._is_subscribed = True
        if not self.feed.is_started:  # now, or because whoever subscribed could not read on
            self.feed.start(await self._place())
            if self._mend_again:
                self._mend(self.feed)

    async def _place(self) -> Place:
        position = None
        with suppress(DamagedError):  # whoever reads on finds it again
            position = await self._log.position(self.feed.document_id)
        if position is not None:
            return Place(
                position.epoch,
                position.head,
                position.mac,
                position.snapshot,
                position.lost_revisions,
                position.bridge is None or position.bridge.is_text,
            )
        loaded, _ = await self._read()
        return Place(loaded.epoch, loaded.revision, loaded.mac, loaded.snapshot, is_text=loaded.is_text)

    def _on_subscribed_again(self) -> None:
        """The channel was lost for a while: commits and presence may be missing, and the history be another one."""
        self.feed.is_sure = False
        self._mend(self.feed)
        for subscription in self.feed.subscriptions:
            subscription.outlet.refresh_roster(subscription)
        if self.feed.follower is not None:
            self.feed.follower.refresh_roster()

    def _on_damage(self, message: str) -> None:
        """The document was quarantined, or is no more: its clients open it again, and learn what they may do."""
        self.damage = message
        if not message:
            self._begin_anew = True
            self._mend(self.feed)
            return
        error = QuarantinedError(f"the document is damaged, and takes no writes: {message}")
        for subscription in list(self.feed.subscriptions):
            if not subscription.is_damaged:
                subscription.outlet.drop(subscription, error)
        if self.feed.follower is not None:
            self.feed.follower.dropped(error)

    def _catch_feed_up(self, loaded: LoadedDocument) -> None:
        if loaded.epoch != self.feed.epoch or loaded.revision > self.feed.head:
            # Read from the log before the channel brought it: the same commits, a moment earlier.
            self._mend(self.feed)

    def _mend(self, _: Feed) -> None:
        if not self.feed.is_started or (self._mending is not None and not self._mending.done()):
            self._mend_again = True
            return
        self._mending = asyncio.get_running_loop().create_task(self._fill_gap())

    async def _fill_gap(self) -> None:
        pause_seconds = 0.05
        while True:
            self._mend_again = False
            try:
                await self._read_to_head()
            except DamagedError as error:
                facts = {"event": "gap-damaged", "document_id": self.feed.document_id, "error": str(error)}
                logger.warning("a gap cannot be filled: the document is damaged", extra=facts)
                with suppress(*TROUBLE):
                    await self.found(error)
                return  # until it is repaired, which is told
            except (*TROUBLE, CoeditError) as error:
                LOOP_ERRORS.labels("fill-gap").inc()
                facts = {"event": "gap-error", "document_id": self.feed.document_id, "error": repr(error)}
                logger.warning("a gap could not be filled yet", extra=facts)
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2.0, pause_seconds * 2)
                continue
            if not self._mend_again:
                return

    async def _read_to_head(self) -> None:
        feed = self.feed
        damage, before = await self._quarantine.of(feed.document_id), self.damage
        if (damage is not None) != bool(before):  # its message was missed
            self._on_damage("" if damage is None else damage.message)
        if self._begin_anew:
            self._begin_anew = False
            self._restart(await self._place())
            return
        # While the answer is on its way the channel brings more: only what was known before may be compared with it.
        known, mac = feed.head, feed.mac
        place = await self._place()
        if place.head < known and place.epoch <= feed.epoch and not self.damage:
            self.is_behind = True
            try:
                place = await self._healer.heal(feed, self._place)
            finally:
                self.is_behind = False
        try:
            is_ours = place.head >= known and await self._mac_at(known, place) == mac
            if not is_ours or place.epoch < feed.epoch:
                await self._healer.give_up(feed)
            if is_ours and place.epoch == feed.epoch:
                feed.is_sure = True
                await self._read_on(place.head)
                feed.stored_up_to(place.snapshot_revision)
            else:
                self._restart(place)
        except RevisionTooOldError:
            # What comes next is kept nowhere any more: no waiting brings it, and nobody here can be brought on.
            self._restart(place)

    async def _read_on(self, head: Revision) -> None:
        feed = self.feed
        while feed.head < head:
            feed.take(await self._logged(feed.head, min(head, feed.head + _PAGE_REVISIONS)))

    def _restart(self, place: Place) -> None:
        """The document has another history now: its clients open it again, and learn whether theirs is another too."""
        self._content = None
        self._is_salvaged = False
        self.feed.start(place)
        facts = {"event": "another-history", "document_id": self.feed.document_id, "epoch": place.epoch}
        logger.warning("a document has another history now", extra=facts | {"revision": place.head})
        error = UnavailableError(
            f"the document is at revision {place.head} of epoch {place.epoch} now: open it again"
        )
        for subscription in list(self.feed.subscriptions):
            subscription.outlet.drop(subscription, error)
        if self.feed.follower is not None:
            self.feed.follower.dropped(error)


def _check_text(is_text: bool) -> None:
    if not is_text:
        raise NotTextError
