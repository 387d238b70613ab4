from typing import Any

import pytest

from coedit.errors import InvalidDeltaError, LoneSurrogateError, TooLargeError, UnsupportedOpError
from coedit.ot.delta import Delta
from coedit.ot.parts.ops import Insert, Retain
from coedit.ot.wire import MAX_ATTRIBUTES, MAX_OPS, MAX_VALUES


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        "x",
        ({"insert": "a"},),
        [None],
        [[]],
        [{}],
        [{"insert": "a", "delete": 1}],
        [{"insert": "a", "x": 1}],
        [{"attributes": {}}],
        [{"attributes": {"b": 1}, "x": 1}],
        [{"insert": ""}],
        [{"insert": 1}],
        [{"insert": None}],
        [{"insert": {}}],
        [{"insert": []}],
        [{"insert": b"a"}],
        [{"insert": "a", "attributes": None}],
        [{"insert": "a", "attributes": []}],
        [{"retain": 0}],
        [{"retain": -1}],
        [{"retain": True}],
        [{"retain": 1.5}],
        [{"retain": float("nan")}],
        [{"retain": float("inf")}],
        [{"retain": 2**53}],
        [{"retain": "1"}],
        [{"retain": None}],
        [{"delete": 0}],
        [{"delete": {"e": 1}}],
        [{"delete": 1, "attributes": {"b": 1}}],
        [{"delete": 2**53 - 1}, {"retain": 1, "attributes": {"b": 1}}],
        [{"insert": "a", "attributes": {str(n): 1 for n in range(MAX_ATTRIBUTES + 1)}}],
    ],
    ids=lambda value: repr(value)[:50],
)
def test_anything_but_a_delta_is_refused(value: Any) -> None:
    with pytest.raises(InvalidDeltaError) as refusal:
        Delta.from_json(value)
    assert refusal.value.code == "invalid-delta"
    assert refusal.value.definite


@pytest.mark.parametrize(
    "value",
    [
        [{"delete": 1}] * (MAX_OPS + 1),
        [{"insert": {"rows": [[1] * 1000] * 100}}],
        [{"insert": "a", "attributes": {"deep": {"cells": [0] * MAX_VALUES}}}],
        [{"retain": 1, "attributes": {"a": [0] * 50, "b": {"c": [n]}}} for n in range(2000)],
    ],
    ids=["ops", "embed", "attribute", "many attributes"],
)
def test_more_than_a_client_may_send_is_too_large(value: Any) -> None:
    """And what is stored may have come to be more: carried over others' commits, ops are cut."""
    with pytest.raises(TooLargeError) as refusal:
        Delta.from_json(value)
    assert (refusal.value.code, refusal.value.definite) == ("too-large", True)
    assert Delta.from_json(value, is_bounded=False).ops


@pytest.mark.parametrize(
    "op", [{"insert": "\ud83d"}, {"insert": {"x": "\ude00"}}, {"retain": 1, "attributes": {"x": "\ud83d"}}]
)
def test_half_of_a_pair_is_refused(op: Any) -> None:
    with pytest.raises(LoneSurrogateError):
        Delta.from_json([op])


def test_embed_retain_is_refused() -> None:
    with pytest.raises(UnsupportedOpError):
        Delta.from_json([{"retain": {"thing": 1}}])


def test_integral_floats_are_lengths() -> None:
    (op,) = Delta.from_json([{"retain": 3.0, "attributes": {"size": 2.0}}]).ops
    assert repr(op) == "Retain(length=3, attributes={'size': 2})"


def test_inserts_lose_nulls_and_retains_keep_them() -> None:
    value = [{"insert": "a", "attributes": {"b": None}}, {"retain": 1, "attributes": {"b": None}}]
    assert Delta.from_json(value).ops == (Insert("a"), Retain(1, {"b": None}))


def test_empty_attributes_are_none() -> None:
    value = [{"insert": "a", "attributes": {}}, {"retain": 1, "attributes": {}}, {"insert": "b"}]
    assert Delta.from_json(value).ops == (Insert("a"), Retain(1), Insert("b"))


def test_delta_keeps_nothing_of_the_json_and_gives_nothing_away() -> None:
    value: Any = [{"insert": {"e": [1]}, "attributes": {"f": {"x": 1}}}]
    delta = Delta.from_json(value)
    given_away: Any = delta.to_json()
    for json in (value, given_away):
        json[0]["insert"]["e"].append(2)
        json[0]["attributes"]["f"]["x"] = 2
    assert delta.to_json() == [{"insert": {"e": [1]}, "attributes": {"f": {"x": 1}}}]


def test_text_is_written_in_code_points() -> None:
    assert Delta.from_json([{"insert": "\ud83d\ude00"}]).to_json() == [{"insert": "😀"}]
