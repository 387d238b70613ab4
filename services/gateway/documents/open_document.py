"""One document that clients of this gateway have open: its feed, what is read of it, and what keeps it whole.

The race that matters: subscribe first, wait for Redis to confirm, read the state second. What the channel brings
meanwhile is either in what was read, and passed over, or comes after it.
"""

import asyncio
import logging
from typing import Any

from coedit.errors import CoeditError, DeletedError, NotTextError, QuarantinedError, UnavailableError
from coedit.identifiers import DocumentId, Revision
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.documents.log import DocumentLog
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from services.gateway.documents.content import Content
from services.gateway.documents.feed import Feed, Place
from services.gateway.documents.heal import Healer
from services.gateway.documents.mending import PAGE_REVISIONS, Mending
from services.gateway.documents.recent import MAX_RECENT_COMMITS, Logged, page_of
from services.gateway.documents.stored import StoredDocument
from services.gateway.documents.subscription import Subscription
from services.gateway.metrics import SUBSCRIPTIONS
from services.gateway.redis.channels import Channels

logger = logging.getLogger(__name__)


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
        self.feed = Feed(document_id, lambda _: self.mending.mend(), self._on_damage)
        self.stored = StoredDocument(document_id, log, reader, quarantine)
        self.mending = Mending(self.feed, self.stored, healer, self._on_damage, self._restart)
        self._channels = channels
        self._channel = log.shard(document_id).events(document_id)
        self._lock = asyncio.Lock()
        self._content: Content | None = None
        self._is_followed = False
        """Whether the content is known to be of the history that the feed goes on with."""
        self._is_subscribed = False
        self._is_salvaged = False
        """Whether the content is not that of the head, but of the last revision that can be vouched for."""
        self._endings = 0
        """How often this gateway was told that the document is deleted."""
        self.is_deleted = False
        """Whether it was, since it was opened last."""
        self.users = 0
        """How many subscriptions, and opens under way, need the document."""

    @property
    def is_behind(self) -> bool:
        """Whether Redis has the document at a lower revision than this gateway: what is submitted has to wait."""
        return self.mending.is_behind

    @property
    def damage(self) -> str:
        """What is wrong with the document, which then takes no writes; empty: nothing is known to be."""
        return self.stored.damage

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
                loaded, self._is_salvaged = await self.stored.read(content.loaded if content else None)
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
        self.mending.check_history(loaded.epoch, loaded.revision, loaded.mac)

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
            DeletedError: it was deleted.
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        endings = self._endings
        await self.stored.refuse_deleted()
        if endings == self._endings:
            self.is_deleted = False  # it may have been restored
        async with self._lock:
            await self._subscribe()
            damage = await self.stored.quarantined()
        self.stored.damage = "" if damage is None else damage.message
        return self.damage

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
            place = await self.stored.place()
        _check_text(place.is_text)
        await self.mending.check_held(place, epoch, revision, mac)
        return place

    async def until_current(self) -> Revision:
        """Return where the document stands in Redis now, once the feed is there too, or on its way."""
        place = await self.stored.place()
        if place.head > self.feed.head or place.epoch != self.feed.epoch:
            self.mending.mend()
        return place.head

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
            recent = await self.stored.commits(revision, min(self.feed.head, revision + PAGE_REVISIONS))
        return recent

    def check_deleted(self) -> None:
        """Refuse whoever was about to join, if the document was deleted meanwhile.

        Raises:
            DeletedError: it was.
        """
        if self.is_deleted:
            raise DeletedError

    def end_deleted(self) -> None:
        """The document was deleted: end it for all that have it open here."""
        self._endings += 1
        self.is_deleted = True
        self._content = None
        self._end_for_all(DeletedError())

    def close(self) -> None:
        """Leave the channel."""
        self.mending.close()
        if self._is_subscribed:
            self._channels.unsubscribe(self._channel)

    async def _subscribe(self) -> None:
        if not self._is_subscribed:
            await self._channels.subscribe(self._channel, self.feed.on_message, self._on_subscribed_again)
            self._is_subscribed = True
        if not self.feed.is_started:  # now, or because whoever subscribed could not read on
            self.mending.begin(await self.stored.place())

    def _on_subscribed_again(self) -> None:
        """The channel was lost for a while: commits and presence may be missing, and the history be another one."""
        self.feed.is_sure = False
        self.mending.mend()
        for subscription in self.feed.subscriptions:
            subscription.outlet.refresh_roster(subscription)
        if self.feed.follower is not None:
            self.feed.follower.refresh_roster()

    def _on_damage(self, message: str) -> None:
        """The document was quarantined, or is no more: its clients open it again, and learn what they may do."""
        self.stored.damage = message
        if not message:
            self.mending.begin_anew()
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
            self.mending.mend()

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
        self._end_for_all(error)

    def _end_for_all(self, error: CoeditError) -> None:
        for subscription in list(self.feed.subscriptions):
            subscription.outlet.drop(subscription, error)
        if self.feed.follower is not None:
            self.feed.follower.dropped(error)


def _check_text(is_text: bool) -> None:
    if not is_text:
        raise NotTextError
