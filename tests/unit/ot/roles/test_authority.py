from dataclasses import replace

import pytest

from coedit.errors import (
    DivergedError,
    DocumentTooLargeError,
    FutureRevisionError,
    LengthMismatchError,
    PreconditionError,
    SequenceError,
    SplitSurrogateError,
)
from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision
from coedit.ot import Delta
from coedit.ot.commit import Caret, Commit, Submission
from coedit.ot.parts.ops import Insert, Retain
from coedit.ot.roles.authority import Accepted, AlreadyCommitted, Authority
from coedit.ot.roles.rebase import Rebase


def _authority(text: str = "", *, max_units: int = 1000) -> Authority:
    return Authority(1, Revision(0), "", Delta().insert(text), max_units=max_units)


def _submission(
    delta: Delta,
    *,
    client: str = "a",
    sequence: int = 1,
    base: int = 0,
    caret: Caret | None = None,
    epoch: int = 1,
) -> Submission:
    return Submission(
        ClientId(client), ClientSequence(sequence), AuthorId("ada"), epoch, Revision(base), delta, caret
    )


def _submit(authority: Authority, submission: Submission) -> Accepted | AlreadyCommitted:
    """Decide as a transformer does, and append what was accepted."""
    history = authority.since(submission.base_revision)
    decision = authority.decide(submission, history or [])
    if isinstance(decision, Accepted):
        commit = Commit(
            Revision(authority.head + 1),
            decision.delta,
            submission.author,
            submission.client_id,
            submission.client_sequence,
            at=0,
            epoch=authority.epoch,
            caret=decision.caret,
        )
        authority.append(commit, decision.document)
    return decision


def test_committed_insert_comes_first_at_one_place() -> None:
    authority = _authority("()")
    _submit(authority, _submission(Delta().retain(1).insert("first"), client="a"))
    _submit(authority, _submission(Delta().retain(1).insert("second"), client="b"))
    assert authority.document.text == "(firstsecond)"


def test_submission_is_rebased_one_by_one() -> None:
    """The smallest case in which rebasing over a composition would end elsewhere (see the README of ot)."""
    authority = _authority("d")
    _submit(authority, _submission(Delta().delete(1), client="b", sequence=1))
    _submit(authority, _submission(Delta().insert("i"), client="b", sequence=2, base=1))
    _submit(authority, _submission(Delta().retain(1).insert("mt"), client="a", sequence=1, base=0))
    assert authority.document.text == "imt"


def test_resent_submission_is_a_repeat_wherever_its_base_is_now() -> None:
    authority = _authority("x")
    _submit(authority, _submission(Delta().insert("other"), client="b"))
    mine = _submission(Delta().insert("mine"))
    _submit(authority, mine)
    assert _submit(authority, mine) == AlreadyCommitted(Revision(2))
    rebased = _submission(Delta().retain(5).insert("mine"), base=1)
    assert _submit(authority, rebased) == AlreadyCommitted(Revision(2))
    assert authority.head == 2


def test_submission_rebased_to_nothing_still_makes_a_revision() -> None:
    authority = _authority("x")
    _submit(authority, _submission(Delta().delete(1), client="a"))
    decision = _submit(authority, _submission(Delta().delete(1), client="b"))
    assert isinstance(decision, Accepted)
    assert (decision.delta, authority.head) == (Delta(), 2)


@pytest.mark.parametrize("sequence", [3, 1])
def test_sequence_must_follow_the_last_one(sequence: int) -> None:
    authority = _authority()
    _submit(authority, _submission(Delta().insert("x")))
    with pytest.raises(SequenceError):
        _submit(authority, _submission(Delta().insert("y"), sequence=sequence, base=1))


def test_sequence_that_comes_back_late_is_refused() -> None:
    authority = _authority()
    _submit(authority, _submission(Delta().insert("x"), sequence=5))
    with pytest.raises(SequenceError):
        _submit(authority, _submission(Delta().insert("y"), sequence=4))


