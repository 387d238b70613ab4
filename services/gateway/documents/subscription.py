"""One client's view of one document: which revision it was told last, and how it gets the next.

A subscription is *live* while it stands at its feed's head and its connection takes what is written. One that cannot
take more is left where it is, costs nothing, and is caught up from the log once its connection has drained.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import Any, Protocol

from coedit.errors import CoeditError
from coedit.identifiers import ClientId, DocumentId, Revision
from coedit.protocol.codec import Codec
from coedit.protocol.events import Rejected, Repeated
from coedit.protocol.grants import Right
from coedit.protocol.messages import ack_message, commit_message, refusal
from coedit.runtime.tracing.active import observe
from services.gateway.documents.frames import SharedFrame
from services.gateway.metrics import DELIVERED, ERRORS, PRESENCE_SECONDS, RECEIPT_TO_ACK_SECONDS
from services.gateway.traces import EditTrace

_ANNOUNCED_SECONDS = 10.0
"""What is not announced in so long was taken back, or lost on its way."""


class Outlet(Protocol):
    """What a subscription needs of its connection."""

    codec: Codec

    def write_frame(self, frame: bytes) -> bool:
        """Write a whole frame; never waits. Return whether the connection takes more."""

    def send(self, message: dict[str, Any]) -> None:
        """Encode and write a message; never waits."""

    def takes_more(self) -> bool:
        """Return whether the connection has drained enough to be written to."""

    def left_behind(self, subscription: "Subscription") -> None:
        """Take note that the subscription has to be caught up."""

    def refresh_roster(self, subscription: "Subscription") -> None:
        """Take note that the subscription may have missed who came and left."""

    def replaced(self) -> None:
        """Take note that the client goes on over another connection."""

    def recall(self, message: dict[str, Any]) -> None:
        """Ask the client for commits that Redis lost."""

    def drop(self, subscription: "Subscription", error: CoeditError) -> None:
        """End the subscription and tell its client why."""


class Subscription:
    """A client with a document open. ``revision`` is the newest that it was told."""

    __slots__ = (
        "access",
        "acked",
        "client_id",
        "document_id",
        "durability",
        "in_flight",
        "is_announced",
        "is_damaged",
        "is_live",
        "is_seen",
        "opened_us",
        "outlet",
        "parts",
        "rejected",
        "revision",
        "said_at",
        "submitted_at",
        "trace",
    )

    def __init__(
        self, outlet: Outlet, document_id: DocumentId, client_id: ClientId, access: Right, durability: str
    ) -> None:
        self.outlet = outlet
        self.document_id = document_id
        self.client_id = client_id
        self.access = access
        self.durability = durability
        self.revision = Revision(0)
        self.is_live = False
        self.opened_us = 0
        """When it was opened, by Redis's clock, by a client that was here before; 0: by a new one."""
        self.is_announced = False
        """Whether others were told that the client has come back."""
        self.is_damaged = False
        """Opened while the document is damaged: its client knows, and may not write."""
        self.is_seen = True
        """Whether others are told where its client is."""
        self.parts: list[SharedFrame] = []
        """What of a large document is still to be sent, before any commit."""
        self.acked = 0
        """The largest sequence of this client whose ack was told."""
        self.in_flight: int | None = None
        """The sequence of the submission that was forwarded and not answered yet."""
        self.submitted_at = 0.0
        """When it came, by `time.perf_counter`."""
        self.said_at = 0.0
        """When its client said something of itself that is not announced yet, by the same clock; 0: all is."""
        self.trace: EditTrace | None = None
        """Of the submission that was forwarded last, if it is traced and has no answer yet."""
        self.rejected = False
        """A submission was definitely rejected: this client id has no more say in this document."""

    def deliver(self, commits: Sequence[dict[str, Any]], shared: SharedFrame, authors: frozenset[str]) -> int:
        """Tell of commits in order, as `commit_fields` made them; ``shared`` is for who wrote none of them.

        Return how many were told; this runs for each client of a document and each batch.
        """
        outlet = self.outlet
        if commits[0]["revision"] == self.revision + 1 and self.client_id not in authors:
            told = len(commits)
            takes_more = outlet.write_frame(shared.of(outlet.codec))
            self.revision = commits[-1]["revision"]
        else:
            told = self._tell_own([commit for commit in commits if commit["revision"] > self.revision])
            takes_more = outlet.takes_more()
        if not takes_more:
            self.fall_behind()
        return told

    def deliver_own(self, commits: Sequence[dict[str, Any]]) -> None:
        """Tell of commits in frames of one's own: those that this client wrote come as acks."""
        DELIVERED.inc(self._tell_own(commits))

    def _tell_own(self, commits: Sequence[dict[str, Any]]) -> int:
        others: list[dict[str, Any]] = []
        for commit in commits:
            if commit["client_id"] == self.client_id:
                self._send_others(others)
                others = []
                self.acked = max(self.acked, commit["client_sequence"])
                self._acked(commit["client_sequence"])
                self._answer(ack_message(self.document_id, commit, self.durability))
            else:
                if others and others[0]["epoch"] != commit["epoch"]:
                    self._send_others(others)
                    others = []
                others.append(commit)
        self._send_others(others)
        if commits:
            self.revision = commits[-1]["revision"]
        return len(commits)

    def reject(self, event: Rejected) -> None:
        """Tell of a refused submission."""
        self.answered(event.client_sequence)
        self.rejected = self.rejected or event.definite
        ERRORS.labels(event.code).inc()
        answer = refusal(event.code, event.message, event.definite, event.retryable)
        self._answer(answer | {"document": self.document_id, "client_sequence": event.client_sequence})

    def repeat(self, event: Repeated, commit: dict[str, Any] | None) -> None:
        """Tell of a submission that was committed before; one not yet delivered gets its ack in order."""
        if event.revision <= self.revision and commit is not None:
            self._acked(event.client_sequence)
            self._answer(ack_message(self.document_id, commit, self.durability) | {"repeat": True})

    def fall_behind(self) -> None:
        """Leave the live stream until caught up."""
        if self.is_live:
            self.is_live = False
            self.outlet.left_behind(self)

    def answered(self, sequence: int) -> None:
        """Take note that a submission has its answer."""
        if sequence == self.in_flight:
            self.in_flight = None

    def said(self) -> None:
        """Take note that the client has something to be announced; what never was is forgotten after a while."""
        now = perf_counter()
        if now - self.said_at > _ANNOUNCED_SECONDS:
            self.said_at = now

    def announced(self) -> None:
        """Take note that what the client said was told to all."""
        if self.said_at:
            PRESENCE_SECONDS.observe(perf_counter() - self.said_at)
            self.said_at = 0.0

    def _acked(self, sequence: int) -> None:
        if sequence == self.in_flight:
            self.in_flight = None
            trace = "" if self.trace is None else self.trace.trace_id
            observe(RECEIPT_TO_ACK_SECONDS, perf_counter() - self.submitted_at, trace)

    def _answer(self, message: dict[str, Any]) -> None:
        """Send what became of a submission."""
        trace = self.trace
        if trace is None or trace.sequence != message["client_sequence"]:
            self.outlet.send(message)
            return
        self.trace = None
        with trace.answering(message.get("code", "")):
            self.outlet.send(message)

    def _send_others(self, commits: list[dict[str, Any]]) -> None:
        if commits:
            self.outlet.send(commit_message(self.document_id, commits, commits[0]["epoch"]))
