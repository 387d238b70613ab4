"""What is refused, and with which code: refusals.json, which the TypeScript core is held to as well.

``reading`` holds ``[code, JSON of a delta]``, ``applying`` ``[code, text of a document, JSON of a delta]``.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coedit.errors import InvalidDeltaError
from coedit.ot import Delta, apply, compose, invert

CASES: Any = json.loads((Path(__file__).parent / "refusals.json").read_text("utf-8"))


def code_of(ask: Callable[[], object]) -> str:
    try:
        ask()
    except InvalidDeltaError as refusal:
        return refusal.code
    return "accepted"


@pytest.mark.parametrize(("code", "value"), CASES["reading"], ids=lambda value: repr(value)[:60])
def test_reading(code: str, value: Any) -> None:
    assert code_of(lambda: Delta.from_json(value)) == code


@pytest.mark.parametrize(("code", "text", "ops"), CASES["applying"], ids=lambda value: repr(value)[:60])
def test_applying_inverting_and_composing(code: str, text: str, ops: Any) -> None:
    document, delta = Delta().insert(text), Delta.from_json(ops)
    assert code_of(lambda: apply(document, delta)) == code
    assert code_of(lambda: invert(delta, document)) == code
    if code != "length-mismatch":
        assert code_of(lambda: compose(document, delta)) == code