@pytest.mark.parametrize(
    ("submission", "error"),
    [
        (_submission(Delta().retain(4).insert("x")), LengthMismatchError),
        (_submission(Delta().delete(4)), LengthMismatchError),
        (_submission(Delta().retain(1).insert("x")), SplitSurrogateError),
        (_submission(Delta().insert("x"), base=2), FutureRevisionError),
        (_submission(Delta().insert("x"), epoch=2), DivergedError),
        (_submission(Delta().insert("x" * 8)), DocumentTooLargeError),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_submission_that_does_not_fit_is_refused_and_changes_nothing(
    submission: Submission, error: type[Exception]
) -> None:
    authority = _authority("😀.", max_units=10)
    with pytest.raises(error):
        _submit(authority, submission)
    assert (authority.head, authority.document.text) == (0, "😀.")


def test_delta_too_long_for_its_base_is_refused_though_it_would_fit_at_the_head() -> None:
    authority = _authority("ab")
    _submit(authority, _submission(Delta().retain(2).insert("much longer now"), client="b"))
    with pytest.raises(LengthMismatchError):
        _submit(authority, _submission(Delta().retain(3).insert("x")))


def test_caret_is_rebased_with_its_delta() -> None:
    authority = _authority("ab")
    _submit(authority, _submission(Delta().insert("__"), client="b"))
    decision = _submit(authority, _submission(Delta().retain(1).insert("x"), caret=Caret(2, 2)))
    assert isinstance(decision, Accepted)
    assert decision.caret == Caret(4, 4)


def test_caret_behind_the_end_is_left_out_and_its_edit_is_kept() -> None:
    authority = _authority("ab")
    decision = _submit(authority, _submission(Delta().insert("x"), caret=Caret(0, 5)))
    assert isinstance(decision, Accepted)
    assert (decision.caret, authority.document.text) == (None, "xab")


def test_history_that_is_not_kept_is_asked_for() -> None:
    authority = Authority(1, Revision(10), "mac", Delta(), max_units=10)
    assert authority.since(Revision(9)) is None
    assert authority.since(Revision(10)) == []


def test_rejected_submission_that_comes_again_is_not_committed() -> None:
    """It was sent twice, refused, and its author told that it never will be: there may be room for it by now."""
    authority = _authority("", max_units=5)
    late = _submission(Delta().insert("abcdef"))
    with pytest.raises(DocumentTooLargeError):
        _submit(authority, late)
    authority.end(late.client_id)
    authority._max_units = 10
    with pytest.raises(SequenceError):
        _submit(authority, late)


def test_repeat_of_what_was_committed_before_a_rejection_is_still_known() -> None:
    authority = _authority()
    first = _submission(Delta().insert("a"))
    _submit(authority, first)
    authority.end(first.client_id)
    assert _submit(authority, first) == AlreadyCommitted(Revision(1))


def test_embeds_and_formats_count_for_how_large_a_document_may_be() -> None:
    """Each is one unit or none, whatever it holds: a thousand of some megabytes would fit into any bound of units."""
    authority = _authority()
    image = Delta().insert({"image": "x" * 400_000})
    for sequence in (1, 2):
        _submit(authority, _submission(image, sequence=sequence, base=sequence - 1))
    note = Delta().retain(1, {"note": "y" * 400_000})
    for more in (image, note):
        with pytest.raises(DocumentTooLargeError):
            _submit(authority, _submission(more, sequence=3, base=2))
    # What was taken away counts no more.
    _submit(authority, _submission(Delta().delete(1), sequence=3, base=2))
    _submit(authority, _submission(image, sequence=4, base=3))
    assert authority.document.document_length == 2


_LETTERS = 1000
_NOTE = {"note": "y" * 10_000}


def _of_runs() -> Authority:
    runs = Delta([Insert("x", {"bold": True} if index % 2 else None) for index in range(_LETTERS)])
    return Authority(1, Revision(0), "", runs, max_units=10 * _LETTERS)


def test_format_of_many_runs_counts_for_each_of_them() -> None:
    """Ten kilobytes, said once, are ten megabytes in the document, and would be gigabytes in a larger one."""
    authority = _of_runs()
    with pytest.raises(DocumentTooLargeError):
        _submit(authority, _submission(Delta().retain(_LETTERS, _NOTE)))
    _submit(authority, _submission(Delta().retain(50, _NOTE)))
    assert authority.head == 1


def test_runs_that_are_cut_repeat_their_format() -> None:
    authority = _authority("x" * _LETTERS, max_units=2 * _LETTERS)
    _submit(authority, _submission(Delta().retain(_LETTERS, _NOTE)))
    cuts = Delta([op for _ in range(_LETTERS // 2) for op in (Retain(1), Insert("y"))])
    with pytest.raises(DocumentTooLargeError):
        _submit(authority, _submission(cuts, sequence=2, base=1))
    few = Delta([op for _ in range(20) for op in (Retain(1), Insert("y"))])
    _submit(authority, _submission(few, sequence=2, base=1))
    assert len(authority.document.ops) == 41


def test_document_that_is_too_much_already_can_be_made_less() -> None:
    heavy = Delta([Insert("x", _NOTE | {"number": index}) for index in range(_LETTERS)])
    authority = Authority(1, Revision(0), "", heavy, max_units=_LETTERS)
    _submit(authority, _submission(Delta().delete(100)))
    _submit(authority, _submission(Delta().retain(_LETTERS - 100, {"note": None}), sequence=2, base=1))
    _submit(authority, _submission(Delta().insert("y", {"bold": True}), sequence=3, base=2))
    assert authority.head == 3


def test_exact_submission_is_committed_on_its_revision_or_not_at_all() -> None:
    authority = _authority("ab")
    exact = replace(_submission(Delta().insert("x"), client="one"), is_exact=True)
    other = replace(_submission(Delta().insert("y"), client="two"), is_exact=True)
    assert isinstance(_submit(authority, exact), Accepted)
    for _ in range(2):
        with pytest.raises(PreconditionError):
            _submit(authority, other)
    assert isinstance(_submit(authority, replace(other, base_revision=Revision(1))), Accepted)
    assert _submit(authority, exact) == AlreadyCommitted(Revision(1)), "sent again it is the same edit"
    _submit(authority, _submission(Delta().delete(1), client="three", base=2))
    assert _submit(authority, exact) == AlreadyCommitted(Revision(1))
    with pytest.raises(DivergedError):
        _submit(authority, replace(other, base_revision=Revision(3), epoch=2))


def test_exact_submission_is_carried_over_nothing_however_far_behind() -> None:
    authority = _authority("ab" * 100)
    for number in range(200):
        _submit(authority, _submission(Delta().delete(1), client=f"c{number}", base=number))
    exact = replace(_submission(Delta().insert("x"), client="one"), is_exact=True)
    rebase = Rebase.begin(exact)
    assert rebase.over(authority.since(Revision(0)) or [], max_steps=0)
    assert rebase.steps == 0
    with pytest.raises(PreconditionError):
        authority.conclude(rebase)
