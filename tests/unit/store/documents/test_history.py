"""The past of a document, part of which is in the log and part in the archive."""

import threading
from dataclasses import replace
from typing import Any, cast

import pytest

from coedit.crdt.document import YjsDocument
from coedit.errors import DamagedError, FutureRevisionError, RevisionTooOldError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta, apply
from coedit.ot.commit import Commit
from coedit.ot.past.retract import Selection
from coedit.protocol.log_entry import ChainKey, encode_commit
from coedit.store.documents import history as module
from coedit.store.documents.history import History
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.documents.reader import DocumentReader
from coedit.store.objects.archive import Archive
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.rendered import Rendered
from coedit.store.objects.snapshots import Snapshot, Snapshots

DOCUMENT = DocumentId("a/b")
KEY = ChainKey.derive(b"a secret for tests only")


class Kept:
    """A document that two wrote: ``floor`` revisions are in the archive alone, the others in the log."""

    def __init__(self, count: int, floor: int) -> None:
        objects = open_object_store("memory://")
        self.snapshots, self.archive = Snapshots(objects), Archive(objects)
        self.entries: list[bytes] = []
        self.commits: list[Commit] = []
        self.states = [Delta()]
        self.floor = floor
        for revision in range(1, count + 1):
            self._commit(revision)
        log = cast("DocumentLog", self)
        self.history = History(log, DocumentReader(log, self.snapshots, self.archive), self.snapshots)

    def _commit(self, revision: int) -> None:
        author = "ada" if revision % 10 < 7 else "bob"
        delta = (
            Delta().retain(min(revision % 4, self.states[-1].document_length)).insert("x" * (revision % 3))
        )
        number = ClientSequence(revision)
        bare = Commit(
            Revision(revision), delta, AuthorId(author), ClientId(author), number, revision * 1000, 1
        )
        self.commits.append(KEY.seal(DOCUMENT, bare, self.commits[-1].mac if self.commits else ""))
        self.entries.append(encode_commit(self.commits[-1]))
        self.states.append(apply(self.states[-1], delta))

    async def archived(self, segment: int = 700) -> "Kept":
        for first in range(1, self.floor + 1, segment):
            last = min(self.floor, first + segment - 1)
            await self.archive.store(DOCUMENT, Revision(first), self.entries[first - 1 : last])
        return self

    async def snapshot(self, number: int, revision: int) -> None:
        state, mac = self.states[revision], self.commits[revision - 1].mac
        yjs = YjsDocument(DOCUMENT)
        yjs.fold(state)
        vector, update = yjs.state_vector(), yjs.update()
        snapshot = Snapshot(DOCUMENT, number, Revision(revision), 1, mac, vector, update, Rendered(state))
        assert await self.snapshots.create(snapshot)

    async def position(self, _: DocumentId) -> Position | None:
        head, floor = Revision(len(self.commits)), Revision(self.floor)
        return Position(1, head, self.commits[-1].mac, floor, floor, 0)

    async def read(self, _: DocumentId, first: int, last: int) -> list[bytes]:
        return self.entries[max(first, self.floor + 1) - 1 : last]


@pytest.mark.parametrize("revision", [0, 1, 69, 700, 701, 1499, 1500, 1501, 2000])
async def test_document_at_a_revision_is_what_it_was(revision: int) -> None:
    kept = await Kept(2000, 1500).archived()
    past = await kept.history.at(DOCUMENT, revision)
    assert (past.revision, past.document) == (revision, kept.states[revision])
    if revision:
        commit = kept.commits[revision - 1]
        assert (past.mac, past.author, past.at) == (commit.mac, commit.author, commit.at)


async def test_document_begins_with_the_newest_snapshot_that_is_not_above() -> None:
    kept = Kept(300, 250)
    await kept.snapshot(1, 100)
    await kept.snapshot(2, 200)
    await kept.snapshot(3, 280)
    await kept.archive.store(DOCUMENT, Revision(200), kept.entries[199:250])  # below it nothing is kept
    for revision in (200, 230, 279, 300):
        assert (await kept.history.at(DOCUMENT, revision)).document == kept.states[revision]
    with pytest.raises(RevisionTooOldError):
        await kept.history.at(DOCUMENT, 150)


async def test_snapshot_that_is_damaged_is_passed_over() -> None:
    kept = await Kept(300, 250).archived()
    await kept.snapshot(1, 100)
    objects = kept.snapshots._objects
    assert await objects.create("a%2Fb/snapshot/000000000002", b"nothing")
    assert (await kept.history.at(DOCUMENT, 300)).document == kept.states[300]


