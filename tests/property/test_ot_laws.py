"""The laws of the OT core, on documents rich in emoji, embeds and attributes."""

import json
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coedit.errors import InvalidDeltaError, LengthMismatchError, SplitSurrogateError
from coedit.ot import Delta, apply, compose, diff, invert, transform, transform_position
from coedit.ot.parts.ops import Delete
from coedit.testing.strategies import atom_sizes, deltas, documents, splices
from tests.laws import costly_law, law


@law
@given(st.data(), documents())
def test_transform_converges(data: st.DataObject, document: Delta) -> None:
    """TP1: both orders of two concurrent deltas end in one document."""
    first, second = data.draw(deltas(document)), data.draw(deltas(document))
    first_after, second_after = transform(first, second)
    one = apply(apply(document, first), second_after)
    assert apply(apply(document, second), first_after) == one
    assert compose(first, second_after) == compose(second, first_after)


@law
@given(st.data(), documents())
def test_composition_is_both_one_after_the_other(data: st.DataObject, document: Delta) -> None:
    first = data.draw(deltas(document))
    middle = apply(document, first)
    second = data.draw(deltas(middle))
    assert apply(document, compose(first, second)) == apply(middle, second)


@law
@given(st.data(), documents())
def test_composition_is_associative(data: st.DataObject, document: Delta) -> None:
    a = data.draw(deltas(document))
    after_a = apply(document, a)
    b = data.draw(deltas(after_a))
    c = data.draw(deltas(apply(after_a, b)))
    assert compose(compose(a, b), c) == compose(a, compose(b, c))


@law
@given(st.data(), documents())
def test_inversion_undoes(data: st.DataObject, document: Delta) -> None:
    delta = data.draw(deltas(document))
    assert apply(apply(document, delta), invert(delta, document)) == document


@law
@given(st.data(), documents())
def test_lengths_add_up(data: st.DataObject, document: Delta) -> None:
    delta = data.draw(deltas(document))
    after = apply(document, delta)
    assert delta.base_length <= document.length
    assert after.length == document.length - delta.base_length + delta.target_length
    assert after.document_length == after.length
    assert len(after.text.encode("utf-16-le")) == 2 * after.length


@law
@given(st.data(), documents())
def test_transform_keeps_lengths(data: st.DataObject, document: Delta) -> None:
    """Carried over the other, each fits the document after it; both ways end in one length, and no pair is cut."""
    first, second = data.draw(deltas(document)), data.draw(deltas(document))
    first_after, second_after = transform(first, second)
    assert first_after.base_length <= apply(document, second).length
    assert second_after.base_length <= apply(document, first).length
    one, other = [grown(first) + grown(second_after), grown(second) + grown(first_after)]
    assert one == other
    for text in texts_of(first_after) + texts_of(second_after):
        text.encode("utf-8")


def grown(delta: Delta) -> int:
    return delta.target_length - delta.base_length


def texts_of(delta: Delta) -> list[str]:
    inserted = [op.get("insert") for op in delta.to_json()]
    return [content for content in inserted if isinstance(content, str)]


@law
@given(st.data(), documents())
def test_position_moves_as_an_insert_there_does(data: st.DataObject, document: Delta) -> None:
    """A caret is carried as a concurrent insert at its place would be."""
    delta = data.draw(deltas(document))
    sizes = atom_sizes(document)
    position = sum(sizes[: data.draw(st.integers(0, len(sizes)))])
    mark = Delta().retain(position).insert({"mark": 1})
    stays = transform(mark, delta)[0]
    pushed = transform(delta, mark)[1]
    assert transform_position(position, delta, stays_before_insert=True) == stays.target_length - 1
    assert transform_position(position, delta, stays_before_insert=False) == pushed.target_length - 1


@law
@given(st.data(), documents())
def test_results_are_in_normal_form_and_survive_json(data: st.DataObject, document: Delta) -> None:
    first, second = data.draw(deltas(document)), data.draw(deltas(document))
    after = transform(first, second)[1]
    for delta in (
        document,
        first,
        after,
        compose(first, after),
        apply(document, first),
        invert(first, document),
    ):
        text = json.dumps(delta.to_json(), ensure_ascii=False)
        text.encode("utf-8")
        assert "null" not in text or not delta.is_document or '{"w": null}' in text
        assert Delta.from_json(json.loads(text)).ops == delta.ops == Delta(delta.ops).ops
        assert hash(Delta.from_json(json.loads(text))) == hash(delta)


