"""The short cuts for splices give what the general way gives, or leave it to that."""

from collections.abc import Callable, Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coedit.errors import SplitSurrogateError
from coedit.ot import Delta, apply
from coedit.ot.compose import composed_in_general
from coedit.ot.invert import inverted_in_general
from coedit.ot.parts.attributes import Attributes
from coedit.ot.parts.ops import Delete, Embed, Insert, Op, Retain
from coedit.ot.parts.splice import Ops, compose_splices, invert_splice, splice_of, transform_splices
from coedit.ot.transform import transformed_in_general
from coedit.testing.notation import delta
from coedit.testing.strategies import deltas, documents, splices
from tests.laws import costly_law

INSERTS: list[tuple[Op, ...]] = [
    (),
    (Insert("x"),),
    (Insert("xyz"),),
    (Insert("x", {"bold": True}),),
    (Insert("x"), Insert("y", {"bold": True})),
    (Insert({"image": "a"}),),
    (Insert("\ud83d\ude00"),),
]


def all_splices(length: int) -> Iterator[Ops]:
    """Yield every splice of a document of ``length`` units, with each of INSERTS."""
    for at, inserts in product(range(length + 1), INSERTS):
        for deleted in range(length - at + 1):
            before: list[Op] = [Retain(at)] if at else []
            behind: list[Op] = [Delete(deleted)] if deleted else []
            if inserts or deleted:
                yield Delta([*before, *inserts, *behind]).ops


def outcome(function: Callable[[Ops, Ops], object], first: Ops, second: Ops) -> object:
    try:
        return function(first, second)
    except SplitSurrogateError as error:
        return error.code


def test_every_pair_of_small_splices_transforms_as_in_general() -> None:
    taken = 0
    for first, second in product(all_splices(4), repeat=2):
        quick = transform_splices(first, second)
        assert quick in (None, transformed_in_general(first, second)), (first, second)
        taken += quick is not None
    print(f"{taken} short cuts")
    assert taken > 4_000


def test_every_pair_of_small_splices_composes_as_in_general() -> None:
    taken = 0
    for first in all_splices(3):
        for second in all_splices(5):
            quick = compose_splices(first, second)
            assert quick in (None, outcome(composed_in_general, first, second)), (first, second)
            taken += quick is not None
    print(f"{taken} short cuts")
    assert taken > 3_000


@pytest.mark.parametrize("content", ["abcd", "a\ud83d\ude00b", {"image": "a"}])
@pytest.mark.parametrize("attributes", [None, {"bold": True}])
def test_every_small_splice_inverts_as_in_general(
    content: str | Embed, attributes: Attributes | None
) -> None:
    base = (Insert(content, attributes),)
    for ops in all_splices(len(content) if isinstance(content, str) else 1):
        assert invert_splice(ops, base) in (None, outcome(inverted_in_general, ops, base)), ops


@costly_law
@given(st.data(), documents())
def test_transform_as_in_general(data: st.DataObject, document: Delta) -> None:
    first, second = data.draw(splices(document)).ops, data.draw(splices(document)).ops
    if first and second:
        assert transform_splices(first, second) in (None, transformed_in_general(first, second))


@costly_law
@given(st.data(), documents())
def test_compose_as_in_general(data: st.DataObject, document: Delta) -> None:
    first = data.draw(splices(document))
    second = data.draw(splices(apply(document, first)))
    assert compose_splices(first.ops, second.ops) in (None, composed_in_general(first.ops, second.ops))


@costly_law
@given(st.data(), documents(max_runs=1))
def test_apply_and_invert_as_in_general(data: st.DataObject, document: Delta) -> None:
    change = data.draw(splices(document) | deltas(document)).ops
    assert compose_splices(document.ops, change) in (None, composed_in_general(document.ops, change))
    assert invert_splice(change, document.ops) in (None, inverted_in_general(change, document.ops))


@pytest.mark.parametrize(
    ("ops", "splice"),
    [
        ("=3 +ab -2", (3, 2, 2)),
        ("+[e]", (0, 1, 0)),
        ("-1", (0, 0, 1)),
        ("", None),
        ("=1|w", None),
        ("+a =1 -1", None),
        ("=1 +a|w +b -1", None),
    ],
)
def test_what_a_splice_is(ops: str, splice: tuple[int, int, int] | None) -> None:
    assert splice_of(delta(ops).ops) == splice
