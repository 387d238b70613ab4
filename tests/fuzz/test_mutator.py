"""The mutator changes what it is given, follows from its seed, and grows nothing beyond a bound."""

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.messages import Live, resolved
from tests.fuzz.mutator import mutate_bytes, mutate_value
from tests.fuzz.supply import Supply

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.binary(max_size=50), st.integers(0, 2**32))
def test_bytes_follow_from_the_seed_and_stay_bounded(data: bytes, seed: int) -> None:
    changed = mutate_bytes(data, random.Random(seed))
    assert changed == mutate_bytes(data, random.Random(seed))
    assert len(changed) <= len(data) + 3 * (4096 + 8)


@given(_VALUES, st.integers(0, 2**32))
def test_value_follows_from_the_seed_stays_json_and_leaves_the_original(value: object, seed: int) -> None:
    before = json.dumps(value)
    changed = json.dumps(mutate_value(value, random.Random(seed)))
    assert changed == json.dumps(mutate_value(value, random.Random(seed)))
    assert json.dumps(value) == before


def test_most_mutations_change_something() -> None:
    frame, message = b"\x00\x02\x09some bytes", {"type": "submit", "delta": [{"insert": "x"}], "epoch": 1}
    changes = [mutate_bytes(frame, random.Random(seed)) != frame for seed in range(200)]
    changes += [mutate_value(message, random.Random(seed)) != message for seed in range(200)]
    assert sum(changes) > 360


def test_live_values_are_put_in_wherever_they_stand() -> None:
    live = {Live.DOCUMENT: "d", Live.EPOCH: 3}
    assert resolved({"a": [Live.DOCUMENT, {"b": Live.EPOCH}], "c": 1}, live) == {"a": ["d", {"b": 3}], "c": 1}


def test_what_is_played_follows_from_the_seed_whoever_takes_it() -> None:
    one, same, other = (Supply(seed, st.integers()) for seed in ("1 yjs", "1 yjs", "2 yjs"))
    takes = [(sequence, rng.random()) for sequence, rng in (one.take() for _ in range(150))]
    assert takes == [(sequence, rng.random()) for sequence, rng in (same.take() for _ in range(150))]
    assert takes != [(sequence, rng.random()) for sequence, rng in (other.take() for _ in range(150))]
    assert len({number for _, number in takes}) == 150
