import pytest

from coedit.errors import InvalidDeltaError, LengthMismatchError, SplitSurrogateError
from coedit.ot import Delta, Insert, Retain, apply
from coedit.testing.notation import delta


@pytest.mark.parametrize(
    ("document", "change", "after"),
    [
        ("", "", ""),
        ("", "+a", "+a"),
        ("+abc", "=1 +x -1", "+axc"),
        ("+abc", "=3 +x", "+abcx"),
        ("+a😀b", "=1 -2", "+ab"),
        ("+a +b|x", "=1 =1|-x", "+ab"),
        ("+a +[e] +b", "=1 -1", "+ab"),
    ],
)
def test_apply(document: str, change: str, after: str) -> None:
    result = apply(delta(document), delta(change))
    assert result == delta(after)
    assert result.document_length == delta(after).length


@pytest.mark.parametrize(
    ("document", "change", "error"),
    [
        ("", "-1", LengthMismatchError),
        ("+ab", "=3 +x", LengthMismatchError),
        ("+ab", "=2 =1|x", LengthMismatchError),
        ("+😀", "=1 +x", SplitSurrogateError),
        ("+😀", "=1 -1", SplitSurrogateError),
        ("+😀", "=1|x", SplitSurrogateError),
        ("=1|x", "+a", InvalidDeltaError),
    ],
)
def test_change_that_does_not_fit_is_refused(document: str, change: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        apply(delta(document), delta(change))


def test_many_edits_of_one_run_take_linear_time() -> None:
    """The text is joined once; joining at every edit would copy 20 GB here."""
    document = Delta().insert("x" * 400_000)
    many = Delta([Retain(4), Insert("ab")] * 50_000)
    assert apply(document, many).length == 500_000