async def test_revision_above_the_head_is_refused() -> None:
    kept = Kept(3, 0)
    for ask in (kept.history.at, kept.history.blame):
        with pytest.raises(FutureRevisionError):
            await ask(DOCUMENT, 4)


@pytest.mark.parametrize(
    ("at", "revision"), [(0, 0), (999, 0), (1000, 1), (1_234_999, 1234), (9_999_999, 2000)]
)
async def test_revision_at_a_time_is_the_newest_before_it(at: int, revision: int) -> None:
    kept = await Kept(2000, 1500).archived()
    assert await kept.history.revision_at(DOCUMENT, at) == revision


async def test_changes_come_in_pages_that_fit_together() -> None:
    kept = await Kept(2000, 1500).archived()
    seen: list[Any] = []
    before: int | None = 2001
    while before is not None:
        listed = await kept.history.changes(DOCUMENT, before, 7, 1000)
        assert len(listed.changes) <= 7
        seen += listed.changes
        before = listed.before
    assert [change.last for change in seen] == [2000, *(change.first - 1 for change in seen[:-1])]
    assert seen[-1].first == 1
    assert [(change.first, change.last, change.author) for change in seen[:3]] == [
        (2000, 2000, "ada"),
        (1997, 1999, "bob"),
        (1990, 1996, "ada"),
    ]
    assert sum(change.inserted for change in seen) == kept.states[-1].document_length


async def test_change_that_goes_on_for_ever_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LISTED", 100)
    kept = Kept(1000, 0)
    for commit in kept.commits:
        object.__setattr__(commit, "author", "ada")
    kept.entries = [encode_commit(commit) for commit in kept.commits]
    first = await kept.history.changes(DOCUMENT, 1001, 5, 10_000)
    assert len(first.changes) == 1
    assert first.before is not None
    assert first.before <= 1001 - 100
    assert first.changes[0].first == first.before


async def test_blame_is_read_through_archive_and_log() -> None:
    kept = await Kept(2000, 1500).archived()
    runs = await kept.history.blame(DOCUMENT, 1800)
    assert sum(run.length for run in runs) == kept.states[1800].document_length
    assert all(kept.commits[run.revision - 1].author == run.author for run in runs)


async def test_taking_back_a_time_range_begins_where_it_begins() -> None:
    kept = await Kept(2000, 1500).archived()
    everything = await kept.history.retraction(DOCUMENT, 2000, Selection(since=1_900_000))
    assert everything.count == 101
    assert apply(kept.states[2000], everything.delta) == kept.states[1899]
    one = await kept.history.retraction(DOCUMENT, 2000, Selection(AuthorId("bob"), since=1_990_000))
    assert one.count == 3
    assert one.document == kept.states[2000]


async def test_long_replay_runs_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()

    def spy(document: Delta, delta: Delta) -> Delta:
        threads.add(threading.get_ident())
        return apply(document, delta)

    monkeypatch.setattr(module, "apply", spy)
    kept = await Kept(100, 0).archived()
    await kept.history.at(DOCUMENT, 100)
    assert threads
    assert threading.get_ident() not in threads


async def test_damage_is_named() -> None:
    kept = Kept(100, 0)
    kept.entries[49] = b"\x00"
    for ask in (kept.history.at, kept.history.blame):
        with pytest.raises(DamagedError):
            await ask(DOCUMENT, 100)


async def test_what_cannot_be_checked_is_told_and_what_does_not_follow_is_not_served() -> None:
    kept = await Kept(30, 10).archived()
    told: set[int] = set()
    log, later = cast("DocumentLog", kept), ChainKey.derive(b"another", [])
    for key, expected in ((KEY, set[int]()), (later, set(range(1, 31)))):
        reader = DocumentReader(
            log, kept.snapshots, kept.archive, key, lambda _, revisions: told.update(revisions)
        )
        history = History(log, reader, kept.snapshots)
        for ask in (history.at, history.blame):
            told.clear()
            await ask(DOCUMENT, 30)
            assert told == expected
        told.clear()
        await history.changes(DOCUMENT, 31, 100, 0)
        assert told == expected
    forged = replace(kept.commits[19], author=AuthorId("eve"))
    kept.entries[19] = encode_commit(forged)
    reader = DocumentReader(log, kept.snapshots, kept.archive, KEY)
    history = History(log, reader, kept.snapshots)
    for ask in (history.at, history.blame):
        with pytest.raises(DamagedError, match="revision 20"):
            await ask(DOCUMENT, 30)
    with pytest.raises(DamagedError, match="revision 20"):
        await history.changes(DOCUMENT, 21, 10, 0)
    assert (await history.at(DOCUMENT, 19)).document == kept.states[19]
