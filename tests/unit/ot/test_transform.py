import pytest

from coedit.ot import compose, transform
from coedit.testing.notation import delta


@pytest.mark.parametrize(
    ("first", "second", "first_after", "second_after"),
    [
        ("", "", "", ""),
        ("", "=2 +b", "", "=2 +b"),
        ("+A", "+B", "+A", "=1 +B"),
        ("=1 +A", "+B", "=2 +A", "+B"),
        ("+A", "-1", "+A", "=1 -1"),
        ("-1", "+B", "=1 -1", "+B"),
        ("-3", "=1 +B", "-1 =1 -2", "+B"),
        ("=1 -3", "=2 -4", "=1 -1", "=1 -2"),
        ("-2", "=3|x", "-2", "=1|x"),
        ("=1|c:red", "=1|c:blue|b", "=1|c:red", "=1|b"),
        ("=1|x", "=1|-x", "=1|x", ""),
        ("=2|x", "=1 +B", "=1|x =1 =1|x", "=1 +B"),
        ("+[e]", "+B", "+[e]", "=1 +B"),
        ("+😀", "+B", "+😀", "=2 +B"),
        ("+X -1", "+Y -1", "+X", "=1 +Y"),
        ("=1|x", "=3 +B", "=1|x", "=3 +B"),
    ],
)
def test_transform(first: str, second: str, first_after: str, second_after: str) -> None:
    a, b = delta(first), delta(second)
    assert transform(a, b) == (delta(first_after), delta(second_after))
    assert compose(a, delta(second_after)) == compose(b, delta(first_after))


def test_over_a_composed_history_is_not_over_its_deltas_one_by_one() -> None:
    """The smallest cases of the README, on one unit of text: never squash what others are carried over."""
    insert_behind, delete, insert_before = delta("=1 +i"), delta("-1"), delta("+m")
    after = transform(delete, transform(insert_behind, insert_before)[1])[1]
    assert after == delta("+m")
    assert transform(compose(insert_behind, delete), insert_before)[1] == delta("=1 +m")

    insert, insert_behind = delta("+i"), delta("=1 +m")
    after = transform(transform(insert_behind, delete)[0], insert)[0]
    assert after == delta("+m")
    assert transform(insert_behind, compose(delete, insert))[0] == delta("=1 +m")


def test_order_of_two_others_is_seen() -> None:
    """TP2 does not hold: carried over two deltas in either order, a third comes to two places."""
    remove, behind, before = delta("-1"), delta("=1 +b"), delta("+c")
    remove_after, behind_after = transform(remove, behind)
    assert transform(behind_after, transform(remove, before)[1])[1] == delta("=1 +c")
    assert transform(remove_after, transform(behind, before)[1])[1] == delta("+c")
