"""Trace files: what is read, what is refused, and what the transactions mean."""

import gzip
import json
import os
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from coedit.ot.apply import apply
from coedit.ot.delta import Delta
from coedit.ot.parts.utf16 import from_units, unit_length
from coedit.replay.intents import START, Step, change_identities, find_intents, inserted_identities
from coedit.replay.traces import (
    ConcurrentTrace,
    SequentialTrace,
    TraceError,
    read_trace,
    text_after,
    transaction_deltas,
)
from tests.requirements import require
from tests.traces.make_traces import concurrent, sequential

OWN = Path(__file__).parents[2] / "traces"


def _sequential(end: str, *transactions: list[list[Any]]) -> bytes:
    txns = [{"time": "", "patches": patches} for patches in transactions]
    return json.dumps({"startContent": "", "endContent": end, "txns": txns}).encode()


def _concurrent(end: str, *transactions: tuple[int, list[int], list[Any]], agents: int = 2) -> bytes:
    txns = [{"agent": agent, "parents": seen, "patches": [patch]} for agent, seen, patch in transactions]
    return json.dumps({"kind": "concurrent", "numAgents": agents, "endContent": end, "txns": txns}).encode()


@pytest.mark.parametrize(("name", "made"), [("sequential", sequential()), ("concurrent", concurrent())])
def test_own_traces_are_what_the_script_makes(name: str, made: dict[str, Any]) -> None:
    assert json.loads(gzip.decompress((OWN / f"{name}.json.gz").read_bytes())) == made


def test_sequential_trace_becomes_deltas_in_code_units() -> None:
    trace = read_trace((OWN / "sequential.json.gz").read_bytes())
    assert isinstance(trace, SequentialTrace)
    assert unit_length(trace.text) > len(trace.text)
    assert reduce(apply, transaction_deltas(trace.transactions), Delta()).text == trace.text


def test_deltas_of_a_beginning_make_the_text_of_the_beginning() -> None:
    trace = read_trace((OWN / "sequential.json.gz").read_bytes())
    assert isinstance(trace, SequentialTrace)
    beginning = trace.transactions[:150]
    assert reduce(apply, transaction_deltas(beginning), Delta()).text == text_after(beginning)


def test_position_behind_a_pair_counts_it_twice() -> None:
    trace = read_trace(_sequential("😀b", [[0, 0, "😀a"]], [[1, 1, "b"]]))
    assert isinstance(trace, SequentialTrace)
    assert list(transaction_deltas(trace.transactions))[1] == Delta().retain(2).insert("b").delete(1)


def test_patches_that_cancel_out_make_an_empty_delta() -> None:
    trace = read_trace(_sequential("", [[0, 0, "a"], [0, 1, ""]]))
    assert isinstance(trace, SequentialTrace)
    assert [delta.ops for delta in transaction_deltas(trace.transactions)] == [()]


def test_intents_of_own_trace_end_in_what_was_made_without_ot() -> None:
    trace = read_trace((OWN / "concurrent.json.gz").read_bytes())
    assert isinstance(trace, ConcurrentTrace)
    found = find_intents(trace)
    assert from_units(found.text(found.recorded_end)) == trace.text
    assert len(found.intents) == len(trace.transactions)


def test_intent_names_the_characters_that_its_agent_saw() -> None:
    trace = read_trace(
        _concurrent(
            "bX",
            (0, [], [0, 0, "ab"]),
            (1, [0], [1, 1, ""]),
            (0, [0], [2, 0, "X"]),
            (1, [1], [0, 1, "b"]),
        )
    )
    assert isinstance(trace, ConcurrentTrace)
    found = find_intents(trace)
    assert [intent.steps for intent in found.intents] == [
        (Step((), START, (1, 2)),),
        (Step((2,), 1, ()),),
        (Step((), 2, (3,)),),
        (Step((1,), START, (4,)),),
    ]
    assert found.anchors == (START, START, 1, 2, START)
    assert found.recorded_end == (4, 3)


