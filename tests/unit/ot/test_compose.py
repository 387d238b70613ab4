import pytest

from coedit.errors import SplitSurrogateError
from coedit.ot import compose
from coedit.testing.notation import delta


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("", "", ""),
        ("+a", "+b", "+ba"),
        ("+abc", "=1 +x", "+axbc"),
        ("+abc", "=1 -1", "+ac"),
        ("+a|x +b +c|x", "=1 -1", "+ac|x"),
        ("+ab", "=1 =1|x", "+a +b|x"),
        ("+a|x", "=1|-x", "+a"),
        ("=1|x", "=1|-x", "=1|-x"),
        ("=1|c:red", "=1|c:blue|b", "=1|c:blue|b"),
        ("-2", "=1 -1", "-2 =1 -1"),
        ("-2", "-1", "-3"),
        ("-2", "+x", "+x -2"),
        ("=3 +a", "-4", "-3"),
        ("+ab", "=9|x", "+ab|x =7|x"),
        ("+ab", "=5 +c", "+ab =3 +c"),
        ("+[e]", "=1|w:9", "+[e]|w:9"),
        ("=2 +ab -1", "=4 +c", "=2 +abc -1"),
        ("+ab +c|x -1", "=3 +d|x", "+ab +cd|x -1"),
        ("=1 +😀", "=1 -2", ""),
    ],
)
def test_compose(first: str, second: str, both: str) -> None:
    assert compose(delta(first), delta(second)) == delta(both)


@pytest.mark.parametrize("second", ["=2 -1", "=2 +x", "=2|x", "=1 -1"])
def test_cutting_a_pair_of_the_first_is_refused(second: str) -> None:
    with pytest.raises(SplitSurrogateError):
        compose(delta("+a😀b"), delta(second))


def test_retain_that_is_only_remembered_does_not_come_back() -> None:
    assert compose(delta(""), delta("+a").retain(3)).insert("b") == delta("+ab")
    assert compose(delta("+a").retain(3), delta("")).insert("b") == delta("+ab")
