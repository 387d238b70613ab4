from itertools import pairwise, product

import pytest

from coedit.ot.delta import Delta
from coedit.ot.parts.ops import Delete, Insert, Op, Retain
from coedit.ot.parts.writer import OpWriter
from coedit.testing.notation import delta

OPS: list[Op] = [
    Insert("a"),
    Insert("b", {"x": 1}),
    Insert({"e": 1}),
    Delete(1),
    Retain(1),
    Retain(1, {"x": 1}),
]


@pytest.mark.parametrize(
    ("pushed", "normal"),
    [
        ("+a +b", "+ab"),
        ("+a|x +b|x +c", "+ab|x +c"),
        ("-1 -2", "-3"),
        ("=1 =2|x =3|x +a", "=1 =5|x +a"),
        ("-1 +a", "+a -1"),
        ("+a -1 +b", "+ab -1"),
        ("+a|x -1 +b -2", "+a|x +b -3"),
        ("-1 +[e] +[e]", "+[e] +[e] -1"),
        ("+a =3", "+a"),
        ("=3", ""),
        ("=3|-x", "=3|-x"),
    ],
)
def test_normal_form(pushed: str, normal: str) -> None:
    assert delta(pushed).ops == delta(normal).ops


def is_normal(ops: tuple[Op, ...]) -> bool:
    """Tell by the definition, not by the writer, whether ops are in normal form."""
    for left, right in pairwise(ops):
        if type(left) is Delete and type(right) is not Retain:
            return False
        if isinstance(left, Retain) and isinstance(right, Retain) and left.attributes == right.attributes:
            return False
        texts = [op for op in (left, right) if isinstance(op, Insert) and isinstance(op.content, str)]
        if len(texts) == 2 and texts[0].attributes == texts[1].attributes:
            return False
    return not ops or not isinstance(ops[-1], Retain) or ops[-1].attributes is not None


def test_every_sequence_of_four_ops_is_brought_into_normal_form() -> None:
    for ops in product(OPS, repeat=4):
        assert is_normal(Delta(ops).ops), ops


def test_extending_writes_what_pushing_writes() -> None:
    """Whatever stands before and comes after: no merge is missed among the ops that are taken as they are."""
    normal = {repr(ops): ops for ops in (Delta(ops).ops for ops in product(OPS, repeat=4))}
    for ops in normal.values():
        for before, after in product(([], *([op] for op in OPS)), repeat=2):
            extended, pushed = OpWriter(), OpWriter()
            for op in before:
                extended.push(op)
            extended.extend(ops)
            for op in after:
                extended.push(op)
            for op in (*before, *ops, *after):
                pushed.push(op)
            assert extended.finish() == pushed.finish()
