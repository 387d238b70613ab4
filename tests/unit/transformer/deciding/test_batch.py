"""What a batch makes of submissions that come again."""

from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import Any, cast

import msgpack

from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Submission
from coedit.ot.roles.authority import Authority
from coedit.ot.roles.rebase import Rebase
from coedit.protocol.events import HeadAt, Rejected, Repeated, decode_events
from coedit.protocol.log_entry import ChainKey, decode_commit
from coedit.protocol.metadata import naming
from coedit.store.documents.log import Position
from coedit.store.keys import Shard
from coedit.store.streams.ops import Addressed, Entry, encode_submissions
from services.transformer.deciding.aside import Aside
from services.transformer.deciding.batch import BatchDecider
from services.transformer.deciding.bridging import Bridging
from services.transformer.deciding.large_updates import LargeUpdates
from services.transformer.deciding.orders import Orders
from services.transformer.deciding.pace import HEAVY_WEIGHT
from services.transformer.deciding.yjs import YjsDecider
from services.transformer.documents.working import WorkingDocument, WorkingDocuments

DOCUMENT = DocumentId("notes")


class OneDocument:
    """The one document that a transformer holds."""

    def __init__(self) -> None:
        authority = Authority(1, Revision(0), "", Delta().insert("abcde"), max_units=6)
        self.is_dropped = False
        self.working = WorkingDocument(authority, Position(1, Revision(0), "", Revision(0), Revision(0), 0))

    async def get(self, _: DocumentId) -> WorkingDocument:
        return self.working

    def drop(self, _: DocumentId) -> None:
        self.is_dropped = True


class NothingAside:
    """Nothing was far behind; what is to come again apart is kept."""

    def __init__(self) -> None:
        self.again: list[Addressed] = []

    async def add_apart(self, _: Shard, submissions: list[Addressed]) -> None:
        self.again += submissions

    add_again = add_apart

    def begun(self, _: DocumentId, submission: Submission) -> Rebase:
        return Rebase.begin(submission)

    def deciding(self, _: DocumentId, __: Rebase) -> AbstractAsyncContextManager[None]:
        return nullcontext()


def _decider(documents: OneDocument, aside: NothingAside | None = None) -> BatchDecider:
    key = ChainKey.derive(b"secret")
    no_yjs = YjsDecider(key, cast("Bridging", None), cast("LargeUpdates", None), cast("Orders", None), 6)
    return BatchDecider(
        cast("WorkingDocuments", documents), key, cast("Aside", aside or NothingAside()), no_yjs
    )


def _submission(client: str, delta: Delta, *, epoch: int = 1, base: int = 0) -> Submission:
    return Submission(ClientId(client), ClientSequence(1), AuthorId("ada"), epoch, Revision(base), delta)


def _entry(number: int, submission: Submission) -> Entry:
    fields: Any = {b"submissions": encode_submissions([Addressed(DOCUMENT, submission)])}
    return Entry(f"{number}-0", number, fields)


async def test_rejected_submission_is_not_committed_when_it_comes_again() -> None:
    """Its author was told that it never will be, and may have submitted the same text under another client id."""
    decider = _decider(OneDocument())
    late = _submission("late", Delta().insert("xyz"))
    room = _submission("other", Delta().delete(5))
    entries = [_entry(1, late), _entry(2, room), _entry(3, late)]
    batch = await decider.decide(Shard(0), "0-0", entries)
    (write,) = batch.documents
    rejected = [event.code for event in decode_events(write.message) if isinstance(event, Rejected)]
    assert rejected == ["document-too-large", "sequence"]
    assert len(write.commits) == 1


async def test_submission_of_another_epoch_is_to_be_sent_again_in_this_one() -> None:
    """A new epoch began while it waited, and it was sent again: refused for good, it would be there twice."""
    documents = OneDocument()
    decider = _decider(documents)
    old, same = (_submission("late", Delta().insert("x"), epoch=epoch) for epoch in (7, 1))
    batch = await decider.decide(Shard(0), "0-0", [_entry(1, old), _entry(2, same)])
    (write,) = batch.documents
    rejected = [event for event in decode_events(write.message) if isinstance(event, Rejected)]
    assert [(event.code, event.definite, event.retryable) for event in rejected] == [
        ("unavailable", False, True)
    ]
    assert len(write.commits) == 1
    assert documents.is_dropped  # the epoch may be one that this memory does not know of yet


async def test_base_above_the_head_is_taken_for_a_loss_of_our_own() -> None:
    """A gateway lets nobody submit on what it did not tell, so it was told: wait, and ask who has it."""
    documents = OneDocument()
    decider = _decider(documents)
    batch = await decider.decide(
        Shard(0), "0-0", [_entry(1, _submission("ahead", Delta().insert("x"), base=3))]
    )
    head, rejected = decode_events(batch.documents[0].message)
    assert head == HeadAt(1, Revision(0), "")
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.definite, rejected.retryable) == ("unavailable", False, True)
    assert documents.is_dropped


