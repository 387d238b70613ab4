"""The client's side of one document, without I/O: what one edits and receives in, messages and changes out.

Who calls it owns the connection: it sends what is returned, in order, and when the connection was lost it sends
`open_message` on the next one, and after the answer `resend`.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from coedit.errors import ProtocolError, UnexpectedMessageError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.apply import apply
from coedit.ot.commit import Caret, Commit
from coedit.ot.compose import compose
from coedit.ot.delta import Delta
from coedit.ot.diff import diff
from coedit.ot.past.undo import UndoHistory
from coedit.ot.roles.replica import AwaitingAck, AwaitingAckWithBuffer, Replica, Synchronized
from coedit.ot.transform import transform
from coedit.presence.remote_carets import RemoteCarets
from coedit.presence.roster import Presence, presence_from_fields
from coedit.protocol.giving_back.kept_commits import KeptCommits
from coedit.protocol.log_entry import caret_from_fields, commit_fields, commit_from_fields

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to the replica's document."""

    delta: Delta
    """What it does to the document as it was shown."""
    author: str
    client_id: str
    revision: Revision
    client_sequence: int = 0
    """With the client id it names the submission."""
    is_reset: bool = False
    """The document was loaded afresh, since one's own history was not the server's; ``delta`` is the difference."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An edit of one's own that was refused for good, with what was edited after it; it is in no document."""

    code: str
    message: str
    delta: Delta
    """Made on the document as it was before it."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The revisions ``first`` to ``last`` are lost for good; the document went on without them."""

    epoch: int
    """The one that began since."""
    first: Revision
    last: Revision


