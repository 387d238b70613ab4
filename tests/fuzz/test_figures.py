"""What is found in the figures of a run: each kind of harm, and nothing in good ones."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.judge_people import BUDGET_BYTES, MIB
from tests.fuzz.figures import Figures, findings, render
from tests.fuzz.fuzzer import DOORS
from tests.fuzz.logs import defects
from tests.fuzz.tally import Tally


def _good() -> Figures:
    doors = [
        {"door": door, "sequences": 9, "sent": 50, "answers": {"malformed": 7}, "bugs": []} for door in DOORS
    ]
    sizes = {"gateway-0": 100 * MIB}
    return Figures(
        seed=1,
        seconds=60,
        doors=doors,
        waits=[0.1, 0.2],
        quarantined=["fuzz/yjs/1"],
        early_bytes=sizes,
        highest_bytes={"gateway-0": 150 * MIB},
        last_bytes=sizes,
        sockets={"gateway-0": 0},
    )


def test_good_figures_have_no_findings() -> None:
    assert findings(_good()) == []
    assert "**passed**" in render(_good())
    assert "| yjs | 9 | 50 | malformed 7 |" in render(_good())


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"fuzzer_error": "KeyError"}, "the fuzzer broke down"),
        ({"exits": ["gateway-0: Killed"]}, "crash"),
        ({"tracebacks": ["gateway-0: ValueError"]}, "traceback"),
        ({"waits": []}, "bystander"),
        ({"troubles": ["ot: TimeoutError()"]}, "bystander"),
        ({"quarantined": ["bystander"]}, "quarantined"),
        ({"highest_bytes": {"gateway-0": BUDGET_BYTES["gateway"] + MIB}}, "memory"),
        ({"last_bytes": {"gateway-0": 250 * MIB}}, "memory"),
        ({"sockets": {"gateway-0": 3}}, "sockets"),
    ],
)
def test_each_kind_of_harm_is_found(change: dict[str, Any], kind: str) -> None:
    figures = replace(_good(), **change)
    (line,) = findings(figures)
    assert line.startswith(kind)
    assert f"**FAILED**\n- 1 × {kind}" in render(figures)


def test_door_that_nobody_came_through_is_found() -> None:
    figures = _good()
    figures.doors[2] |= {"sent": 0}
    assert findings(figures) == ["nothing was sent to yjs, or nothing answered"]


@pytest.mark.parametrize("answer", ["500", "502", "internal", "1011", "4500"])
def test_answer_that_no_client_may_get_is_found_with_what_was_sent(answer: str, tmp_path: Path) -> None:
    tally = Tally("rest", tmp_path / "sent.jsonl")
    tally.note_sent("GET /metrics")
    tally.note_answer("503")
    assert tally.bugs == []
    tally.note_answer(answer)
    figures = _good()
    figures.doors[4] = tally.to_json()
    (line,) = findings(figures)
    assert line == f"bug: rest answered {answer} in sequence 0, after 'GET /metrics'"
    assert "GET /metrics" in (tmp_path / "sent.jsonl").read_text()


def test_tracebacks_are_found_in_logs_bare_or_as_json(tmp_path: Path) -> None:
    bare = 'Traceback (most recent call last):\n  File "/x/services/a.py", line 3, in f\n    g()\nKeyError: 1'
    told = 'Traceback (most recent call last):\n  File "/x/b.py", line 1\nOSError: 2'
    as_json = json.dumps({"event": "x", "exception": told})
    log = tmp_path / "gateway-0.log"
    log.write_text(
        "\n".join(['{"event":"started"}', bare, as_json, as_json, '{"event": "defect", "message": "m"}'])
    )
    found = defects(log)
    assert [line.partition(",")[0] for line in found] == [
        '2 × OSError at b.py"',
        '1 × KeyError at a.py"',
        "1 × m at ",
    ]
    assert defects(tmp_path / "none.log") == []