async def test_batch_ends_where_its_time_is_up() -> None:
    """However many entries wait: what is decided is written, and the next batch begins behind it."""
    documents = OneDocument()
    entries = [
        _entry(number, _submission(f"client-{number}", Delta().delete(1), base=0)) for number in (1, 2, 3)
    ]
    batch = await _decider(documents).decide(Shard(0), "0-0", entries, until=0.0)
    assert batch.new_cursor == "1-0"
    assert [len(write.commits) for write in batch.documents] == [1]


async def test_batch_ends_within_an_entry_and_the_rest_comes_again() -> None:
    """An entry holds what hundreds of clients submitted in one turn of a gateway."""
    documents, aside = OneDocument(), NothingAside()
    waits = [Addressed(DOCUMENT, _submission(f"client-{number}", Delta().delete(1))) for number in (1, 2, 3)]
    fields: Any = {b"submissions": encode_submissions(waits)}
    batch = await _decider(documents, aside).decide(Shard(0), "0-0", [Entry("1-0", 1, fields)], until=0.0)
    assert batch.new_cursor == "1-0"
    assert [len(write.commits) for write in batch.documents] == [1]
    assert aside.again == waits[1:]


async def test_heavy_edit_is_decided_as_any_other_is() -> None:
    documents = OneDocument()
    long = _submission("writer", Delta().retain(5, {"note": "x" * HEAVY_WEIGHT}))
    heavy, light = (_decider(documents) for _ in range(2))
    batches = [
        await heavy.decide(Shard(0), "0-0", [_entry(1, long)]),
        await light.decide(Shard(0), "1-0", [_entry(2, _submission("other", Delta().insert("f")))]),
    ]
    assert [len(batch.documents[0].commits) for batch in batches] == [1, 1]
    assert documents.working.authority.head == 2


async def test_submissions_of_one_entry_are_not_blamed_for_one_another() -> None:
    """One of them ended whoever decided the entry: each comes again alone, and only that one is refused at last."""
    aside, documents = NothingAside(), OneDocument()
    decider = _decider(documents, aside)
    both = [Addressed(DOCUMENT, _submission(client, Delta().insert("f"))) for client in ("one", "other")]
    fields: Any = {b"submissions": encode_submissions(both)}
    batch = await decider.decide_apart(Shard(0), "0-0", Entry("1-0", 1, fields))
    assert (batch.new_cursor, list(batch.documents), list(batch.refused)) == ("1-0", [], [])
    assert aside.again == both
    alone = await decider.decide_apart(Shard(0), "1-0", _entry(2, _submission("one", Delta().insert("f"))))
    assert len(alone.documents[0].commits) == 1


async def test_of_exact_submissions_in_a_batch_one_is_committed() -> None:
    """Whether they come in one entry or in several; the others are told, and so is the same one when it comes again."""
    decider = _decider(OneDocument())
    wanted = [
        replace(_submission(f"client-{number}", Delta().delete(1)), is_exact=True) for number in range(4)
    ]
    together: Any = {b"submissions": encode_submissions([Addressed(DOCUMENT, one) for one in wanted[:2]])}
    entries = [Entry("1-0", 1, together), _entry(2, wanted[2]), _entry(3, wanted[3]), _entry(4, wanted[0])]
    batch = await decider.decide(Shard(0), "0-0", entries)
    (write,) = batch.documents
    events = decode_events(write.message)
    rejected = [(event.client_id, event.code) for event in events if isinstance(event, Rejected)]
    assert rejected == [(one.client_id, "precondition-failed") for one in wanted[1:]]
    assert [event.revision for event in events if isinstance(event, Repeated)] == [1]
    assert len(write.commits) == 1
    assert write.ended == (), "who was too late is no offender, and takes nobody's place among them"


async def test_commit_has_the_metadata_of_its_submission() -> None:
    said = (("model", "m-1"),)
    wish = _submission(naming(ClientId("k" * 20), said), Delta().delete(1))
    batch = await _decider(OneDocument()).decide(Shard(0), "0-0", [_entry(1, replace(wish, metadata=said))])
    (write,) = batch.documents
    assert [decode_commit(packed).metadata for packed in write.commits] == [said]


async def test_earlier_version_puts_off_what_it_would_pass_over() -> None:
    """It reads the fields that it knows: by those what is exact, or has metadata, is of an epoch that never was."""
    said = (("model", "m-1"),)
    named = _submission(naming(ClientId("k" * 20), said), Delta().insert("x"))
    for wish in (
        replace(_submission("exact", Delta().insert("x")), is_exact=True),
        replace(named, metadata=said),
    ):
        (fields,) = msgpack.unpackb(encode_submissions([Addressed(DOCUMENT, wish)]))
        known = {name: fields[name] for name in _KNOWN_TO_FORMAT_1 if name in fields}
        entry: Any = Entry("1-0", 1, {b"submissions": msgpack.packb([known])})
        batch = await _decider(OneDocument()).decide(Shard(0), "0-0", [entry])
        (write,) = batch.documents
        rejected = [event for event in decode_events(write.message) if isinstance(event, Rejected)]
        assert [(event.code, event.retryable) for event in rejected] == [("unavailable", True)]
        assert not write.commits


_KNOWN_TO_FORMAT_1 = (
    *("document", "client_id", "client_sequence", "author", "epoch", "traceparent"),
    *("base_revision", "delta", "caret"),
)