@dataclass(slots=True)
class ClientDocument:
    """One document as a client holds it: the shown content, and where its replica stands."""

    document_id: DocumentId
    content: Delta = field(default_factory=Delta)
    """What is shown: everything committed, and one's own edits."""
    replica: Replica = field(default_factory=lambda: Synchronized(Revision(0)))
    epoch: int = 0
    mac: str = ""
    client_id: ClientId = ClientId("")
    resume_token: str = ""
    access: str = ""
    damaged: bool = False
    """Whether the server has found the document damaged: it shows what it can vouch for, and takes no writes."""
    author: str = ""
    """Who one is in this document, as the server knows one."""
    snapshot_revision: Revision = Revision(0)
    is_open: bool = False
    carets: RemoteCarets = field(default_factory=lambda: RemoteCarets(ClientId(""), Revision(0)))
    """Where the others are; `shown_carets` has them in what is shown."""
    rejections: list[Rejection] = field(default_factory=list)
    caret: Caret | None = None
    history: UndoHistory = field(default_factory=UndoHistory)
    """One's own edits, to undo and redo; empty again after the document was loaded afresh."""
    kept: KeptCommits = field(default_factory=KeptCommits)
    """The commits above the newest snapshot, for a server that loses its log."""
    losses: list[Loss] = field(default_factory=list)
    """What the server lost and nobody could give back."""
    _sequence: int = 0
    _confirmed: Delta = field(default_factory=Delta)
    """The document at the replica's revision, without what is unacknowledged."""
    _is_astray: bool = False
    """Until the document is opened again: the server's history is another one."""
    _refusal: Rejection | None = None
    """Until the document is opened again: why, and what was set aside so far."""

    @property
    def revision(self) -> Revision:
        """The newest revision that was received."""
        return self.replica.revision

    @property
    def saved(self) -> bool:
        """Whether every edit is acknowledged."""
        return isinstance(self.replica, Synchronized)

    @property
    def client_sequence(self) -> int:
        """The number of the newest submission, 0 before the first."""
        return self._sequence

    def open_message(self) -> Message:
        """Return the message that opens the document, from where the replica stands."""
        message: Message = {"type": "open", "document": self.document_id}
        if self._refusal is not None or self._is_astray:
            return message | {"renew": True}
        if self.client_id:
            message |= {"client_id": self.client_id, "resume_token": self.resume_token}
        if self.epoch:
            message |= {"epoch": self.epoch, "revision": self.revision, "mac": self.mac}
        return message

    def opened(self, message: Message, content: Delta | None) -> Change | None:
        """Take in `opened`; ``content`` is the document, or None where it was resumed. Then `resend`."""
        self.is_open = True
        if message["client_id"] != self.client_id:
            self.client_id, self._sequence = ClientId(message["client_id"]), 0
            self.carets = RemoteCarets(self.client_id, self.revision)
        self.resume_token, self.access = message["resume_token"], message["access"]
        self.damaged = message.get("damaged", False)
        self.author, self.epoch = message.get("author", ""), message["epoch"]
        self.snapshot_stored(Revision(message["snapshot_revision"]))
        if content is None:
            return None
        pending = self._pending_on(content)
        self._refusal, self._is_astray = None, False
        self.mac = message["mac"]
        self.kept.begin(self.mac)
        self.replica = Synchronized(Revision(message["revision"]))
        self.carets.reopened(self.revision)
        self._confirmed = content
        before, self.content = self.content, apply(content, pending)
        if pending.ops:
            self.replica, _ = self.replica.edit(pending)
            self._sequence += 1
        # Whose text is whose cannot be told across the two, and an undo must never take another's.
        self.history.clear()
        change = Change(diff(before, self.content), "", "", self.revision, is_reset=True)
        if self.caret is not None:
            self.caret = self.caret.over(change.delta)
        return change

    def edit(self, delta: Delta, *, group: Hashable = None) -> Sequence[Message]:
        """Apply an edit of one's own; return what to send. Edits in a row of one ``group`` are undone together.

        Raises:
            InvalidDeltaError: it does not fit what is shown.
        """
        content = apply(self.content, delta)
        self.history.record(delta, self.content, group)
        return self._edited(delta, content)

    def undo(self) -> tuple[Delta | None, Sequence[Message]]:
        """Undo the newest of one's own edits; return what that did, None where there is none, and what to send."""
        return self._stepped(self.history.undo(self.content))

    def redo(self) -> tuple[Delta | None, Sequence[Message]]:
        """Take back the newest undo; return as `undo` does."""
        return self._stepped(self.history.redo(self.content))

    def _stepped(self, delta: Delta | None) -> tuple[Delta | None, Sequence[Message]]:
        return delta, () if delta is None else self._edited(delta, apply(self.content, delta))

    def _edited(self, delta: Delta, content: Delta) -> Sequence[Message]:
        self.content = content
        if not delta.ops:
            return ()
        if self.caret is not None:
            # A submission whose caret is behind the end of the document would be refused.
            self.caret = self.caret.behind(delta)
        if self._refusal is not None:
            self._set_aside(self._refusal, delta)
            return ()
        self.replica, submitted = self.replica.edit(delta)
        if submitted is None:
            return ()
        self._sequence += 1
        return self.resend()

    def resend(self) -> Sequence[Message]:
        """Return the submission in flight, as it stands now; nothing where there is none, or nobody takes it now."""
        replica = self.replica
        if isinstance(replica, Synchronized) or not self.is_open or self.damaged:
            return ()
        message: Message = {
            "type": "submit",
            "document": self.document_id,
            "client_sequence": self._sequence,
            "epoch": self.epoch,
            "base_revision": replica.revision,
            "delta": replica.in_flight.to_json(),
        }
        if self.caret is not None and isinstance(replica, AwaitingAck):
            message["caret"] = self.caret._asdict()
        return (message,)

    def receive_commits(self, message: Message) -> list[Change]:
        """Take in others' commits; return what they do to what is shown.

        Raises:
            ProtocolError: a revision is missing.
        """
        changes = []
        for told in message["commits"]:
            if told["revision"] <= self.revision:
                continue
            if told["revision"] != self.revision + 1:
                raise ProtocolError(f"revision {told['revision']} came after {self.revision}")
            # Another epoch may begin in the middle of a history that one shares.
            self.epoch = max(self.epoch, message["epoch"])
            fields = {"epoch": message["epoch"], **told}
            commit = commit_from_fields(fields)
            self.kept.add(fields, commit.delta.weight)
            self.replica, shown = self.replica.receive(commit.delta)
            self.content = apply(self.content, shown)
            self._confirmed = self.content if self.saved else apply(self._confirmed, commit.delta)
            self.history.carry(shown)
            self.mac = commit.mac
            if self.caret is not None:
                self.caret = self.caret.over(shown)
            self.carets.committed(commit)
            changes.append(
                Change(shown, commit.author, commit.client_id, self.revision, commit.client_sequence)
            )
        return changes

    def receive_ack(self, message: Message) -> Sequence[Message]:
        """Take in the ack of the submission in flight; return what to send next.

        Raises:
            UnexpectedMessageError: it is not the next revision.
        """
        if message["revision"] <= self.revision:
            return ()  # a repeat
        if message["revision"] != self.revision + 1 or message["client_sequence"] != self._sequence:
            raise UnexpectedMessageError(f"an ack of revision {message['revision']} after {self.revision}")
        commit = self._own_commit(message)
        self.carets.committed(commit)
        self.kept.add(commit_fields(commit), commit.delta.weight)
        self.replica, submitted = self.replica.acknowledge()
        self._confirmed = self.content if self.saved else apply(self._confirmed, commit.delta)
        self.mac, self.epoch = message["mac"], max(self.epoch, message["epoch"])
        if submitted is None:
            return ()
        self._sequence += 1
        return self.resend()

    def snapshot_stored(self, revision: Revision) -> None:
        """Take note of what a snapshot covers: nobody will ask for it again."""
        self.snapshot_revision = revision
        self.kept.stored_up_to(revision)

    def recalled(self, message: Message) -> Sequence[Message]:
        """Return what to send to a server that lost commits: all that is kept above what it still has."""
        return [
            {
                "type": "offer",
                "document": self.document_id,
                "before": offer.before,
                "commits": [dict(fields) for fields in offer.commits],
            }
            for offer in self.kept.above(message["revision"])
        ]

    def lost_history(self, epoch: int, revisions: Message) -> Loss | None:
        """Take note of revisions that are lost for good; return what is new of it."""
        loss = Loss(epoch, Revision(revisions["first"]), Revision(revisions["last"]))
        if loss in self.losses:
            return None
        self.losses.append(loss)
        return loss

    def reject(self, code: str, message: str) -> None:
        """Take in a definite refusal: what is unacknowledged is put aside; open again for the server's content."""
        replica = self.replica
        self._refusal = Rejection(code, message, Delta())
        if isinstance(replica, AwaitingAckWithBuffer):
            self._set_aside(self._refusal, compose(replica.in_flight, replica.buffer))
        elif isinstance(replica, AwaitingAck):
            self._set_aside(self._refusal, replica.in_flight)
        self.epoch = 0
        self.is_open = False

    def diverge(self) -> None:
        """Take in that the server has another history: open again for it; what is unacknowledged is carried over.

        Nothing of that can be in the server's history, which ends below or leaves ours before the newest revision here.
        """
        self._is_astray = self._refusal is None
        self.epoch = 0
        self.is_open = False

    def _pending_on(self, content: Delta) -> Delta:
        """Return what is unacknowledged, carried over the difference to a ``content`` of another history."""
        replica = self.replica
        if not self._is_astray or isinstance(replica, Synchronized):
            return Delta()
        difference, pending = transform(diff(self._confirmed, content), replica.in_flight)
        if isinstance(replica, AwaitingAckWithBuffer):
            pending = compose(pending, transform(difference, replica.buffer)[1])
        return pending

    def _set_aside(self, refusal: Rejection, delta: Delta) -> None:
        """Keep an edit with what was refused before it, unless the caller has taken that already."""
        if self.rejections and self.rejections[-1] is refusal:
            delta = compose(self.rejections.pop().delta, delta)
        self._refusal = Rejection(refusal.code, refusal.message, delta)
        self.rejections.append(self._refusal)

    def shown_carets(self) -> list[Presence]:
        """Return everybody else, with their carets in what is shown."""
        replica = self.replica
        if isinstance(replica, AwaitingAckWithBuffer):
            return self.carets.shown((replica.in_flight, replica.buffer))
        return self.carets.shown((replica.in_flight,) if isinstance(replica, AwaitingAck) else ())

    def receive_presence(self, message: Message) -> None:
        """Take in who came, moved and left."""
        present = [presence_from_fields(fields) for fields in message["present"]]
        if message.get("full"):
            self.carets.replaced(present)
        else:
            self.carets.changed(present, message["left"])

    def receive_rights(self, message: Message) -> None:
        """Take in what one may do from now on."""
        self.access = message["access"]

    def presence_message(self, name: str, colour: str) -> Sequence[Message]:
        """Return what says where one's caret is; nothing while an edit is unacknowledged."""
        if not self.is_open or not self.saved:
            return ()
        caret = None if self.caret is None else self.caret._asdict()
        message = {
            "type": "presence",
            "document": self.document_id,
            "revision": self.revision,
            "caret": caret,
        }
        shown = {"name": name, "colour": colour}
        return (message | {key: value for key, value in shown.items() if value},)

    def _own_commit(self, message: Message) -> Commit:
        if isinstance(self.replica, Synchronized):
            raise UnexpectedMessageError("an ack, but nothing is in flight")
        return Commit(
            Revision(message["revision"]),
            self.replica.in_flight,
            AuthorId(self.author),
            self.client_id,
            ClientSequence(message["client_sequence"]),
            message["at"],
            message["epoch"],
            message["mac"],
            message["key_id"],
            caret_from_fields(message.get("caret")),
            yjs=message.get("yjs", ""),
            bridge=message.get("bridge", ""),
        )

    def lost(self) -> None:
        """Take note that the connection is gone."""
        self.is_open = False
