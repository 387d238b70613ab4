"""Decides what Yjs clients submit, in its place among the submissions of OT clients."""

from dataclasses import dataclass

from coedit.crdt.whole_characters import Step
from coedit.errors import CoeditError, DamagedError, NotTextError, TooCostlyError
from coedit.identifiers import ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit, Submission
from coedit.ot.delta import Delta
from coedit.protocol.events import YjsHeld, YjsTaken
from coedit.protocol.log_entry import ChainKey, with_update
from coedit.protocol.yjs.update import Update
from coedit.protocol.yjs_submission import YjsSubmission
from services.transformer.bridging import Bridging
from services.transformer.documents import WorkingDocument
from services.transformer.early_updates import EarlyUpdates
from services.transformer.large_updates import LargeUpdates
from services.transformer.metrics import CUT_CHARACTERS, YJS
from services.transformer.outcome import Outcome
from services.transformer.pace import at_its_pace
from services.transformer.yjs_side import Held, SpoiledError, YjsSide

DECLARER = ClientId("coedit-bridge")
"""By whom a declaration is committed: it is no client's edit."""
MENDER = ClientId("coedit-whole")
"""By whom characters that a Yjs client cut are put right, beside what that client did."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is the same for all documents."""

    chain_key: ChainKey
    bridging: Bridging
    large: LargeUpdates
    early: EarlyUpdates
    max_units: int


class YjsDecider:
    """Decides updates one by one; ``max_units`` bounds a document."""

    def __init__(self, chain_key: ChainKey, bridging: Bridging, large: LargeUpdates, max_units: int) -> None:
        self._parts = _Parts(chain_key, bridging, large, EarlyUpdates(), max_units)

    def is_put_off(self, document_id: DocumentId, working: WorkingDocument, submission: Submission) -> bool:
        """Return whether an OT client's submission waits until the document is ready for Yjs clients.

        Raises:
            NotTextError: the document has no OT side.
            OverloadedError: too much waits.
        """
        if working.bridge is None:
            return False
        if not working.bridge.is_text:
            raise NotTextError
        if working.yjs is None:
            self._parts.bridging.hold(document_id, working.bridge, submission)
        return working.yjs is None

    async def decide(
        self,
        document_id: DocumentId,
        working: WorkingDocument,
        submission: YjsSubmission,
        at: int,
        outcome: Outcome,
    ) -> None:
        """Add to ``outcome`` what becomes of an update.

        Raises:
            SpoiledError: Yjs failed on it, or took too long, and the document is to be dropped.
        """
        try:
            became = await _InDocument(self._parts, document_id, working, outcome).decide(submission, at)
        except DamagedError:
            raise
        except CoeditError as error:
            outcome.reject(submission, error)
            became = error.code
        YJS.labels(became).inc()


@dataclass(frozen=True, slots=True)
class _InDocument:
    """Deciding in one document."""

    parts: _Parts
    document_id: DocumentId
    working: WorkingDocument
    outcome: Outcome

    async def decide(self, submission: YjsSubmission, at: int) -> str:
        """Return, for the metric, what became of an update."""
        working = self.working
        if working.bridge is None and working.authority.head > 0:
            self._declare(submission, at)
        if working.bridge is not None and working.yjs is None:
            self.parts.bridging.hold(self.document_id, working.bridge, submission)
            return "put-off"
        if not submission.update:
            return self._taken(submission)
        update = self.parts.large.decoded(self.document_id, submission)
        if update is None:
            return "put-off"
        try:
            return await at_its_pace(working, submission.weight, self._decided, submission, update, at)
        except TooCostlyError as error:
            raise SpoiledError(submission, error) from error

    def _decided(self, submission: YjsSubmission, update: Update, at: int) -> str:
        working = self.working
        side = working.yjs or YjsSide.begin(self.document_id, submission, update, working.stored.incarnation)
        if side is None:
            self.parts.early.keep(self.document_id, Held(submission, at), update)
            return self._held(submission)
        is_begun = working.yjs is not None
        if is_begun and working.stored.epoch:
            self.parts.early.drop(self.document_id)
        became = self._take(side, Held(submission, at), update)
        if not is_begun and working.yjs is not None:
            self._take_early(side)
        return became

    def _take_early(self, side: YjsSide) -> None:
        """Take what waited for the document to begin; its senders need not be there any more."""
        for held, update in self.parts.early.of(self.document_id):
            try:
                self._take(side, held, update)
            except SpoiledError:
                self.parts.early.drop(self.document_id)
                raise
            except DamagedError:
                raise
            except CoeditError as error:
                self.outcome.reject(held.submission, error)

    def _declare(self, submission: YjsSubmission, at: int) -> None:
        """Commit that Yjs clients open the document from here on; what it was before is its snapshot's to say."""
        authority = self.working.authority
        first = Revision(authority.head + 1)
        bridge = self.working.bridge = Bridge.declared(first, f"text {submission.root}")
        commit = Commit(
            revision=first,
            delta=Delta(),
            author=submission.author,
            client_id=DECLARER,
            client_sequence=ClientSequence(1),
            at=at,
            epoch=authority.epoch,
            bridge=bridge.declaration(),
        )
        self._append(commit, authority.document)

    def _take(self, side: YjsSide, arrived: Held, update: Update) -> str:
        self.working.authority.check_weight(len(arrived.submission.update))
        side.check(arrived.submission, update, self.parts.max_units)
        if not side.is_ready(update):
            side.hold(arrived, update)
            return self._held(arrived.submission)
        became = self._apply(side, arrived, update)
        for released, its_update in side.released():
            self._apply(side, released, its_update)
        return became

    def _apply(self, side: YjsSide, arrived: Held, update: Update) -> str:
        steps = side.apply(arrived.submission, update)
        for step in steps:
            self._check_formats(arrived.submission, step)
        for step in steps:
            self._commit(side, arrived, step)
        if len(steps) > 1:
            CUT_CHARACTERS.inc()
        return "committed" if any(step.is_clients for step in steps) else self._taken(arrived.submission)

    def _check_formats(self, submission: YjsSubmission, step: Step) -> None:
        """Refuse what only its outcome tells: a mark stands once in Yjs, and in the document with each run."""
        try:
            self.working.authority.check_formats(step.taken.delta, step.taken.document)
        except CoeditError as error:
            raise SpoiledError(submission, error) from error

    def _commit(self, side: YjsSide, arrived: Held, step: Step) -> None:
        submission, working = arrived.submission, self.working
        revision = Revision(working.authority.head + 1)
        commit = Commit(
            revision=revision,
            delta=step.taken.delta,
            author=submission.author,
            client_id=submission.client_id if step.is_clients else MENDER,
            client_sequence=submission.client_sequence if step.is_clients else ClientSequence(revision),
            at=arrived.at,
            epoch=working.authority.epoch,
            bridge="" if working.bridge else side.bridge.declaration(),
        )
        # Not before: an update that was refused, or did nothing, leaves a new document what it was.
        working.bridge, working.yjs = side.bridge, side
        self._append(with_update(commit, step.taken.update), step.taken.document)

    def _append(self, commit: Commit, document: Delta) -> None:
        authority = self.working.authority
        sealed, entry = self.parts.chain_key.seal_entry(self.document_id, commit, authority.mac)
        authority.append(sealed, document)
        self.outcome.commit(entry)

    def _taken(self, submission: YjsSubmission) -> str:
        self.outcome.events.append(YjsTaken(submission.client_id, submission.client_sequence))
        return "taken"

    def _held(self, submission: YjsSubmission) -> str:
        self.outcome.events.append(YjsHeld(submission.client_id, submission.client_sequence))
        return "held"
