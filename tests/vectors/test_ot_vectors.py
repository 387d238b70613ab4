"""What quill-delta 5.1 answered to a thousand questions, beside what ours answers.

The folder of the vectors is named by ``COEDIT_VECTORS``. Inputs and recorded answers are read by
`Delta.from_json` and compared as deltas. Every answer falls in one class; how many fall in each is fixed
below, so that a change is seen.
"""

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coedit.errors import InvalidDeltaError
from coedit.ot import Delta, apply, compose, diff, invert, transform, transform_position
from coedit.ot.parts.attributes import (
    compose_attributes,
    diff_attributes,
    invert_attributes,
    transform_attributes,
    without_nulls,
)

Json = Any
Question = tuple[str, Callable[[], object], Callable[[], object]]
"""The function asked, how to ask ours, and how to read the recorded answer; both may refuse."""

AGREES = "agrees"
NOT_NORMAL = "input not in normal form, so another question"
KEEPS_EQUAL_OBJECT = "the reference restores an object that is set already"
NOT_APPLICABLE = "has no counterpart"

EXPECTED = {
    "corner": {
        "Delta: agrees": 2,
        "apply: agrees": 74,
        f"apply: {NOT_NORMAL}": 2,
        "apply: refused with length-mismatch": 2,
        "apply: refused with split-surrogate": 6,
        "attributes: agrees": 35,
        "build: agrees": 3,
        "compose: agrees": 34,
        "compose: refused with split-surrogate": 2,
        "diff: agrees": 6,
        "diff: refused with invalid-delta": 1,
        "from_json: agrees": 18,
        "from_json: refused with lone-surrogate": 2,
        "from_json: refused with unsupported-op": 8,
        "invert: agrees": 21,
        "invert: refused with length-mismatch": 1,
        "invert: refused with split-surrogate": 2,
        f"iterator: {NOT_APPLICABLE}": 2,
        "length: agrees": 18,
        f"slice: {NOT_APPLICABLE}": 3,
        "transform: agrees": 95,
        f"transform: {NOT_NORMAL}": 5,
        "transform_position: agrees": 64,
    },
    "random": {
        "apply: agrees": 5883,
        "apply: refused with split-surrogate": 117,
        "compose: agrees": 998,
        "compose: refused with split-surrogate": 2,
        "invert: agrees": 982,
        "invert: refused with split-surrogate": 14,
        f"invert: {KEEPS_EQUAL_OBJECT}": 4,
        "transform: agrees": 4000,
        "transform_position: agrees": 4000,
    },
}


def folder() -> Path:
    named = os.environ.get("COEDIT_VECTORS")
    if named:
        return Path(named)
    if "vectors" in os.environ.get("COEDIT_REQUIRE", "").split(","):
        pytest.fail("COEDIT_REQUIRE names the vectors, but COEDIT_VECTORS is not set")
    reason = "COEDIT_VECTORS names no folder with OT vectors"
    print(reason)
    pytest.skip(reason)


