"""The judges of attackers on histories made by hand: each kind of harm is found, and a good history has none."""

import re
from typing import Any

import pytest

from tests.chaos.checker import judge
from tests.chaos.history import Record
from tests.chaos.judge_people import BUDGET_BYTES, MIB
from tests.chaos.people.scene import LEFT_OPEN, OWN
from tests.chaos.plan import BOTH, MACHINES, PEOPLE_ALONE, QUIET
from tests.chaos.report_people import people_lines
from tests.system import ROOT


def _good(**run: Any) -> list[Record]:
    """Four phases of ten seconds; in each, Ada's edits take a tenth of a second."""
    records: list[Record] = [{"what": "run", "at": 0.0, "level": "fsync", "is_timed": True, **run}]
    for number, name in enumerate((QUIET, PEOPLE_ALONE, MACHINES, BOTH)):
        at = 10.0 * number
        about = {"process": "gateway-0", "phase": name}
        records += [
            {"what": "phase", "at": at, "name": name},
            {"what": "memory", "at": at + 1, **about, "bytes": 100 * MIB},
            {"what": "lag", "at": at + 1, **about, "seconds": 0.1},
            *_edit(at + 2, 0.1, number + 1),
        ]
        if name in (PEOPLE_ALONE, BOTH):
            attack = {"kind": "many-keys", "rounds": 3, "answers": {"too-large": 3, "503": 1}}
            records.append({"what": "attacked", "at": at + 9, **attack})
    return [*records, _at("quarantined", 40.0, document=f"{OWN}1f", damage="cut"), _at("mixed", 40.0)]


def _at(what: str, at: float, **fields: Any) -> Record:
    return {"what": what, "at": at, "document": "d", **fields}


def _edit(at: float, seconds: float, sequence: int) -> list[Record]:
    ada: dict[str, Any] = {"client": "ada", "id": "A", "me": "A", "epoch": 1, "sequence": sequence}
    commit = {"delta": [{"insert": str(sequence)}], "holds": True}
    return [
        _at("submitted", at, **ada, inserted=str(sequence)),
        _at("acked", at + seconds, **ada, revision=sequence, mac=f"m{sequence}"),
        _at("commit", at, **ada, **commit, revision=sequence, mac=f"m{sequence}"),
    ]


def _kinds(records: list[Record]) -> set[str]:
    return judge(records).kinds


def _slow(records: list[Record], phase: int, seconds: float) -> None:
    acked = [record for record in records if record["what"] == "acked"][phase]
    acked["at"] += seconds


def test_good_history_has_no_violation_and_a_report() -> None:
    assert _kinds(_good()) == set()
    report = "\n".join(people_lines(_good()))
    assert "| many-keys | 2 | 6 | too-large 6, 503 2 |" in report
    assert "| gateway-0 | 1024 | 100; 0.1 |" in report
    assert "1 of the attackers' own documents" in report


def test_run_without_people_reports_nothing_of_them() -> None:
    assert people_lines([record for record in _good() if record["what"] != "attacked"]) == []


def test_quarantine_of_a_document_of_others_is_found() -> None:
    assert _kinds([*_good(), _at("quarantined", 40.0, document="market day", damage="cut")]) == {
        "quarantined"
    }


@pytest.mark.parametrize(("at", "last"), [(5.0, 1), (15.0, 2), (35.0, 10**12)])
def test_loss_that_did_not_happen_is_found(at: float, last: int) -> None:
    reported = _at("reported", at, epoch=2, first=last, last=last)
    assert "false loss" in _kinds([*_good(may_lose=["redis-wipe"]), reported])


def test_loss_by_a_machine_is_none_that_was_made_up() -> None:
    reported = _at("reported", 35.0, epoch=2, first=4, last=4)
    assert "false loss" not in _kinds([*_good(may_lose=["redis-wipe"]), reported])


@pytest.mark.parametrize("answer", ["internal", "500", "1011", "4500"])
def test_bug_that_an_attacker_was_told_of_is_found(answer: str) -> None:
    attacked = {"kind": "x", "rounds": 1, "answers": {answer: 1}}
    assert _kinds([*_good(), {"what": "attacked", "at": 35.0, **attacked}]) == {"bug"}


def test_socket_that_is_left_open_is_found_where_no_machine_failed() -> None:
    attacked = {"what": "attacked", "kind": "x", "rounds": 1, "answers": {LEFT_OPEN: 1}}
    assert _kinds([*_good(), attacked | {"at": 35.0}]) == set()
    records = sorted([*_good(), attacked | {"at": 15.0}], key=lambda record: float(record["at"]))
    assert _kinds(records) == {"bug"}


