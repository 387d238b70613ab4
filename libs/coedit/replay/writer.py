"""One agent of a concurrent trace, live: it does what was meant, in the text that it has now.

Beside its text each writer keeps the identities of its characters. What a remote change inserted it learns from the
`Ledger`, by (client id, sequence): within one submission characters never change places, so their order in the delta
says which is which.
"""

from collections import deque
from dataclasses import dataclass, field

from coedit.client.document import Document
from coedit.client.events import Event, Submitted
from coedit.identifiers import ClientId
from coedit.ot.compose import compose
from coedit.ot.delta import Delta
from coedit.ot.parts.utf16 import from_units, to_units
from coedit.protocol.client_session import Change
from coedit.replay.intents import START, Intent, Intents, Step, change_identities, inserted_identities
from coedit.replay.report import ReplayError, Report

_NEAR = 200
"""A character is looked for so far around the last edit before it is looked for everywhere."""

Submission = tuple[ClientId, int]


@dataclass(slots=True)
class Ledger:
    """What all writers of a run know together."""

    intents: Intents
    writers: "dict[ClientId, Writer]" = field(default_factory=dict)
    submissions: dict[Submission, tuple[int, ...]] = field(default_factory=dict)
    """Which characters each submission inserts, in the order of its delta."""
    inserted: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)

    def inserted_by(self, submission: Submission) -> tuple[int, ...]:
        """Return which characters a submission inserted.

        Raises:
            ReplayError: no writer of this run sent it.
        """
        if submission not in self.submissions and submission[0] in self.writers:
            # It was sent before it came here, so its author only has to read its events up to there.
            self.writers[submission[0]].catch_up(submission)
        if submission not in self.submissions:
            raise ReplayError(
                f"a commit that nobody here sent: client {submission[0]}, number {submission[1]}"
            )
        return self.submissions[submission]


class Writer:
    """A client of a live document, with the identity of each code unit that it shows."""

    def __init__(self, document: Document, ledger: Ledger, report: Report) -> None:
        self.document = document
        self.identities: list[int] = []
        self.client_id = document.state.client_id
        ledger.writers[self.client_id] = self
        self._ledger = ledger
        self._report = report
        self._events = document.events()
        self._unread: deque[Event] = deque()
        self._seen: set[Submission] = set()
        self._present: set[int] = {START}
        self._left_of_gone: dict[int, int] = {}
        self._last_place = 0

    async def perform(self, intent: Intent) -> None:
        """Do what an agent meant; what is gone already, or not here yet, cannot be deleted.

        Raises:
            ReplayError: the server refused an edit, or sent what does not fit.
        """
        self.catch_up()
        delta = Delta()
        for step in intent.steps:
            done = self._delta(step)
            self._note(done, step.inserted)
            delta = compose(delta, done) if delta.ops else done
        self._report.edits += bool(delta.ops)
        await self.document.edit(delta)

    def catch_up(self, until: Submission | None = None) -> None:
        """Read what happened to the text since the last time, or only up to where ``until`` was submitted."""
        self._unread.extend(self._events.take())
        while self._unread and (until is None or until not in self._ledger.submissions):
            self._follow(self._unread.popleft())

    def fault(self) -> str:
        """Return what is wrong with the characters that are shown; empty if nothing is."""
        ledger = self._ledger
        if ledger.intents.text(self.identities) != to_units(self.document.text):
            return "the text is not made of the characters that were sent"
        if len(self.identities) != len(set(self.identities)):
            return f"{len(self.identities) - len(set(self.identities))} characters are there twice"
        missing = ledger.inserted - ledger.deleted - set(self.identities)
        if missing:
            return f"{len(missing)} characters are missing that nobody deleted"
        kept = set(self.identities) & ledger.deleted
        return f"{len(kept)} characters are there that were deleted" if kept else ""

    def _follow(self, event: Event) -> None:
        if isinstance(event, Submitted):
            key = self.client_id, event.client_sequence
            self._ledger.submissions[key] = inserted_identities(event.delta, self.identities)
        elif isinstance(event, Change):
            self._follow_change(event)
        self._report.count(event)

    def _follow_change(self, change: Change) -> None:
        key = ClientId(change.client_id), change.client_sequence
        if change.is_reset or key in self._seen:
            raise ReplayError(
                f"revision {change.revision}: {'loaded afresh' if change.is_reset else 'came twice'}"
            )
        self._seen.add(key)
        self._note(change.delta, self._ledger.inserted_by(key))

    def _note(self, delta: Delta, inserted: tuple[int, ...]) -> None:
        try:
            gone = change_identities(self.identities, delta, inserted)
        except ValueError as error:
            raise ReplayError(f"a change does not fit its submission: {error}") from error
        self._left_of_gone.update(gone)
        self._present.update(inserted)
        self._present.difference_update(identity for identity, _ in gone)

    def _delta(self, step: Step) -> Delta:
        """Return what ``step`` comes to here and now."""
        ledger = self._ledger
        here = [identity for identity in step.deleted if identity in self._present]
        marks = [(self._find(identity), True) for identity in here]
        if step.inserted:
            marks.append((self._place_after(step.after), False))
        ledger.deleted.update(here)
        ledger.inserted.update(step.inserted)
        delta, place = Delta(), 0
        for position, is_deletion in sorted(marks):
            delta = delta.retain(position - place)
            delta = delta.delete(1) if is_deletion else delta.insert(self._text(step))
            place = position + is_deletion
        return delta

    def _text(self, step: Step) -> str:
        return from_units(self._ledger.intents.text(step.inserted))

    def _place_after(self, identity: int) -> int:
        """Return where to insert behind a character; where it is not there, behind the nearest on its left that is."""
        while identity not in self._present:
            # Gone: what stood on its left then. Not here yet: behind what it was inserted.
            identity = self._left_of_gone.get(identity, self._ledger.intents.anchors[identity])
        return 0 if identity == START else self._find(identity) + 1

    def _find(self, identity: int) -> int:
        start = max(0, self._last_place - _NEAR)
        try:
            place = self.identities.index(identity, start, self._last_place + _NEAR)
        except ValueError:
            place = self.identities.index(identity)
        self._last_place = place
        return place