@costly_law
@given(documents(), documents())
def test_difference_leads_from_one_document_to_the_other(before: Delta, after: Delta) -> None:
    assert exactly(apply(before, diff(before, after))) == exactly(after)
    assert diff(before, before) == Delta()


@costly_law
@given(st.data(), documents())
def test_difference_finds_a_delta(data: st.DataObject, document: Delta) -> None:
    after = apply(document, data.draw(deltas(document)))
    assert exactly(apply(document, diff(document, after))) == exactly(after)


def exactly(delta: Delta) -> str:
    """Return a delta's JSON, for comparing without our own equality, which has to tell 1 from true as well."""
    return json.dumps(delta.to_json(), sort_keys=True)


@costly_law
@given(documents(), documents())
def test_difference_is_no_longer_than_replacing_all(before: Delta, after: Delta) -> None:
    inserted, deleted = changed_units(diff(before, after))
    assert inserted <= after.length
    assert deleted <= before.length


@costly_law
@given(st.data(), documents())
def test_difference_is_no_longer_than_the_one_change_made(data: st.DataObject, document: Delta) -> None:
    change = data.draw(splices(document))
    found = diff(document, apply(document, change))
    assert sum(changed_units(found)) <= sum(changed_units(change))


def changed_units(delta: Delta) -> tuple[int, int]:
    """Return how many units are inserted, and how many deleted."""
    deleted = sum(op.length for op in delta.ops if type(op) is Delete)
    return grown(delta) + deleted, deleted


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=3)
    | st.sampled_from(["\ud83d", "\ude00", "", "__proto__"])
    | st.binary(max_size=2)
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["insert", "retain", "delete", "attributes", "x"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)
_LENGTHS = st.integers(-1, 3) | st.sampled_from([True, 1.0, 1.5, 2**53, "1"]) | _SCALARS
_VALUES = st.booleans() | st.floats() | st.sampled_from(["red", "\ud83d", 2**53, nan]) | _JSON
_NEARLY_ATTRIBUTES = {
    "attributes": st.dictionaries(st.sampled_from(["bold", "\ude00", ""]), _VALUES, max_size=2) | _SCALARS
}
_NEARLY_OPS = st.lists(
    st.fixed_dictionaries(
        {"insert": _SCALARS | st.dictionaries(st.just("image"), _VALUES)}, optional=_NEARLY_ATTRIBUTES
    )
    | st.fixed_dictionaries({"retain": _LENGTHS}, optional=_NEARLY_ATTRIBUTES)
    | st.fixed_dictionaries({"delete": _LENGTHS}, optional=_NEARLY_ATTRIBUTES)
    | st.dictionaries(st.sampled_from(["insert", "retain", "delete", "attributes"]), _SCALARS, max_size=2),
    max_size=3,
)
"""Ops of which little is wrong, or nothing."""


@law
@given(_JSON | _NEARLY_OPS)
def test_hostile_json_is_read_or_refused_with_a_code(value: Any) -> None:
    try:
        delta = Delta.from_json(value)
    except InvalidDeltaError:
        return
    assert all(map(is_well_formed, delta.to_json()))
    text = json.dumps(delta.to_json(), ensure_ascii=False, allow_nan=False)
    text.encode("utf-8")
    assert Delta.from_json(json.loads(text)) == delta


def is_well_formed(op: dict[str, Any]) -> bool:
    """Tell whether an op is one that the specification allows, attributes and embeds aside."""
    (kind, value), *rest = sorted(op.items(), key=lambda item: item[0] == "attributes")
    if kind == "insert":
        is_valid = type(value) in (str, dict) and bool(value)
    else:
        is_valid = kind in ("retain", "delete") and type(value) is int and 1 <= value < 2**53
    return is_valid and (not rest or (kind != "delete" and type(rest[0][1]) is dict and bool(rest[0][1])))


@costly_law
@given(st.data(), documents(), st.integers(0, 60), st.integers(1, 60))
def test_delta_that_does_not_fit_is_refused_or_leaves_whole_pairs(
    data: st.DataObject, document: Delta, start: int, length: int
) -> None:
    """Whatever offsets a client sends, a document never holds half of a pair."""
    delta = Delta().retain(start).delete(length).insert(data.draw(st.sampled_from(["", "x"])))
    try:
        after = apply(document, delta)
    except (LengthMismatchError, SplitSurrogateError) as error:
        with pytest.raises(type(error)):
            invert(delta, document)
        return
    after.text.encode("utf-8")
    assert apply(after, invert(delta, document)) == document
