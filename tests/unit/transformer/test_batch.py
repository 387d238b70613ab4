"""What a batch makes of submissions that come again."""

from typing import Any, cast

from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.authority import Authority
from coedit.ot.commit import Commit, Submission
from coedit.protocol.events import Rejected, decode_events
from coedit.protocol.log_entry import ChainKey
from coedit.store.document_log import Position
from coedit.store.keys import Shard
from coedit.store.ops_stream import Addressed, Entry, encode_submissions
from services.transformer.batch import BatchDecider
from services.transformer.documents import WorkingDocument, WorkingDocuments

DOCUMENT = DocumentId("notes")


class OneDocument:
    """The one document that a transformer holds."""

    def __init__(self) -> None:
        authority = Authority(1, Revision(0), "", Delta().insert("abcde"), max_units=6)
        self.working = WorkingDocument(authority, Position(1, Revision(0), "", Revision(0), Revision(0), 0))

    async def get(self, _: DocumentId) -> WorkingDocument:
        return self.working

    async def history(self, _: DocumentId, working: WorkingDocument, base: Revision) -> list[Commit]:
        return working.authority.since(base) or []


def _submission(client: str, delta: Delta) -> Submission:
    return Submission(ClientId(client), ClientSequence(1), AuthorId("ada"), 1, Revision(0), delta)


def _entry(number: int, submission: Submission) -> Entry:
    fields: Any = {b"submissions": encode_submissions([Addressed(DOCUMENT, submission)])}
    return Entry(f"{number}-0", number, fields)


async def test_rejected_submission_is_not_committed_when_it_comes_again() -> None:
    """Its author was told that it never will be, and may have submitted the same text under another client id."""
    decider = BatchDecider(cast("WorkingDocuments", OneDocument()), ChainKey.derive(b"secret"))
    late = _submission("late", Delta().insert("xyz"))
    room = _submission("other", Delta().delete(5))
    entries = [_entry(1, late), _entry(2, room), _entry(3, late)]
    batch = await decider.decide(Shard(0), "0-0", entries)
    (write,) = batch.documents
    rejected = [event.code for event in decode_events(write.message) if isinstance(event, Rejected)]
    assert rejected == ["document-too-large", "sequence"]
    assert len(write.commits) == 1
