"""The laws of blame and of taking back, on histories in which every character is the only one of its kind."""

import random
from itertools import count, pairwise

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from coedit.errors import LengthMismatchError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision
from coedit.ot import Delete, Delta, Retain, apply
from coedit.ot.commit import Commit
from coedit.ot.past.blame import Blame, Run
from coedit.ot.past.retract import Retraction, Selection
from coedit.testing.strategies import deltas
from tests.laws import SEED, costly_law

ADA, BOB = AuthorId("ada"), AuthorId("bob")
_SHAPES = st.lists(
    st.tuples(st.sampled_from([ADA, BOB]), st.sampled_from("iidf"), st.integers(0, 50), st.integers(1, 4)),
    max_size=14,
)


def commit(revision: int, author: AuthorId, delta: Delta) -> Commit:
    number = ClientSequence(revision)
    return Commit(Revision(revision), delta, author, ClientId(author), number, at=revision, epoch=1)


def naive(commits: list[Commit]) -> list[tuple[AuthorId, Revision]]:
    """Return who wrote each unit, by doing to a list of units what the commits do to the text."""
    units: list[tuple[AuthorId, Revision]] = []
    for made in commits:
        at = 0
        for op in made.delta.ops:
            if isinstance(op, Retain):
                at += op.length
            elif isinstance(op, Delete):
                del units[at : at + op.length]
            else:
                size = len(op.content) if isinstance(op.content, str) else 1
                units[at:at] = [(made.author, made.revision)] * size
                at += size
    return units


def units(runs: list[Run]) -> list[tuple[AuthorId, Revision]]:
    return [(run.author, run.revision) for run in runs for _ in range(run.length)]


@costly_law
@given(st.data(), st.integers(0, 12))
def test_blame_is_what_tracking_each_unit_says(data: st.DataObject, length: int) -> None:
    document, commits = Delta(), list[Commit]()
    blame = Blame()
    for revision in range(1, length + 1):
        delta = data.draw(deltas(document))
        author = data.draw(st.sampled_from([ADA, BOB]))
        commits.append(commit(revision, author, delta))
        document = apply(document, delta)
        blame.take(delta, author, Revision(revision))
    runs = blame.runs()
    assert units(runs) == naive(commits)
    assert sum(run.length for run in runs) == document.document_length
    assert all(one[:2] != two[:2] for one, two in pairwise(runs))


def test_blame_of_a_long_history_in_many_blocks_is_the_same() -> None:
    rng = random.Random(SEED)
    print("seed", SEED)
    commits: list[Commit] = []
    blame, length = Blame(), 0
    for revision in range(1, 6001):
        at = rng.randint(0, length)
        if rng.random() < 0.2 and length > at:
            size = rng.choice([1, 1, 2, 700])
            delta = Delta().retain(at).delete(min(size, length - at))
        else:
            delta = Delta().retain(at).insert("x" * rng.randint(1, 3))
        length += delta.target_length - delta.base_length
        commits.append(commit(revision, rng.choice([ADA, BOB]), delta))
        blame.take(delta, commits[-1].author, commits[-1].revision)
    assert units(blame.runs()) == naive(commits)


@pytest.mark.parametrize(
    "delta", [Delta().retain(2).insert("x"), Delta().delete(2), Delta().retain(2, {"b": 1})]
)
def test_blame_refuses_what_reaches_past_the_end(delta: Delta) -> None:
    blame = Blame()
    blame.take(Delta().insert("a"), ADA, Revision(1))
    with pytest.raises(LengthMismatchError):
        blame.take(delta, ADA, Revision(2))


