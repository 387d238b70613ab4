"""One document's part in a batch: what came for it, and what becomes of that."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from coedit.errors import CoeditError
from coedit.identifiers import DocumentId, Revision
from coedit.ot.commit import Submission
from coedit.protocol.events import encode_events
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.documents.log import Position
from coedit.store.writes.commit import DocumentWrite
from services.transformer.deciding.outcome import Outcome
from services.transformer.documents.working import WorkingDocument

NOWHERE = Position(0, Revision(0), "", Revision(0), Revision(0), 0)
"""Of a document of which nothing is written."""

AnySubmission = Submission | YjsSubmission
Refusal = Callable[[AnySubmission], CoeditError]
"""What each submission is refused with."""


@dataclass(slots=True)
class Part:
    """What was decided of a document, or why nothing of it can be: then all that came for it is refused."""

    document_id: DocumentId
    working: WorkingDocument | None
    """None: it could not be read, and all is refused."""
    outcome: Outcome
    refusal: Refusal | None = None
    submissions: list[AnySubmission] = field(default_factory=list)

    @classmethod
    def begin(cls, document_id: DocumentId, working: WorkingDocument) -> "Part":
        """Return the part of a document of which nothing is decided yet."""
        return cls(document_id, working, Outcome(working.stored))

    @classmethod
    def unreadable(cls, document_id: DocumentId, error: CoeditError) -> "Part":
        """Return the part of a document that cannot be read."""
        return cls(document_id, None, Outcome(NOWHERE), lambda _: error)

    def write(self) -> DocumentWrite:
        """Return what is to be written of it."""
        if self.refusal is not None:
            # Also what was accepted before the trouble: none of it is written yet.
            return refused(self.document_id, self.submissions, self.refusal)
        assert self.working is not None  # noqa: S101 - without it all is refused
        outcome = self.outcome
        return DocumentWrite(
            self.document_id,
            outcome.before,
            self.working.stands_at(),
            encode_events(outcome.events) if outcome.events else b"",
            tuple(outcome.commits),
            tuple(outcome.ended),
        )


def refused(document_id: DocumentId, submissions: Iterable[AnySubmission], refusal: Refusal) -> DocumentWrite:
    """Return what is to be written where nothing of a document is committed.

    Nothing more is committed of an OT client that was told of a definite refusal; a Yjs update is the same however
    often it comes.
    """
    outcome = Outcome(NOWHERE)
    for submission in submissions:
        error = refusal(submission)
        outcome.reject(submission, error)
        if error.definite and isinstance(submission, Submission):
            outcome.ended.append(submission.client_id)
    return DocumentWrite(
        document_id, NOWHERE, NOWHERE, encode_events(outcome.events), ended=tuple(outcome.ended)
    )
