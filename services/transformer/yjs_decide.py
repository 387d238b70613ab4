"""Decides what Yjs clients submit, in its place among the submissions of OT clients."""

from coedit.errors import CoeditError, DamagedError, DivergedError, NotTextError
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
from services.transformer.large_updates import LargeUpdates
from services.transformer.metrics import YJS
from services.transformer.outcome import Outcome
from services.transformer.yjs_side import Held, YjsSide

DECLARER = ClientId("coedit-bridge")
"""By whom a declaration is committed: it is no client's edit."""


class YjsDecider:
    """Decides updates one by one; ``max_units`` bounds a document."""

    def __init__(self, chain_key: ChainKey, bridging: Bridging, large: LargeUpdates, max_units: int) -> None:
        self._chain_key = chain_key
        self._bridging = bridging
        self._large = large
        self._max_units = max_units

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
            self._bridging.hold(document_id, working.bridge, submission)
        return working.yjs is None

    def decide(
        self,
        document_id: DocumentId,
        working: WorkingDocument,
        submission: YjsSubmission,
        at: int,
        outcome: Outcome,
    ) -> None:
        """Add to ``outcome`` what becomes of an update.

        Raises:
            SpoiledError: Yjs failed on it, and the document is to be dropped.
        """
        try:
            became = self._decide(document_id, working, submission, at, outcome)
        except DamagedError:
            raise
        except CoeditError as error:
            outcome.reject(submission, error)
            became = error.code
        YJS.labels(became).inc()

    def _decide(
        self,
        document_id: DocumentId,
        working: WorkingDocument,
        submission: YjsSubmission,
        at: int,
        outcome: Outcome,
    ) -> str:
        epoch = working.authority.epoch
        if submission.epoch != epoch:
            raise DivergedError(f"made in epoch {submission.epoch}; the document is in epoch {epoch}")
        if working.bridge is None and working.authority.head > 0:
            self._declare(document_id, working, submission, at, outcome)
        if working.bridge is not None and working.yjs is None:
            self._bridging.hold(document_id, working.bridge, submission)
            return "put-off"
        if not submission.update:
            return _taken(submission, outcome)
        update = self._large.decoded(document_id, submission)
        if update is None:
            return "put-off"
        side = working.yjs or YjsSide.begin(document_id, submission, update, working.stored.incarnation)
        if side is None:
            return _held(submission, outcome)
        return self._take(document_id, working, side, Held(submission, at), update, outcome)

    def _declare(
        self,
        document_id: DocumentId,
        working: WorkingDocument,
        submission: YjsSubmission,
        at: int,
        outcome: Outcome,
    ) -> None:
        """Commit that Yjs clients open the document from here on; what it was before is its snapshot's to say."""
        first = Revision(working.authority.head + 1)
        working.bridge = Bridge.declared(first, f"text {submission.root}")
        commit = Commit(
            revision=first,
            delta=Delta(),
            author=submission.author,
            client_id=DECLARER,
            client_sequence=ClientSequence(1),
            at=at,
            epoch=working.authority.epoch,
            bridge=working.bridge.declaration(),
        )
        self._append(document_id, working, commit, working.authority.document, outcome)

    def _take(
        self,
        document_id: DocumentId,
        working: WorkingDocument,
        side: YjsSide,
        arrived: Held,
        update: Update,
        outcome: Outcome,
    ) -> str:
        side.check(arrived.submission, update, self._max_units)
        if not side.is_ready(update):
            side.hold(arrived, update)
            return _held(arrived.submission, outcome)
        became = self._apply(document_id, working, side, arrived, outcome)
        for released in side.released():
            self._apply(document_id, working, side, released, outcome)
        return became

    def _apply(
        self,
        document_id: DocumentId,
        working: WorkingDocument,
        side: YjsSide,
        arrived: Held,
        outcome: Outcome,
    ) -> str:
        submission, authority = arrived.submission, working.authority
        taken = side.apply(submission)
        if taken is None:
            return _taken(submission, outcome)
        commit = Commit(
            revision=Revision(authority.head + 1),
            delta=taken.delta,
            author=submission.author,
            client_id=submission.client_id,
            client_sequence=submission.client_sequence,
            at=arrived.at,
            epoch=authority.epoch,
            bridge="" if working.bridge else side.bridge.declaration(),
        )
        # Not before: an update that was refused, or did nothing, leaves a new document what it was.
        working.bridge, working.yjs = side.bridge, side
        self._append(document_id, working, with_update(commit, taken.update), taken.document, outcome)
        return "committed"

    def _append(
        self,
        document_id: DocumentId,
        working: WorkingDocument,
        commit: Commit,
        document: Delta,
        outcome: Outcome,
    ) -> None:
        sealed, entry = self._chain_key.seal_entry(document_id, commit, working.authority.mac)
        working.authority.append(sealed, document)
        outcome.commit(entry)


def _taken(submission: YjsSubmission, outcome: Outcome) -> str:
    outcome.events.append(YjsTaken(submission.client_id, submission.client_sequence))
    return "taken"


def _held(submission: YjsSubmission, outcome: Outcome) -> str:
    outcome.events.append(YjsHeld(submission.client_id, submission.client_sequence))
    return "held"
