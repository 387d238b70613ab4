"""One open document on this gateway: puts what comes from its channel in order, fills gaps, and fans out."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from coedit.errors import CoeditError, DamagedError, NotTextError, ProtocolError
from coedit.identifiers import ClientId, DocumentId, Revision
from coedit.protocol.events import (
    ClientCameBack,
    Committed,
    DamageFound,
    DamageRepaired,
    EpochBegun,
    Event,
    HeadAt,
    PresenceChanged,
    Rejected,
    Repeated,
    SnapshotStored,
    Traced,
    YjsHeld,
    YjsTaken,
    decode_events,
)
from coedit.protocol.messages import commit_message, lost_message
from coedit.runtime.tracing.active import TRACES
from services.gateway.documents.frames import SharedFrame
from services.gateway.documents.recent import Logged, RecentCommits
from services.gateway.documents.subscription import Subscription
from services.gateway.metrics import DELIVERED, GAPS, LOOP_ERRORS
from services.gateway.traces import fanning_out

logger = logging.getLogger(__name__)

_BETWEEN_SERVICES = frozenset({"yjs", "ttl_ms"})
"""What of a presence no OT client is told."""

Answer: TypeAlias = Rejected | Repeated | YjsTaken | YjsHeld


class Place(NamedTuple):
    """Where a document stands, and what a snapshot covers of it."""

    epoch: int
    head: Revision
    mac: str
    snapshot_revision: Revision
    lost: tuple[Revision, Revision] | None = None
    """The revisions whose loss began the epoch, the first and the last."""
    is_text: bool = True
    """Whether OT clients can open the document."""


class Follower(Protocol):
    """Somebody beside the subscriptions who goes along with the document; sees to its own errors."""

    @property
    def receiver_count(self) -> int:
        """How many clients are told by it."""

    def committed(self, commits: list[Logged]) -> None:
        """Take note of commits, in order and without a gap."""

    def answered(self, event: Answer) -> None:
        """Take note of what became of a submission; it may be anybody's."""

    def moved(self, present: Sequence[dict[str, Any]], left: Sequence[ClientId]) -> None:
        """Take note of who came or moved, and who is gone."""

    def refresh_roster(self) -> None:
        """Take note that one may have missed who came and left."""

    def dropped(self, error: CoeditError) -> None:
        """Take note that the document has to be opened again."""


