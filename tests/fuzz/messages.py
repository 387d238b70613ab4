"""Hypothesis strategies for sequences of messages of protocol v1; what only the session knows stands as a `Live`.

`resolved` puts the session's values in their place, so that a sequence says what fits, up to where it is meant not to.
"""

from enum import Enum
from typing import Any

from hypothesis import strategies as st

from coedit.ot.delta import Delta
from coedit.testing.strategies import deltas, documents, texts
from tests.fuzz.mutator import VALUES

Json = Any


class Live(Enum):
    """A value of the session that a message is sent in."""

    DOCUMENT = "document"
    EPOCH = "epoch"
    REVISION = "revision"
    MAC = "mac"
    SEQUENCE = "sequence"


def resolved(value: Json, live: dict[Live, Json]) -> Json:
    """Return ``value`` with the session's values."""
    if isinstance(value, Live):
        return live[value]
    if isinstance(value, dict):
        return {key: resolved(item, live) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, live) for item in value]
    return value


def mostly(
    usual: st.SearchStrategy[Json], other: st.SearchStrategy[Json], usual_of: int = 8
) -> st.SearchStrategy[Json]:
    """Return ``usual`` but for one time in ``usual_of``; `one_of` would take a branch that is named twice for one."""
    return st.integers(1, usual_of).flatmap(lambda number: other if number == usual_of else usual)


_hostile = st.sampled_from(VALUES)
_numbers = st.integers(-1, 5) | st.sampled_from([2**31, 2**53 - 1, 10**12])
_macs = st.text("0123456789abcdef", min_size=0, max_size=32)


def _or(live: Live, other: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """Mostly what fits."""
    return mostly(st.just(live), other)


_deltas = mostly(
    texts.map(lambda text: [{"insert": text}]),
    st.one_of(
        documents().map(Delta.to_json),
        documents().flatmap(deltas).map(Delta.to_json),
        st.lists(st.fixed_dictionaries({"retain": _numbers}) | st.fixed_dictionaries({"delete": _numbers})),
    ),
    usual_of=2,
)
_carets = st.none() | st.fixed_dictionaries({"anchor": _numbers, "head": _numbers})
_claims = st.fixed_dictionaries(
    {
        "epoch": _or(Live.EPOCH, _numbers),
        "revision": _or(Live.REVISION, _numbers),
        "mac": _or(Live.MAC, _macs),
    }
)
_names = st.just(Live.DOCUMENT) | st.text(min_size=0, max_size=40) | st.sampled_from(["..", "a/b", "é" * 128])

_submits = st.fixed_dictionaries(
    {
        "type": st.just("submit"),
        "document": _or(Live.DOCUMENT, _names),
        "client_sequence": _or(Live.SEQUENCE, _numbers),
        "epoch": _or(Live.EPOCH, _numbers),
        "base_revision": _or(Live.REVISION, _numbers),
        "delta": _deltas,
    },
    optional={"caret": _carets},
)
_opens = st.builds(
    lambda claim, more, name: {"type": "open", "document": name} | claim | more,
    st.just({}) | _claims,
    st.sampled_from([{}, {"renew": True}, {"client_id": "x", "resume_token": "y"}]),
    _or(Live.DOCUMENT, _names),
)
_presences = st.fixed_dictionaries(
    {
        "type": st.just("presence"),
        "document": st.just(Live.DOCUMENT),
        "revision": _or(Live.REVISION, _numbers),
    },
    optional={
        "caret": _carets,
        "name": st.text(max_size=80),
        "colour": st.sampled_from(["#ff00ff", "red", ""]),
    },
)
_commits = st.fixed_dictionaries(
    {
        "revision": _or(Live.REVISION, _numbers),
        "epoch": _or(Live.EPOCH, _numbers),
        "delta": _deltas,
        "author": st.text(max_size=10),
        "client_id": st.text("abc", max_size=5),
        "client_sequence": _numbers,
        "at": _numbers,
        "mac": _macs,
        "key_id": st.text("0123456789abcdef", max_size=8),
    }
)
_offers = st.fixed_dictionaries(
    {
        "type": st.just("offer"),
        "document": st.just(Live.DOCUMENT),
        "before": _or(Live.MAC, _macs),
        "commits": st.lists(_commits, max_size=3),
    }
)
_others = st.sampled_from(
    [{"type": "close", "document": Live.DOCUMENT}, {"type": "hello"}, {"type": "dance"}, {}, []]
) | st.fixed_dictionaries({"type": _hostile, "document": _hostile})

messages: st.SearchStrategy[Json] = mostly(
    _submits, st.one_of(_opens, _presences, _offers, _others), usual_of=2
)
sequences: st.SearchStrategy[list[Json]] = st.lists(messages, min_size=1, max_size=12)
"""What is said after a good hello and a good open."""
