"""What counts as not well, and that nothing else does."""

from dataclasses import replace
from typing import Any

import pytest

from coedit.store.deployment.notes import ROLES, ProcessNote
from coedit.store.deployment.problems import problems_of
from coedit.store.deployment.report import report_of
from coedit.store.deployment.status import DeploymentStatus, MasterStatus, ShardStatus, StoreStatus

_MASTER = MasterStatus("127.0.0.1:6379", latency_ms=0.3, append_only=True, is_writing=True)
_SHARDS = [ShardStatus(number, "aaaaaa", "bbbbbb", "cccccc", hot=3, changed=2) for number in range(4)]
_WELL = DeploymentStatus(
    "fsync",
    1,
    [_MASTER],
    _SHARDS,
    StoreStatus("file", 1.5),
    [ProcessNote(role, f"{role}-and-more", "1.0", about={}) for role in ROLES],
)


def codes(status: DeploymentStatus) -> list[str]:
    return [problem.code for problem in problems_of(status)]


def test_deployment_that_is_busy_is_well() -> None:
    assert codes(_WELL) == []
    assert report_of(_WELL)["well"] is True


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("no-owner", {"transformer": ""}),
        ("no-snapshotter", {"snapshotter": ""}),
        ("no-presence", {"presence": ""}),
        ("suspect", {"suspect": True}),
        ("quarantined", {"quarantined": 1}),
        ("behind", {"queued": 1, "queue_age_seconds": 6.0}),
        ("unsaved", {"waiting_seconds": 61.0}),
        ("unknown", {"error": "ConnectionError", "transformer": ""}),
    ],
)
def test_what_is_wrong_with_a_shard_is_named(code: str, change: dict[str, Any]) -> None:
    shards = [*_SHARDS[:2], replace(_SHARDS[2], **change), _SHARDS[3]]
    (problem,) = problems_of(replace(_WELL, shards=shards))
    assert problem.code == code
    assert problem.message.startswith("shard 2 ")


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("redis", {"error": "TimeoutError"}),
        ("redis-memory", {"memory_share": 0.81}),
        ("durability", {"append_only": False}),
        ("durability", {"is_writing": False}),
        ("durability", {"evicts": True}),
    ],
)
def test_what_is_wrong_with_a_master_is_named(code: str, change: dict[str, Any]) -> None:
    assert codes(replace(_WELL, masters=[_MASTER, replace(_MASTER, **change)])) == [code]


def test_replicas_count_where_the_level_needs_them() -> None:
    assert codes(replace(_WELL, durability="replicated")) == ["durability"]
    assert codes(replace(_WELL, durability="replicated", masters=[replace(_MASTER, replicas=1)])) == []
    assert codes(replace(_WELL, durability="memory", masters=[replace(_MASTER, append_only=False)])) == []


@pytest.mark.parametrize("role", ROLES)
def test_role_that_nobody_has_is_named(role: str) -> None:
    left = [note for note in _WELL.processes if note.role != role]
    (problem,) = problems_of(replace(_WELL, processes=left))
    assert (problem.code, role in problem.message) == ("no-process", True)


def test_stores_that_do_not_answer_are_named() -> None:
    away = replace(
        _WELL, store=StoreStatus("s3", 5000.0, "TimeoutError"), processes=[], error="ConnectionError"
    )
    assert codes(away) == ["processes", "object-store"]
    assert codes(replace(_WELL, masters=[])) == ["redis"]


def test_many_shards_are_counted_and_some_named() -> None:
    shards = [ShardStatus(number, "", "b", "c") for number in range(64)]
    (problem,) = problems_of(replace(_WELL, shards=shards))
    assert problem.message.startswith("shards 0, 1, 2, 3, 4, 5, 6, 7 and 56 more ")


def test_report_adds_up_what_gateways_say_and_shows_no_whole_token() -> None:
    about = {
        "connections": {"ot": 2, "yjs": 1},
        "documents": 3,
        "busiest_documents": [["notes", 1.5], ["other", 1.0]],
        "busiest_clients": [["client", "ada", 1.5]],
    }
    gateways = [ProcessNote("gateway", f"gateway-{number}", about=about) for number in range(2)]
    report = report_of(replace(_WELL, processes=[*_WELL.processes[1:], *gateways]))
    assert report["connections"] == {"ot": 4, "yjs": 2}
    assert report["documents"]["open"] == 6
    assert report["busiest"]["documents"][0] == {"document": "notes", "submissions_per_second": 3.0}
    assert len(report["busiest"]["clients"]) == 2
    assert {process["token"] for process in report["processes"]} >= {"gatewa"}
    assert not [process for process in report["processes"] if "busiest_documents" in process["about"]]
