import pytest

from coedit.ot import transform_position
from coedit.testing.notation import delta


@pytest.mark.parametrize(
    ("change", "position", "stays", "pushed"),
    [
        ("", 3, 3, 3),
        ("+ab", 0, 0, 2),
        ("+ab", 1, 3, 3),
        ("=2 +ab", 1, 1, 1),
        ("=2 +ab", 2, 2, 4),
        ("=1 -3", 1, 1, 1),
        ("=1 -3", 3, 1, 1),
        ("=1 -3", 5, 2, 2),
        ("=1 +ab -3", 2, 3, 3),
        ("=1 +[e] +😀", 1, 1, 4),
        ("=5|x", 3, 3, 3),
        ("-2", 100, 98, 98),
    ],
)
def test_position_after_a_delta(change: str, position: int, stays: int, pushed: int) -> None:
    assert transform_position(position, delta(change), stays_before_insert=True) == stays
    assert transform_position(position, delta(change), stays_before_insert=False) == pushed
