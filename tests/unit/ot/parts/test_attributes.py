import pytest

from coedit.ot.parts.attributes import (
    Attributes,
    compose_attributes,
    diff_attributes,
    invert_attributes,
    same_attributes,
    transform_attributes,
)

A = Attributes | None


@pytest.mark.parametrize(
    ("first", "second", "text", "retain"),
    [
        (None, None, None, None),
        ({"b": 1}, None, {"b": 1}, {"b": 1}),
        (None, {"b": 1, "i": None}, {"b": 1}, {"b": 1, "i": None}),
        ({"b": 1}, {"b": None}, None, {"b": None}),
        ({"b": 1}, {"b": False}, {"b": False}, {"b": False}),
        ({"f": {"x": 1}}, {"f": {"y": 2}}, {"f": {"y": 2}}, {"f": {"y": 2}}),
    ],
)
def test_compose(first: A, second: A, text: A, retain: A) -> None:
    assert compose_attributes(first, second, keep_null=False) == text
    assert compose_attributes(first, second, keep_null=True) == retain


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        (None, {"b": 1}, {"b": 1}),
        ({"b": 1}, None, None),
        ({"b": 1}, {"b": 2}, None),
        ({"b": None}, {"b": 2, "i": 1}, {"i": 1}),
    ],
)
def test_transform_leaves_what_the_first_did_not_touch(first: A, second: A, left: A) -> None:
    assert transform_attributes(first, second) == left


@pytest.mark.parametrize(
    ("change", "base", "undo"),
    [
        (None, {"b": 1}, None),
        ({"b": 1}, None, {"b": None}),
        ({"b": None}, {"b": 1}, {"b": 1}),
        ({"b": 2}, {"b": 1, "i": 1}, {"b": 1}),
        ({"b": {"x": 1}}, {"b": {"x": 1}}, None),
        ({"b": True}, {"b": 1}, {"b": 1}),
        ({"b": None}, None, {"b": None}),
    ],
)
def test_invert(change: A, base: A, undo: A) -> None:
    assert invert_attributes(change, base) == undo


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (None, None, None),
        ({"b": 1}, None, {"b": None}),
        (None, {"b": 1}, {"b": 1}),
        ({"b": 1, "i": 1}, {"b": True, "i": 1}, {"b": True}),
    ],
)
def test_diff(before: A, after: A, change: A) -> None:
    assert same_attributes(diff_attributes(before, after), change)
