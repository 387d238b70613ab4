"""What a Yjs client submits, as it goes from gateway to transformer."""

from dataclasses import dataclass, field

from coedit.identifiers import AuthorId, ClientId, ClientSequence


@dataclass(frozen=True, slots=True)
class YjsSubmission:
    """A Yjs v1 update; (client_id, client_sequence) is where the answer goes. The second time it does nothing.

    The answer is a commit of that client and sequence, `YjsTaken`, `YjsHeld` (which leaves it unanswered) or
    `Rejected`. An empty ``update`` asks that Yjs clients can open the document.
    """

    client_id: ClientId
    client_sequence: ClientSequence
    author: AuthorId
    epoch: int
    root: str
    """The shared text that is the document, as the client wants it."""
    update: bytes
    traceparent: str = field(default="", compare=False)
    """What its trace goes on from; most edits have none."""

    @property
    def weight(self) -> int:
        """About what it takes to keep and to handle."""
        return 64 + len(self.update)
