"""Every hostile value at every place of a delta: refused with a code, or read and written back; at once, either way."""

import json
from collections.abc import Callable
from itertools import product
from time import process_time
from typing import Any

import pytest

from coedit.errors import InvalidDeltaError, TooLargeError
from coedit.ot import Delta
from coedit.ot.wire import MAX_OPS

Json = Any


def nested(depth: int, wrap: Callable[[Json], Json]) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = wrap(value)
    return value


VALUES: dict[str, Json] = {
    "100,000 objects deep": nested(100_000, lambda inner: {"x": inner}),
    "100,000 arrays deep": nested(100_000, lambda inner: [inner]),
    "wide": list(range(200_000)),
    "many keys": {str(n): n for n in range(200_000)},
    "more ops than allowed": [{"delete": 1}] * (MAX_OPS + 1),
    "huge number": 10**10_000,
    "huge negative number": -(10**10_000),
    "largest float": 1.7976931348623157e308,
    "smallest float": 5e-324,
    "beyond safe integers": 2**53,
    "beyond safe integers, a float": 2.0**53,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "negative": -1,
    "zero": 0,
    "minus zero": -0.0,
    "fraction": 0.5,
    "true": True,
    "false": False,
    "null": None,
    "bytes": b"a",
    "tuple": (1,),
    "object of Python": object(),
    "lone high surrogate": "\ud83d",
    "lone low surrogate": "a\ude00",
    "surrogates in the wrong order": "\ude00\ud83d",
    "key that is no text": {1: 2},
    "key with half of a pair": {"\ud83d": 1},
    "key __proto__": {"__proto__": 1},
    "empty text": "",
    "empty object": {},
    "empty array": [],
    "long text": "😀" * 500_000,
}
PLACES: dict[str, Callable[[Json], Json]] = {
    "delta": lambda value: value,
    "op": lambda value: [value],
    "insert": lambda value: [{"insert": value}],
    "retain": lambda value: [{"retain": value}],
    "delete": lambda value: [{"delete": value}],
    "embed": lambda value: [{"insert": {"e": value}}],
    "attributes": lambda value: [{"insert": "a", "attributes": value}],
    "attribute of an insert": lambda value: [{"insert": "a", "attributes": {"x": value}}],
    "attribute of a retain": lambda value: [{"retain": 1, "attributes": {"x": [value]}}],
    "attributes of a delete": lambda value: [{"delete": 1, "attributes": value}],
    "key of an op": lambda value: [{"insert": "a", "x": value}],
}
NEVER_READ = ("op", "retain", "delete", "attributes of a delete", "key of an op")
CODES = {"invalid-delta", "lone-surrogate", "too-large", "unsupported-op"}


@pytest.mark.parametrize(("place", "name"), list(product(PLACES, VALUES)))
def test_hostile_value_is_refused_or_comes_back(place: str, name: str) -> None:
    value = PLACES[place](VALUES[name])
    started = process_time()
    read = read_or_code(value)
    if isinstance(read, Delta):
        assert place not in NEVER_READ
        text = json.dumps(read.to_json(), ensure_ascii=False, allow_nan=False)
        assert Delta.from_json(json.loads(text.encode("utf-8"))) == read
    else:
        assert read in CODES
    assert process_time() - started < 3


def read_or_code(value: Json) -> Delta | str:
    try:
        return Delta.from_json(value)
    except (InvalidDeltaError, TooLargeError) as refusal:
        return refusal.code
