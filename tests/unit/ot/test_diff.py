from time import process_time

import pytest

from coedit.errors import InvalidDeltaError
from coedit.ot import Delta, apply, diff
from coedit.ot.parts.ops import Insert
from coedit.testing.notation import delta


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("+abc", "+abc", ""),
        ("+a", "+ab", "=1 +b"),
        ("+ab", "+b", "-1"),
        ("+ab|x", "+ab", "=2|-x"),
        ("+abc", "+a +b|x +c", "=1 =1|x"),
        ("+[e]", "+[e]", ""),
        ("+[e]", "+[f]", "+[f] -1"),
        ("+[e]", "+\ufffc", "+\ufffc -1"),
        ("+[e]", "+[e]|w:1", "=1|w:1"),
        ("+😀", "+😁", "+😁 -2"),
        ("+a😀b", "+a😀😀b", "=3 +😀"),
    ],
)
def test_diff(before: str, after: str, change: str) -> None:
    assert diff(delta(before), delta(after)) == delta(change)


def test_different_embeds_with_one_stand_in_are_told_apart() -> None:
    before = Delta([Insert({"n": n}) for n in range(1025)])
    after = Delta([Insert({"n": n}) for n in (1024, *range(1, 1024), 0)])
    assert apply(before, diff(before, after)) == after


def test_law_holds_without_time_to_search() -> None:
    before, after = Delta().insert("ab😀" * 3000), Delta().insert("b😁a" * 3000)
    assert apply(before, diff(before, after, budget_seconds=0.001)) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a" * 100_000 + "b", "x" + "a" * 100_000 + "d"),
        ("x" + "a" * 100_000 + "y", "z" + "a" * 50_000 + "w"),
        ("ab" * 50_000 + "x", "c" + "ab" * 50_000 + "ba"),
        ("\n" * 100_000, "a\n" * 50_000),
    ],
)
def test_search_in_large_documents_ends_with_its_budget(before: str, after: str) -> None:
    """Repetitions made the search for a common middle, which looks at no clock, take five seconds."""
    old, new = Delta().insert(before), Delta().insert(after)
    started = process_time()
    found = diff(old, new, budget_seconds=0.2)
    assert process_time() - started < 2
    assert apply(old, found) == new


def test_only_documents_differ() -> None:
    for before, after in (("=1|x", "+a"), ("+a", "-1")):
        with pytest.raises(InvalidDeltaError):
            diff(delta(before), delta(after))
