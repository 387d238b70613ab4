import math
from typing import Any

import pytest

from coedit.errors import InvalidDeltaError, LoneSurrogateError
from coedit.ot.parts.values import MAX_DEPTH, canonical, canonical_object, copy_object, same


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 1):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (1.0, 1),
        (-0.0, 0),
        (1.5, 1.5),
        (2.0**53 - 1, 2**53 - 1),
        (True, True),
        (None, None),
        ("\ud83d\ude00", "😀"),
    ],
)
def test_values_have_one_form(value: Any, form: Any) -> None:
    assert repr(canonical(value)) == repr(form)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53,
        -(2**53),
        1e300,
        10**400,
        (1,),
        b"x",
        {1: 2},
        {"__proto__": 1},
        {1},
    ],
)
def test_what_is_not_json_everywhere_is_refused(value: Any) -> None:
    with pytest.raises(InvalidDeltaError):
        canonical({"deep": [value]})


@pytest.mark.parametrize("value", ["\ud83d", ["\ude00"], {"\ud83d": 1}])
def test_half_of_a_pair_is_refused_wherever_it_is(value: Any) -> None:
    with pytest.raises(LoneSurrogateError):
        canonical(value)


def test_nesting_is_bounded() -> None:
    assert canonical_object(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    for value in (nested(MAX_DEPTH + 1), nested(900), {"x": [nested(MAX_DEPTH - 1)]}):
        with pytest.raises(InvalidDeltaError):
            canonical_object(value)


def test_true_is_not_one() -> None:
    assert same({"a": [1, {"b": True}]}, {"a": [1, {"b": True}]})
    assert not same({"a": [1, {"b": True}]}, {"a": [1, {"b": 1}]})
    assert not same(False, 0)
    assert not same([1], [1, 2])


def test_copy_shares_nothing() -> None:
    value: dict[str, Any] = {"a": [{"b": 1}]}
    copy = copy_object(value)
    value["a"][0]["b"] = 2
    assert copy == {"a": [{"b": 1}]}
