import pytest

from coedit.errors import InvalidDeltaError, LengthMismatchError, SplitSurrogateError
from coedit.ot import invert
from coedit.testing.notation import delta


@pytest.mark.parametrize(
    ("change", "base", "undo"),
    [
        ("", "+a", ""),
        ("=1 +xy", "+ab", "=1 -2"),
        ("=1 -2", "+ab|x +[e]|w:1 +c", "=1 +b|x +[e]|w:1"),
        ("+x -1", "+ab", "+a -1"),
        ("=2|x", "+a +b|x +c", "=1|-x"),
        ("=2|-x", "+ab|x", "=2|x"),
        ("=1|c:red", "+a|c:blue", "=1|c:blue"),
        ("=2 +x =1|b", "+abc", "=2 -1 =1|-b"),
    ],
)
def test_invert(change: str, base: str, undo: str) -> None:
    assert invert(delta(change), delta(base)) == delta(undo)


@pytest.mark.parametrize(
    ("change", "base", "error"),
    [
        ("-3", "+ab", LengthMismatchError),
        ("=3 +x", "+ab", LengthMismatchError),
        ("-1", "+😀", SplitSurrogateError),
        ("=1 +x", "+😀", SplitSurrogateError),
        ("+x", "=1|x", InvalidDeltaError),
    ],
)
def test_change_that_does_not_fit_is_refused(change: str, base: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        invert(delta(change), delta(base))
