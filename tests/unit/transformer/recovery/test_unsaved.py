"""What a transformer keeps until a snapshot covers it, and what it lets go of."""

from dataclasses import replace

from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import ChainKey, decode_commit
from coedit.store.documents.loaded import EMPTY
from coedit.store.documents.log import Position
from coedit.store.writes.commit import DocumentWrite
from services.transformer.recovery.unsaved import Remembered, Unsaved

KEY = ChainKey.derive(b"secret")
NOTES, OTHER = DocumentId("notes"), DocumentId("other")
NOWHERE = Position(0, Revision(0), "", Revision(0), Revision(0), 0)


class Author:
    """Writes one document, as the script would store it."""

    def __init__(self, document_id: DocumentId, position: Position = NOWHERE) -> None:
        self.document_id = document_id
        self.position = position

    def write(self, *texts: str) -> DocumentWrite:
        before, entries = self.position, list[bytes]()
        for text in texts:
            head = Revision(self.position.head + 1)
            author, client = AuthorId("ada"), ClientId("c")
            commit = Commit(head, Delta().insert(text), author, client, ClientSequence(head), 1, 1)
            sealed, entry = KEY.seal_entry(self.document_id, commit, self.position.mac)
            self.position = replace(self.position, epoch=1, head=head, mac=sealed.mac)
            entries.append(entry)
        return DocumentWrite(self.document_id, before, self.position, b"", tuple(entries))


def revisions(remembered: Remembered) -> list[int]:
    """Return what is remembered, having followed the chain from where it begins."""
    before = remembered.before
    found = list[int]()
    for commit in map(decode_commit, remembered.entries):
        assert KEY.holds(remembered.document_id, commit, before)
        before = commit.mac
        found.append(commit.revision)
    assert before == remembered.stored.mac
    return found


def test_everything_is_kept_until_a_snapshot_covers_it() -> None:
    unsaved, ada = Unsaved(1 << 30), Author(NOTES)
    for _ in range(600):
        unsaved.written(ada.write("x" * 1000))
    assert revisions(unsaved.remembered()[0]) == list(range(1, 601))
    half = replace(ada.position, snapshot=Revision(300))
    assert not unsaved.covered(NOTES, half, ada.position.head)
    assert revisions(unsaved.remembered()[0]) == list(range(301, 601))
    assert not unsaved.covered(NOTES, replace(half, snapshot=Revision(600)), ada.position.head)
    assert unsaved.remembered() == []


def test_what_was_read_above_the_snapshot_is_kept_with_what_is_written_then() -> None:
    """Others wrote it, who may be gone."""
    unsaved, ada = Unsaved(1 << 30), Author(NOTES)
    before, above = ada.write(*"abc"), ada.write(*"de")
    stored = replace(ada.position, snapshot=Revision(3), number=1)
    loaded = replace(EMPTY, entries=(*before.commits, *above.commits), stored=stored)
    unsaved.read(NOTES, loaded)
    unsaved.written(ada.write("f"))
    [remembered] = unsaved.remembered()
    assert (remembered.before, revisions(remembered)) == (before.after.mac, [4, 5, 6])


def test_document_that_went_on_elsewhere_is_kept_from_there() -> None:
    unsaved, ada = Unsaved(1 << 30), Author(NOTES)
    unsaved.written(ada.write(*"abc"))
    ada.write("somebody else's")
    unsaved.written(ada.write("d"))
    assert revisions(unsaved.remembered()[0]) == [5]


def test_redis_that_is_behind_is_told_from_one_that_is_not() -> None:
    unsaved, ada = Unsaved(1 << 30), Author(NOTES)
    unsaved.written(ada.write(*"ab"))
    was_at, earlier = ada.position.head, ada.position
    unsaved.written(ada.write("c"))
    assert not unsaved.covered(NOTES, earlier, was_at), "it was written while Redis was asked"
    assert unsaved.covered(NOTES, earlier, ada.position.head)
    assert unsaved.covered(NOTES, None, ada.position.head)
    assert revisions(unsaved.remembered([NOTES])[0]) == [1, 2, 3]
    assert not unsaved.covered(NOTES, replace(earlier, epoch=2), ada.position.head), "its loss was told"
    assert unsaved.remembered() == []


def test_above_the_budget_snapshots_are_asked_for_and_then_the_oldest_entries_of_the_largest_go() -> None:
    """Bystanders, who wrote little and long ago, lose nothing by it; and how far all were is known."""
    unsaved, ada, eve = Unsaved(100_000), Author(NOTES), Author(OTHER)
    unsaved.written(eve.write("x" * 100))
    assert unsaved.pressing() == []
    while not unsaved.pressing():
        unsaved.written(ada.write("x" * 5000))
    assert unsaved.pressing() == [NOTES]
    for _ in range(20):
        unsaved.written(ada.write("x" * 5000))
    other, notes = unsaved.remembered()
    assert (other.document_id, other.stored, revisions(other)) == (OTHER, eve.position, [1])
    assert notes.stored == ada.position
    assert revisions(notes)[-1] == ada.position.head
    assert 80_000 < sum(map(len, notes.entries)) <= 100_000


def test_entry_that_is_larger_than_the_budget_costs_no_bystander_anything() -> None:
    unsaved, eve = Unsaved(100_000), Author(OTHER)
    unsaved.written(eve.write("x" * 100))
    for number in range(3):
        ada = Author(DocumentId(f"large {number}"))
        unsaved.written(ada.write("x" * 200_000))
    other, *large = unsaved.remembered()
    assert (other.document_id, revisions(other)) == (OTHER, [1])
    assert [(known.stored.head, known.entries) for known in large] == [(1, ())] * 3


def test_of_many_small_documents_those_go_that_were_written_longest_ago() -> None:
    unsaved = Unsaved(100_000)
    authors = [Author(DocumentId(f"small {number}")) for number in range(1000)]
    for author in authors:
        unsaved.written(author.write("x"))
    kept = [known.document_id for known in unsaved.remembered()]
    assert kept == [author.document_id for author in authors[-len(kept) :]]
    assert 50 < len(kept) < 200
