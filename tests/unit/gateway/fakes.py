"""What the gateway's documents talk to, in memory; a test steps in where it must happen in a certain order."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import msgpack

from coedit.errors import CoeditError, DeletedError, RevisionTooOldError
from coedit.identifiers import ClientId, DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.protocol.codec import Codec
from coedit.protocol.events import Committed, encode_events
from coedit.protocol.log_entry import decode_commit
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from coedit.store.keys import Shard
from coedit.store.objects.rendered import Rendered
from coedit.store.objects.snapshots import Snapshot
from coedit.store.streams.offers import Offer, OffersStream
from services.gateway.documents.content import Content
from services.gateway.documents.heal import Healer
from services.gateway.documents.open_document import OpenDocument
from services.gateway.documents.subscription import Subscription
from services.gateway.redis.channels import Channels

DOCUMENT = DocumentId("notes")


async def _nothing() -> None:
    pass


class FakeStore:
    """A document's log, and the channel on which its commits come; ``epoch`` is the document's."""

    def __init__(self, head: int = 0) -> None:
        self.head = head
        self.epoch = 1
        self.began_at: dict[int, int] = {}
        """The first revision of epochs that did not begin with the document."""
        self.fork_at: int | None = None
        """From this revision on the history is another one than it was."""
        self.furthest = 0
        """What a snapshot covers, if that is more than Redis has."""
        self.kept_from = 1
        """Revisions below this one are kept nowhere."""
        self.bridge: Bridge | None = None
        """As what Yjs clients open the document, if they do."""
        self.taken_at = 0
        """When Redis took what is committed (ms)."""
        self.is_deleted = False
        self.offers: list[Any] = []
        self.suspicions: list[bool] = []
        """What is answered to who asks whether the shard is suspect, the last first."""
        self.on_message: Callable[[bytes], object] = lambda _: None
        self.before_subscribed: Callable[[], Awaitable[None]] = _nothing
        self.after_deletion: Callable[[], Awaitable[None]] = _nothing
        """Awaited between the answer whether it is deleted, and who asked for it."""
        self.before_position: Callable[[], Awaitable[None]] = _nothing
        self.after_position: Callable[[], Awaitable[None]] = _nothing
        self.after_load: Callable[[], Awaitable[None]] = _nothing

    @property
    def commits(self) -> "FakeStore":
        """As a reader of documents it reads commits, too."""
        return self

    def document(self, kept: Content | None = None, document_id: DocumentId = DOCUMENT) -> OpenDocument:
        reader, healer = cast("DocumentReader", self), Healer(cast("OffersStream", self), self.shard)
        log, channels, quarantine = (
            cast("DocumentLog", self),
            cast("Channels", self),
            cast("Quarantine", self),
        )
        document = OpenDocument(document_id, log, reader, channels, healer, quarantine)
        document.begin_with(kept)
        return document

    async def refuse_deleted(self, _: DocumentId) -> None:
        if self.is_deleted:
            raise DeletedError
        await self.after_deletion()

    async def of(self, _: DocumentId) -> None:
        """Nothing is quarantined."""

    async def add(self, _: Shard, *offers: Offer) -> None:
        """Take what a gateway gives back."""
        self.offers += offers

    def commit(self, count: int = 1) -> None:
        """Commit, and tell the channel at once."""
        first = self.head + 1
        self.head += count
        self.publish(first, self.head)

    def publish(self, first: int, last: int) -> None:
        entries = tuple(self._entry(revision) for revision in range(first, last + 1))
        self.on_message(encode_events([Committed(entries)]))

    def shard(self, _: DocumentId) -> Shard:
        return Shard(0)

    async def subscribe(self, _: str, on_message: Callable[[bytes], object], __: Callable[[], None]) -> None:
        await self.before_subscribed()
        self.on_message = on_message

    def unsubscribe(self, _: str) -> None:
        self.on_message = lambda _: None

    async def is_suspect(self, _: DocumentId) -> bool:
        return self.suspicions.pop() if self.suspicions else False

    async def position(self, _: DocumentId) -> Position | None:
        await self.before_position()
        found = Position(self.epoch, Revision(self.head), self._mac(self.head), Revision(0), Revision(0), 0)
        await self.after_position()
        return found if self.head else None

    async def load(self, _: DocumentId, __: LoadedDocument | None = None) -> LoadedDocument:
        entries = tuple(self._entry(revision) for revision in range(1, self.head + 1))
        recent = tuple(map(decode_commit, entries))
        loaded = LoadedDocument(
            self.epoch,
            Revision(self.head),
            self._mac(self.head),
            Rendered(),
            recent,
            entries=entries,
            bridge=self.bridge,
        )
        await self.after_load()
        return loaded

    async def snapshot_above(self, _: DocumentId, revision: Revision) -> Snapshot | None:
        if self.furthest <= revision:
            return None
        mac = f"{self.epoch}/{self.furthest}"
        return Snapshot(DOCUMENT, 1, Revision(self.furthest), self.epoch, mac, b"", b"", Rendered())

    async def load_readable(
        self, document_id: DocumentId, known: LoadedDocument | None = None
    ) -> tuple[LoadedDocument, None]:
        return await self.load(document_id, known), None

    async def entries(self, _: DocumentId, first: int, last: int) -> list[bytes]:
        if first < self.kept_from or last > self.head:
            raise RevisionTooOldError(f"no history is kept of revisions {first} to {last}")
        return [self._entry(revision) for revision in range(first, last + 1)]

    async def checked_page(self, document_id: DocumentId, first: int, last: int) -> list[bytes]:
        return await self.entries(document_id, first, last)

    def _mac(self, revision: int) -> str:
        forked = "'" if self.fork_at is not None and revision >= self.fork_at else ""
        return f"{self._epoch_of(revision)}/{revision}{forked}" if revision else ""

    def _epoch_of(self, revision: int) -> int:
        return self.epoch - (revision < self.began_at.get(self.epoch, 0))

    def _entry(self, revision: int) -> bytes:
        fields = {
            "revision": revision,
            "delta": [{"insert": "x"}],
            "author": "ada",
            "client_id": "ada",
            "client_sequence": revision,
            "at": self.taken_at,
            "epoch": self._epoch_of(revision),
            "mac": self._mac(revision),
            "key_id": "",
        }
        packed: bytes = msgpack.packb(fields)
        return packed


class FakeOutlet:
    """A connection that takes everything, until ``is_full``."""

    codec = Codec.MSGPACK

    def __init__(self) -> None:
        self.is_full = False
        self.asked = 0
        """How often it was asked whether it takes more."""
        self.is_closed = False
        self.sent: list[dict[str, Any]] = []
        self.behind: list[Subscription] = []
        self.dropped: list[CoeditError] = []

    @property
    def buffered_bytes(self) -> int:
        return 1 if self.is_full else 0

    def write_frame(self, frame: bytes) -> bool:
        header = {126: 4, 127: 10}.get(frame[1], 2)
        self.sent.append(msgpack.unpackb(frame[header:]))
        return not self.is_full

    def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def takes_more(self) -> bool:
        self.asked += 1
        return not self.is_full

    def left_behind(self, subscription: Subscription) -> None:
        self.behind.append(subscription)

    def refresh_roster(self, subscription: Subscription) -> None:
        pass

    def replaced(self) -> None:
        pass

    def recall(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def drop(self, subscription: Subscription, error: CoeditError) -> None:
        subscription.is_live = False
        self.dropped.append(error)

    def caught_up(self) -> None:
        pass

    def drop_slow(self) -> None:
        self.is_closed = True


def subscription(outlet: FakeOutlet, client: str = "bob") -> Subscription:
    return Subscription(outlet, DOCUMENT, ClientId(client), "write", "fsync")


def revisions(messages: Sequence[dict[str, Any]]) -> list[int]:
    """The revisions that a client was told, in order."""
    return [
        commit["revision"]
        for message in messages
        for commit in message.get("commits", [message])
        if message["type"] in ("commit", "ack")
    ]
