"""What came for one document, and what becomes of it."""

from dataclasses import dataclass, field

from coedit.errors import CoeditError
from coedit.identifiers import ClientId
from coedit.ot.commit import Submission
from coedit.protocol.events import Committed, Event, Rejected
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.documents.log import Position
from services.transformer.metrics import REJECTIONS


@dataclass(slots=True)
class Outcome:
    """What becomes of one document's submissions: events in the order they were decided, and the new commits."""

    before: Position
    events: list[Event] = field(default_factory=list)
    commits: list[bytes] = field(default_factory=list)
    ended: list[ClientId] = field(default_factory=list)

    def commit(self, entry: bytes) -> None:
        """Add a commit; neighbours share an event, and so a frame."""
        self.commits.append(entry)
        last = self.events[-1] if self.events else None
        if isinstance(last, Committed):
            self.events[-1] = Committed((*last.commits, entry))
        else:
            self.events.append(Committed((entry,)))

    def reject(self, submission: Submission | YjsSubmission, error: CoeditError) -> None:
        """Add a rejection."""
        REJECTIONS.labels(error.code).inc()
        self.events.append(
            Rejected(
                submission.client_id,
                submission.client_sequence,
                error.code,
                str(error),
                error.definite,
                error.retryable,
            )
        )