def test_what_was_seen_reaches_to_the_newest_foreign_transaction() -> None:
    trace = read_trace((OWN / "concurrent.json.gz").read_bytes())
    assert isinstance(trace, ConcurrentTrace)
    assert all(one.seen <= number for number, one in enumerate(trace.transactions))
    assert any(one.seen < number - 5 for number, one in enumerate(trace.transactions))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not a trace"),
        (b"\x1f\x8bnot gzip", "cannot be unpacked"),
        (gzip.compress(b"{}", mtime=0)[:-4], "cannot be unpacked"),
        (b"[]", "not a trace"),
        (b'{"endContent": "", "txns": [{"patches": [[0, -1, ""]]}]}', "at txns.0.patches.0"),
        (b'{"endContent": "", "txns": [{"patches": [[0, 1]]}]}', "at txns.0.patches.0"),
        (b'{"startContent": "a", "endContent": "a", "txns": []}', "at startContent"),
        (b'{"endContent": "\\ud800", "txns": []}', "not a trace"),
        (_sequential("b", [[0, 0, "a"]]), "do not end in the recorded text"),
        (_sequential("", [[0, 1, ""]]), "transaction 0 reaches to 1 of 0"),
        (_concurrent("", (2, [], [0, 0, ""])), "does not exist"),
        (_concurrent("", (0, [0], [0, 0, ""])), "does not exist"),
        (_concurrent("", (0, [], [0, 0, ""]), (0, [], [0, 0, ""])), "does not follow"),
    ],
)
def test_what_is_no_trace_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        read_trace(body)


def test_view_that_leaves_out_an_earlier_foreign_transaction_is_refused() -> None:
    body = _concurrent(
        "", (0, [], [0, 0, ""]), (1, [0], [0, 0, ""]), (2, [0], [0, 0, ""]), (0, [2], [0, 0, ""]), agents=3
    )
    with pytest.raises(TraceError, match="out of the order of the file"):
        read_trace(body)


@pytest.mark.parametrize(
    ("end", "patch", "message"),
    [
        ("a", [1, 1, ""], "behind the end"),
        ("a😀", [3, 0, ""], "behind the end"),
        ("b", [1, 0, ""], "characters"),
    ],
)
def test_intents_that_do_not_fit_are_refused(end: str, patch: list[Any], message: str) -> None:
    first = end if message == "behind the end" else "a"
    trace = read_trace(_concurrent(end, (0, [], [0, 0, first]), (1, [0], patch)))
    assert isinstance(trace, ConcurrentTrace)
    with pytest.raises(TraceError, match=message):
        find_intents(trace)


def test_identities_follow_a_delta() -> None:
    identities = [1, 2, 3, 4, 5]
    delta = Delta().retain(1).insert("😀").delete(2).retain(1).insert("x")
    assert change_identities(identities, delta, (6, 7, 8)) == [(2, 7), (3, 7)]
    assert identities == [1, 6, 7, 4, 8, 5]
    assert inserted_identities(delta, identities) == (6, 7, 8)


def test_delta_with_other_characters_than_told_is_refused() -> None:
    with pytest.raises(ValueError, match="inserts 1"):
        change_identities([], Delta().insert("a"), ())


@pytest.mark.parametrize("name", ["sveltecomponent", "friendsforever"])
def test_real_traces_end_as_recorded(name: str) -> None:
    folder = Path(os.environ.get("COEDIT_TRACES", "/nowhere"))
    require("traces", folder.is_dir(), "name the folder of the editing traces in COEDIT_TRACES")
    trace = read_trace((folder / f"{name}.json.gz").read_bytes())
    if isinstance(trace, SequentialTrace):
        assert reduce(apply, transaction_deltas(trace.transactions), Delta()).text == trace.text
    else:
        found = find_intents(trace)
        assert found.text(found.recorded_end) == trace.text