@costly_law
@given(_SHAPES)
def test_taking_back_an_author_removes_all_of_theirs_and_nothing_of_others(
    shapes: list[tuple[AuthorId, str, int, int]],
) -> None:
    history = _History()
    for shape in shapes:
        history.make(*shape)
    retraction = Retraction(Delta(), Selection(author=ADA))
    for made in history.commits:
        retraction.take(made)
    assert retraction.document == history.document
    undone = apply(history.document, retraction.delta)
    assert len(set(undone.text)) == len(undone.text)
    assert set(undone.text) == history.of(BOB) - history.deleted_by(BOB)
    kept = [unit for unit in history.document.text if unit in history.of(BOB)]
    assert [unit for unit in undone.text if unit in kept] == kept
    event(f"taken back: {retraction.count > 0}")


@costly_law
@given(_SHAPES)
def test_taking_back_everything_leaves_what_was_there_before(
    shapes: list[tuple[AuthorId, str, int, int]],
) -> None:
    history = _History()
    for shape in shapes:
        history.make(*shape)
    retraction = Retraction(Delta(), Selection())
    for made in history.commits:
        retraction.take(made)
    assert apply(history.document, retraction.delta) == Delta()
    assert retraction.count == len(history.commits)


@costly_law
@given(_SHAPES, st.integers(0, 14))
def test_taking_back_the_newest_range_is_the_document_before_it(
    shapes: list[tuple[AuthorId, str, int, int]], cut: int
) -> None:
    """From any revision on, and starting from the document there: what a time range without an end does."""
    history = _History()
    states = [Delta()]
    for shape in shapes:
        history.make(*shape)
        states.append(history.document)
    cut = min(cut, len(history.commits))
    retraction = Retraction(states[cut], Selection(since=cut + 1))
    for made in history.commits[cut:]:
        retraction.take(made)
    assert apply(history.document, retraction.delta) == states[cut]


@costly_law
@given(_SHAPES)
def test_taking_back_oneself_twice_takes_back_nothing_more(
    shapes: list[tuple[AuthorId, str, int, int]],
) -> None:
    history = _History()
    for shape in shapes:
        history.make(*shape)
    retraction = Retraction(Delta(), Selection(author=ADA))
    for made in history.commits:
        retraction.take(made)
    retraction.take(commit(len(history.commits) + 1, ADA, retraction.delta))
    assert retraction.delta == Delta()


def test_format_of_others_is_not_taken_back() -> None:
    retraction = Retraction(Delta(), Selection(author=ADA))
    retraction.take(commit(1, BOB, Delta().insert("text")))
    retraction.take(commit(2, ADA, Delta().retain(4, {"bold": True, "size": 2})))
    retraction.take(commit(3, BOB, Delta().retain(2, {"bold": 1})))
    after = apply(retraction.document, retraction.delta)
    assert after == Delta().insert("te", {"bold": 1}).insert("xt")


class _History:
    """Commits of two authors; every character that is inserted is the only one of its kind."""

    def __init__(self) -> None:
        self.document = Delta()
        self.commits: list[Commit] = []
        self._fresh = map(chr, count(0x4E00))
        self._author: dict[str, AuthorId] = {}
        self._deleted: dict[str, AuthorId] = {}

    def make(self, author: AuthorId, kind: str, place: int, size: int) -> None:
        length = self.document.document_length
        at = place % (length + 1)
        end = min(length, at + size)
        delta = Delta().retain(at)
        if kind == "i" or end == at:
            text = "".join(next(self._fresh) for _ in range(size))
            self._author |= dict.fromkeys(text, author)
            delta = delta.insert(text)
        elif kind == "d":
            self._deleted |= dict.fromkeys(self.document.text[at:end], author)
            delta = delta.delete(end - at)
        else:
            delta = delta.retain(end - at, {"bold": size})
        self.document = apply(self.document, delta)
        self.commits.append(commit(len(self.commits) + 1, author, delta))

    def of(self, author: AuthorId) -> set[str]:
        return {unit for unit, by in self._author.items() if by == author}

    def deleted_by(self, author: AuthorId) -> set[str]:
        return {unit for unit, by in self._deleted.items() if by == author}
