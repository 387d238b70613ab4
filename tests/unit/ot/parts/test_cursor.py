import pytest

from coedit.errors import SplitSurrogateError
from coedit.ot.delta import Delta
from coedit.ot.parts.cursor import OpCursor
from coedit.testing.notation import delta


def test_takes_units_of_the_text_after_the_ops() -> None:
    cursor = OpCursor(delta("=2|x +abc -4 +[e] =3|x").ops)
    taken = [cursor.take(length) for length in (1, 2, 1, 2, 2, 9, 1)]
    assert [Delta(ops) for ops, _ in taken] == [
        delta("=1|x"),
        delta("=1|x +a"),
        delta("+b"),
        delta("+c -4 +[e]"),
        delta("=2|x"),
        delta("=1|x"),
        Delta(),
    ]
    assert [missing for _, missing in taken] == [0, 0, 0, 0, 0, 8, 1]


def test_rest_begins_inside_an_op() -> None:
    cursor = OpCursor(delta("+abc -1").ops)
    cursor.take(1)
    assert Delta(cursor.rest()) == delta("+bc -1")


def test_cut_inside_a_pair_is_refused() -> None:
    with pytest.raises(SplitSurrogateError):
        OpCursor(delta("+a😀").ops).take(2)