def test_attacker_who_broke_down_attacked_nobody() -> None:
    attacked = {"kind": "x", "rounds": 0, "answers": {}, "error": "KeyError"}
    assert _kinds([*_good(), {"what": "attacked", "at": 35.0, **attacked}]) == {"attacker"}


def test_connections_that_stay_when_their_clients_have_gone_are_found() -> None:
    leaked = {
        "connections": {"gateway-0": 40},
        "counted": {"gateway-0": 15},
        "clients": 15,
        "error": "not within 60 s",
    }
    assert _kinds([*_good(), _at("leaked", 40.0, **leaked)]) == {"leaked"}


@pytest.mark.parametrize("is_timed", [True, False])
def test_process_above_its_budget_is_found_whatever_the_machine(is_timed: bool) -> None:
    memory = {"process": "gateway-0", "phase": BOTH, "bytes": BUDGET_BYTES["gateway"] + MIB}
    assert _kinds([*_good(is_timed=is_timed), _at("memory", 35.0, **memory)]) == {"memory"}


@pytest.mark.parametrize(("phase", "kinds"), [(PEOPLE_ALONE, {"lag"}), (MACHINES, set()), (BOTH, set())])
def test_loop_that_stands_still_is_found_where_no_process_is_paused(phase: str, kinds: set[str]) -> None:
    lag = _at("lag", 35.0, process="gateway-0", phase=phase, seconds=1.0)
    assert _kinds([*_good(), lag]) == kinds
    assert _kinds([*_good(is_timed=False), lag]) == set()


def test_process_without_the_metric_is_named() -> None:
    (violation,) = judge([*_good(), _at("no lag", 35.0, process="presence-0", phase=BOTH)]).violations
    assert violation.kind == "no lag"
    assert "presence-0 has no metric coedit_loop_lag_seconds" in violation.detail


@pytest.mark.parametrize(("phase", "bound"), [(1, 5.0), (3, 45.0)])
def test_edit_that_takes_too_long_with_people_is_found(phase: int, bound: float) -> None:
    records = _good()
    _slow(records, phase, bound - 0.3)
    assert _kinds(records) == set()
    _slow(records, phase, 0.3)
    assert _kinds(records) == {"slow"}
    records[0]["is_timed"] = False
    assert _kinds(records) == set()


@pytest.mark.parametrize(("phase", "factor", "usual"), [(1, 10, 1.0), (3, 2, 30.0)])
def test_bound_of_an_edit_is_a_multiple_of_what_it_takes_without_people(
    phase: int, factor: int, usual: float
) -> None:
    records = _good()
    _slow(records, phase - 1, usual - 0.1)
    _slow(records, phase, factor * usual - 0.2)
    assert _kinds(records) == set()
    _slow(records, phase, 0.2)
    assert _kinds(records) == {"slow"}


def test_edit_that_is_never_answered_takes_to_the_end_of_its_phase() -> None:
    records = _good()
    ada: dict[str, Any] = {"client": "ada", "id": "A", "me": "A", "epoch": 1, "sequence": 9}
    at = next(n for n, record in enumerate(records) if record["at"] > 12)
    records.insert(at, _at("submitted", 12.0, **ada, inserted=""))
    assert _kinds(records) == {"slow"}
    records.append(_at("left", 39.0, client="ada", settled=False))
    assert _kinds(records) == set()


def test_characters_of_attackers_are_not_invented_where_they_edit_too() -> None:
    content = [_at("document", 40.0, head=4, mac="m4")]
    stranger = _at("commit", 1.0, id="E", sequence=1, epoch=1, revision=1, mac="m1", holds=True)
    records = [*_good(), *content]
    assert "lost" not in _kinds(records)
    unmixed = [record for record in records if record["what"] != "mixed"]
    changed = [
        stranger | {"delta": [{"insert": "evil"}]}
        if record.get("mac") == "m1" and "delta" in record
        else record
        for record in unmixed
    ]
    assert "invented" in _kinds(changed)
    assert "invented" not in _kinds([*changed, _at("mixed", 40.0)])


@pytest.mark.parametrize("service", BUDGET_BYTES)
def test_budget_is_what_the_manifest_gives(service: str) -> None:
    manifest = (ROOT / f"deploy/k8s/base/{service}.yaml").read_text()
    found = re.search(r"limits:(?:\s+#[^\n]*)*\s+memory: (\d+)(Mi|Gi)", manifest)
    assert found is not None
    assert int(found[1]) * (MIB if found[2] == "Mi" else 1024 * MIB) == BUDGET_BYTES[service]