class Feed:
    """The newest commits of a document, and who wants them.

    ``on_gap`` is called when commits are missing or may be; who was called reads the log and calls `take`.
    ``on_damage`` is called with what is wrong with the document, and with nothing when it has been repaired.
    """

    def __init__(
        self,
        document_id: DocumentId,
        on_gap: Callable[["Feed"], None],
        on_damage: Callable[[str], None],
    ) -> None:
        self.document_id = document_id
        self.epoch = 0
        self.head = Revision(0)
        self.mac = ""
        """Of the head."""
        self.snapshot_revision = Revision(0)
        self.lost: tuple[Revision, Revision] | None = None
        """The revisions whose loss began the epoch."""
        self.on_stored: Callable[[], None] = lambda: None
        """Called when a snapshot was stored, or another history was begun with."""
        self.is_sure = True
        """Whether what the channel brings continues this history; else it is read, once the two were compared."""
        self.presence_count = 0
        """Of changes of the roster that came so far."""
        self.subscriptions: set[Subscription] = set()
        self.follower: Follower | None = None
        """Who sees to the Yjs clients of the document, while there are some."""
        self._on_gap = on_gap
        self._on_damage = on_damage
        self._recent = RecentCommits()
        self._told_of, self._told_trace = 0, ""
        """When Redis took the oldest of the commits that were told since this was set to 0."""
        self._traced: Traced | None = None
        """Which of the edits that come next are traced."""

    @property
    def is_started(self) -> bool:
        """Whether the head is known; before, all that comes counts as a gap."""
        return self.epoch > 0

    def start(self, place: Place) -> None:
        """Begin at ``place``; what the channel brings up to there is known already."""
        self.epoch, self.head, self.mac = place.epoch, place.head, place.mac
        self.snapshot_revision, self.lost = place.snapshot_revision, place.lost
        self.is_sure = True
        self._recent.begin(place.mac)
        self.on_stored()

    def on_message(self, packed: bytes) -> tuple[int, str]:
        """Take in a message of the document's channel; an unreadable one is counted and passed over.

        Return when Redis took the oldest of the commits that were told (ms since 1970; 0: none was), and the id of a
        trace that one of them belongs to, if one does.
        """
        self._told_of, self._told_trace = 0, ""
        try:
            for event in decode_events(packed):
                self._on_event(event)
        except (ProtocolError, DamagedError) as error:
            LOOP_ERRORS.labels("feed").inc()
            facts = {"event": "bad-message", "document_id": self.document_id, "error": str(error)}
            logger.warning("a channel's message cannot be read", extra=facts)
        return self._told_of, self._told_trace

    def take(self, commits: list[Logged]) -> None:
        """Take in commits without a gap; known ones are passed over."""
        logged = [commit for commit in commits if commit.revision > self.head]
        if not logged:
            return
        self.head, self.mac = Revision(logged[-1].revision), logged[-1].fields["mac"]
        self.epoch = logged[-1].fields["epoch"]
        self._recent.extend(logged)
        new = [commit.fields for commit in logged]
        shared = SharedFrame(commit_message(self.document_id, new, self.epoch))
        authors = frozenset(commit["client_id"] for commit in new)
        told = 0
        for subscription in list(self.subscriptions):
            if subscription.is_live:
                told += subscription.deliver(new, shared, authors)
        DELIVERED.inc(told)
        if told or self.follower is not None:
            self._told_of = self._told_of or new[0].get("at", 0)
        if self.follower is not None:
            self.follower.committed(logged)
        if any("bridge" in commit for commit in new):
            self._on_bridge(new)

    def recent_since(self, revision: int) -> list[Logged] | None:
        """Return the commits above ``revision``, or None where they are older than what is kept here."""
        return self._recent.newest(self.head - revision)

    def recent_above(self, revision: int) -> tuple[str, list[Logged]]:
        """Return what is kept here above ``revision``, and the mac of the revision below the first of it."""
        return self._recent.above(revision)

    @property
    def unsaved_bytes(self) -> int:
        """About what is kept here of commits that no snapshot covers, as far as is known here; 0: all are covered."""
        is_saved = self.head <= self.snapshot_revision
        return 0 if is_saved else self._recent.size_bytes + 1  # how far it is may be all that is known

    def keep_below(self, commits: Sequence[Logged], before: str) -> None:
        """Keep commits that were read on the way to where the feed began; see `RecentCommits.put_below`."""
        self._recent.put_below(commits, before)

    def leads_past(self, revision: int, mac: str) -> bool:
        """Return whether a state of the document may be on the way to this head; False: it is of another history."""
        if revision >= self.head:
            return revision > self.head or mac == self.mac
        before, above = self._recent.above(revision)
        return not above or above[0].revision > revision + 1 or before == mac

    def stored_up_to(self, revision: Revision) -> None:
        """Take note of a snapshot."""
        self.snapshot_revision = revision
        self.on_stored()

    def broadcast(self, message: dict[str, Any]) -> None:
        """Send something that is not a commit to every client; one that is behind does without."""
        shared = SharedFrame(message)
        for subscription in list(self.subscriptions):
            outlet = subscription.outlet
            if subscription.is_live and not outlet.write_frame(shared.of(outlet.codec)):
                subscription.fall_behind()

    def of_client(self, client_id: ClientId) -> list[Subscription]:
        """Return the subscriptions of a client."""
        return [subscription for subscription in self.subscriptions if subscription.client_id == client_id]

    def _on_event(self, event: Event) -> None:
        match event:
            case Committed(entries):
                commits = [Logged.read(entry) for entry in entries]
                if self._traced is None:
                    self._on_commits(commits)
                else:
                    self._on_traced(commits, self._traced)
            case YjsTaken() | YjsHeld():
                self._tell_follower(event)
            case Rejected():
                self._tell_follower(event)
                for subscription in self.of_client(event.client_id):
                    subscription.reject(event)
            case Repeated():
                self._on_repeat(event)
            case HeadAt(epoch, revision, mac):
                if (epoch, revision, mac) != (self.epoch, self.head, self.mac):
                    self.is_sure = self.is_sure and revision > self.head
                    self._miss()
            case EpochBegun(epoch, revision, _, last_lost):
                self.broadcast(lost_message(self.document_id, epoch, revision + 1, last_lost))
                self._miss()
            case _:
                self._on_news(event)

    def _on_news(self, event: Event) -> None:
        """Take in what is not about a revision."""
        match event:
            case ClientCameBack(client_id, opened_us):
                for subscription in self.of_client(client_id):
                    if subscription.opened_us < opened_us:
                        subscription.outlet.replaced()
            case DamageFound(what):
                self._on_damage(what)
            case DamageRepaired():
                self._on_damage("")
            case Traced():
                self._traced = event if TRACES.tracer is not None else None
            case SnapshotStored(revision):
                self.stored_up_to(revision)
                self.broadcast({"type": "snapshot", "document": self.document_id, "revision": revision})
            case PresenceChanged(present, left):
                self.presence_count += 1
                self.broadcast(
                    {
                        "type": "presence",
                        "document": self.document_id,
                        "present": [_as_told(fields) for fields in present],
                        "left": left,
                    }
                )
                self._note_announced({fields["client_id"] for fields in present})
                if self.follower is not None:
                    self.follower.moved(present, left)

    def _note_announced(self, clients: set[ClientId]) -> None:
        for subscription in self.subscriptions:
            if subscription.said_at and subscription.client_id in clients:
                subscription.announced()

    def _on_commits(self, commits: list[Logged]) -> None:
        is_next = commits[0].fields["epoch"] == self.epoch and commits[0].revision <= self.head + 1
        if not self.is_sure or not is_next:
            self._miss()
        else:
            self.take(commits)

    def _on_traced(self, commits: list[Logged], traced: Traced) -> None:
        self._traced = None
        named = [(commit.fields["client_id"], commit.fields["client_sequence"]) for commit in commits]
        receivers = len(self.subscriptions) + (self.follower.receiver_count if self.follower else 0)
        with fanning_out(traced, named, self.document_id, receivers) as self._told_trace:
            self._on_commits(commits)

    def _on_bridge(self, commits: list[dict[str, Any]]) -> None:
        """A new document that OT clients have open, empty, may turn out to be none for them."""
        if any(commit.get("bridge", "").startswith("yjs") for commit in commits):
            error = NotTextError()
            for subscription in list(self.subscriptions):
                subscription.outlet.drop(subscription, error)

    def _tell_follower(self, event: Answer) -> None:
        if self.follower is not None:
            self.follower.answered(event)

    def _on_repeat(self, event: Repeated) -> None:
        self._tell_follower(event)
        if event.revision > self.head:
            self._miss()  # the commit's own message was lost
        for subscription in self.of_client(event.client_id):
            subscription.repeat(event, self._recent_commit(event.revision))

    def _miss(self) -> None:
        GAPS.inc()
        self._on_gap(self)

    def _recent_commit(self, revision: int) -> dict[str, Any] | None:
        since = self.recent_since(revision - 1)
        return since[0].fields if since else None


def _as_told(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a presence as OT clients are told it."""
    if _BETWEEN_SERVICES.isdisjoint(fields):
        return fields
    return {name: value for name, value in fields.items() if name not in _BETWEEN_SERVICES}
