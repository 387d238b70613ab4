import copy
import pickle
from typing import Any

import pytest

from coedit.errors import InvalidDeltaError, LoneSurrogateError
from coedit.ot.delta import Delta
from coedit.ot.parts.ops import Delete, Insert, Retain
from coedit.testing.notation import delta


def test_verbs_build_in_order() -> None:
    built = (
        Delta()
        .retain(2, {"x": True})
        .insert("a")
        .insert("b")
        .delete(1)
        .insert({"e": True})
        .retain(1)
        .delete(2)
    )
    assert built == delta("=2|x +ab +[e] -1 =1 -2")


def test_retain_at_the_end_is_remembered_but_no_part_of_the_value() -> None:
    pending = Delta().insert("a").retain(2).retain(1)
    assert pending == Delta().insert("a")
    assert hash(pending) == hash(Delta().insert("a"))
    assert pending.base_length == 0
    assert pending.insert("b") == delta("+a =3 +b")
    assert Delta([Insert("a"), Retain(3)]).delete(1) == delta("+a =3 -1")


def test_nothing_adds_nothing() -> None:
    assert Delta().insert("", {"b": 1}).retain(0).delete(0).insert("a", {}) == delta("+a")


def test_ops_are_read_as_by_the_verbs() -> None:
    """So text may be in code points or in units, and what says nothing adds nothing."""
    assert Delta([Insert("😀"), Insert("")]) == Delta([Insert("\ud83d\ude00")]) == Delta().insert("😀")
    assert Delta(
        [Delete(0), Insert("a", {"x": None, "y": 1.0}), Retain(0, {}), Insert("b", {"y": 1})]
    ) == delta("+ab|y:1")
    many: Any = {str(number): 1 for number in range(300)}
    assert Delta([Insert("a", many)]).to_json() == [{"insert": "a", "attributes": many}]
    with pytest.raises(InvalidDeltaError):
        Delta().insert("a", many)


@pytest.mark.parametrize(
    "op",
    [
        {"insert": "a"},
        "a",
        ("a", None),
        None,
        Insert("\ud83d"),
        Insert({}),
        Insert("a", {"x": float("nan")}),
        Retain(-1),
        Retain(False),
        Retain(1, {"x": 2**53}),
        Delete(2**53),
    ],
)
def test_what_is_no_op_is_refused(op: Any) -> None:
    with pytest.raises(InvalidDeltaError):
        Delta([op])


@pytest.mark.parametrize("length", [-1, 2**53, True, False, 1.5])
def test_verbs_refuse_bad_lengths(length: Any) -> None:
    for verb in (Delta().retain, Delta().delete):
        with pytest.raises(InvalidDeltaError):
            verb(length)


def test_verbs_refuse_half_of_a_pair() -> None:
    with pytest.raises(LoneSurrogateError):
        Delta().insert("\ud83d")


def test_delta_never_changes() -> None:
    built = delta("+a")
    with pytest.raises(AttributeError):
        built.ops = ()
    with pytest.raises(AttributeError):
        del built.ops
    built.insert("b")
    assert built == delta("+a")


@pytest.mark.parametrize(
    ("notation", "base", "target", "length", "is_document"),
    [
        ("", 0, 0, 0, True),
        ("+a😀 +[e]", 0, 4, 4, True),
        ("=2|x +ab -3", 5, 4, 7, False),
        ("=2 -1", 3, 2, 3, False),
    ],
)
def test_lengths_are_utf16_units(
    notation: str, base: int, target: int, length: int, is_document: bool
) -> None:
    built = delta(notation)
    assert (built.base_length, built.target_length, built.length) == (base, target, length)
    assert built.is_document is is_document


def test_text_has_a_stand_in_for_an_embed() -> None:
    assert delta("+a😀 +[e] +b|x").text == "a😀\ufffcb"
    for ask in (lambda: delta("=1|x").text, lambda: delta("=1|x").document_length):
        with pytest.raises(InvalidDeltaError):
            ask()


def test_equality_is_that_of_json() -> None:
    one, true = delta("+a|x:1"), delta("+a|x")
    assert one != true
    assert one == Delta().insert("a", {"x": 1.0})
    assert Delta().insert({"e": 1}) != Delta().insert({"e": True})
    assert delta("=1|x:1") != delta("=1|x")
    assert one != "+a|x:1"
    assert len({one, true, delta("+a|x"), delta("=1|x"), delta("=1 -1"), delta("=1 -1")}) == 4


def test_delta_can_be_copied_pickled_and_printed() -> None:
    built = delta("+a😀|x =2 -1").retain(3)
    for other in (copy.deepcopy(built), pickle.loads(pickle.dumps(built)), eval(repr(built))):
        assert other == built
    assert copy.copy(built).insert("b") == built.insert("b")