@pytest.mark.parametrize("name", ["corner", "random"])
def test_answers_fall_in_the_known_classes(name: str) -> None:
    classes: Counter[str] = Counter()
    unknown: list[str] = []
    with gzip.open(folder() / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for case in map(json.loads, lines):
            for function, answer in answers(case):
                classes[f"{function}: {answer}"] += 1
                if answer.startswith("differs"):
                    unknown.append(f"{case['id']} {function} {answer}")
    for label, count in sorted(classes.items()):
        print(f"{count:6} {label}")
    assert not unknown
    assert dict(classes) == EXPECTED[name]


def answers(case: Json) -> Iterator[tuple[str, str]]:
    """Yield (function, class) for each question of a case; a case whose input is refused asks just one."""
    if case["kind"] in ("iterator", "slice"):
        yield case["kind"], NOT_APPLICABLE
        return
    try:
        questions = list(QUESTIONS[case["kind"]](case["in"], case["out"]))
    except InvalidDeltaError as error:
        yield "from_json", f"refused with {error.code}"
        return
    for function, ask, read in questions:
        yield function, answer_class(case, ask, read)


def answer_class(case: Json, ask: Callable[[], object], read: Callable[[], object]) -> str:
    try:
        ours = ask()
    except InvalidDeltaError as error:
        return f"refused with {error.code}"
    try:
        recorded = read()
    except InvalidDeltaError as error:
        return f"differs: ours is {ours}, the recorded one holds what is refused with {error.code}"
    if ours == recorded:
        return AGREES
    if not is_normal(case["in"]):
        return NOT_NORMAL
    if (
        isinstance(ours, Delta)
        and isinstance(recorded, Delta)
        and keeps_equal_object(case["in"], ours, recorded)
    ):
        return KEEPS_EQUAL_OBJECT
    return f"differs: ours is {ours}, recorded is {recorded}"


def is_normal(given: Json) -> bool:
    """Tell whether no input delta has an insert behind a delete."""
    return not any(
        "delete" in before and "insert" in after
        for name in ("a", "b", "c")
        for before, after in zip(given.get(name, []), given.get(name, [])[1:], strict=False)
    )


def keeps_equal_object(given: Json, ours: Delta, recorded: Delta) -> bool:
    """Tell whether both undo ``a``, and the recorded answer only sets what the document has anyway."""
    document, a = Delta.from_json(given["doc"]), Delta.from_json(given["a"])
    after = apply(document, a)
    return apply(after, ours) == apply(after, recorded) == document and invert(a, document) == ours


def recorded_delta(answer: Json) -> Callable[[], Delta]:
    """Return how to read a recorded delta, or a recorded error."""

    def read() -> Delta:
        if isinstance(answer, dict) and "throws" in answer:
            raise InvalidDeltaError("the reference throws")
        return Delta.from_json(answer["ok"] if isinstance(answer, dict) else answer)

    return read


def of_compose(given: Json, out: Json) -> Iterator[Question]:
    a, b = Delta.from_json(given["a"]), Delta.from_json(given["b"])
    yield "compose", lambda: compose(a, b), recorded_delta(out)
    if a.is_document:
        yield "apply", lambda: apply(a, b), recorded_delta(out)


def of_transform(given: Json, out: Json) -> Iterator[Question]:
    a, b = Delta.from_json(given["a"]), Delta.from_json(given["b"])
    yield "transform", lambda: transform(a, b)[1], recorded_delta(out["priority_true"])
    yield "transform", lambda: transform(b, a)[0], recorded_delta(out["priority_false"])


def of_invert(given: Json, out: Json) -> Iterator[Question]:
    a, document = Delta.from_json(given["a"]), Delta.from_json(given["doc"])
    yield "invert", lambda: invert(a, document), recorded_delta(out["invert"])


def of_position(given: Json, out: Json) -> Iterator[Question]:
    a = Delta.from_json(given["a"])
    for (position, stays), after in zip(given["cases"], out, strict=True):
        yield of_one_position(a, position, stays, after)


def of_one_position(delta: Delta, position: int, stays: bool, after: int) -> Question:
    ask = lambda: transform_position(position, delta, stays_before_insert=stays)  # noqa: E731
    return "transform_position", ask, lambda: after


def of_attributes(given: Json, out: Json) -> Iterator[Question]:
    a, b = given.get("a"), given.get("b")
    name = "attributes"
    yield name, lambda: compose_attributes(a, b, keep_null=False), lambda: out["compose"]
    yield name, lambda: compose_attributes(a, b, keep_null=True) or None, lambda: out["compose_keep_null"]
    yield name, lambda: transform_attributes(a, b), lambda: out["transform_priority_true"]
    yield name, lambda: diff_attributes(a, b), lambda: out["diff"]
    yield name, lambda: invert_attributes(a, b), lambda: out["invert_a_on_base_b"] or None


def of_normalise(given: Json, out: Json) -> Iterator[Question]:
    delta = Delta.from_json(given["pushes"])
    yield "from_json", lambda: delta, recorded_delta(out["ops"])
    yield "from_json", delta.to_json, lambda: without_null_attributes(out["chopped"])
    yield "length", lambda: delta.length, lambda: out["length"]
    yield "length", lambda: delta.target_length - delta.base_length, lambda: out["change_length"]


def without_null_attributes(ops: Json) -> Json:
    kept = [{**op, "attributes": without_nulls(op.get("attributes"))} for op in ops]
    return [op if op["attributes"] else {k: v for k, v in op.items() if k != "attributes"} for op in kept]


def of_build(given: Json, out: Json) -> Iterator[Question]:
    def ask() -> Delta:
        delta = Delta()
        for verb, *arguments in given["calls"]:
            delta = getattr(delta, verb)(*arguments)
        return delta

    yield "build", ask, recorded_delta(out)


def of_concat(given: Json, out: Json) -> Iterator[Question]:
    a, b = Delta.from_json(given["a"]), Delta.from_json(given["b"])
    yield "Delta", lambda: Delta((*a.ops, *b.ops)), recorded_delta(out)


def of_diff(given: Json, _out: Json) -> Iterator[Question]:
    a, b = Delta.from_json(given["a"]), Delta.from_json(given["b"])
    yield "diff", lambda: apply(a, diff(a, b)), lambda: b


def of_concurrent(given: Json, out: Json) -> Iterator[Question]:
    document, a, b = (Delta.from_json(given[name]) for name in ("doc", "a", "b"))

    def after_a(delta: Delta) -> Delta:
        return apply(apply(document, a), delta)

    yield "apply", lambda: apply(document, a), recorded_delta(out["apply_a"])
    yield "apply", lambda: apply(document, b), recorded_delta(out["apply_b"])
    yield "transform", lambda: transform(a, b)[1], recorded_delta(out["b_after_a_priority_a"])
    yield "transform", lambda: transform(b, a)[0], recorded_delta(out["b_after_a_priority_b"])
    yield "transform", lambda: transform(b, a)[1], recorded_delta(out["a_after_b_priority_b"])
    yield "transform", lambda: transform(a, b)[0], recorded_delta(out["a_after_b_priority_a"])
    yield "apply", lambda: after_a(transform(a, b)[1]), recorded_delta(out["merged_priority_a"])
    yield "apply", lambda: after_a(transform(b, a)[0]), recorded_delta(out["merged_priority_b"])
    yield "invert", lambda: invert(a, document), recorded_delta(out["invert_a"])
    if "c" in given:
        c = Delta.from_json(given["c"])
        yield "compose", lambda: compose(a, c), recorded_delta(out["compose_a_c"])
        yield "apply", lambda: after_a(c), recorded_delta(out["apply_a_c"])
        yield "apply", lambda: apply(document, compose(a, c)), recorded_delta(out["apply_a_c"])
    for position, stays, after in out.get("positions_a", []):
        yield of_one_position(a, position, stays, after)


QUESTIONS: dict[str, Callable[[Json, Json], Iterator[Question]]] = {
    "attributes": of_attributes,
    "build": of_build,
    "compose": of_compose,
    "concat": of_concat,
    "concurrent": of_concurrent,
    "diff": of_diff,
    "invert": of_invert,
    "normalise": of_normalise,
    "position": of_position,
    "random": of_concurrent,
    "transform": of_transform,
}
