"""The checker on histories made by hand: each kind of violation is found, and a good history has none."""

from typing import Any

import pytest

from tests.chaos.checker import judge
from tests.chaos.history import Record
from tests.chaos.replay import ReplayError, apply_delta, cells_of, normal, text_of

_CONTENT = [{"insert": "b"}, {"insert": "a", "attributes": {"bold": True}}]


def _record(what: str, **fields: Any) -> Record:
    return {"what": what, "at": 0.0, "document": "d", **fields}


def _good(**run: Any) -> list[Record]:
    """Ada writes ``a`` and ``x``, and deletes ``x``; Bob writes ``b`` before them; Ada makes the rest bold."""
    ada: dict[str, Any] = {"client": "ada", "id": "A", "epoch": 1, "me": "A"}
    bob: dict[str, Any] = {"client": "bob", "id": "B", "epoch": 1, "me": "B"}
    return [
        {"what": "run", "at": 0.0, "level": "fsync", **run},
        _record("opened", client="ada", revision=0, epoch=1, me="A"),
        _record("opened", client="bob", revision=0, epoch=1, me="B"),
        _record("edit", client="ada", inserted="ax", deleted="", restored=""),
        _record("submitted", sequence=1, inserted="ax", **ada),
        _record("acked", sequence=1, revision=1, mac="m1", **ada),
        _record("seen", revision=1, client="bob", me="B", id="A", sequence=1, epoch=1),
        _record("edit", client="bob", inserted="b", deleted="", restored=""),
        _record("submitted", sequence=1, inserted="b", **bob),
        _record("acked", sequence=1, revision=2, mac="m2", **bob),
        _record("seen", revision=2, client="ada", me="A", id="B", sequence=1, epoch=1),
        _record("edit", client="ada", inserted="", deleted="x", restored=""),
        _record("submitted", sequence=2, inserted="", **ada),
        _record("acked", sequence=2, revision=3, mac="m3", **ada),
        _record("seen", revision=3, client="bob", me="B", id="A", sequence=2, epoch=1),
        _record("replica", client="ada", revision=3, content=_CONTENT),
        _record("replica", client="bob", revision=3, content=_CONTENT),
        _record("document", head=3, mac="m3"),
        _commit(1, "A", 1, [{"insert": "ax"}]),
        _commit(2, "B", 1, [{"insert": "b"}]),
        _commit(3, "A", 2, [{"retain": 1}, {"retain": 1, "attributes": {"bold": True}}, {"delete": 1}]),
        _record("served", revision=3, content=_CONTENT),
        _record("snapshot", number=1, revision=2, content=[{"insert": "bax"}], yjs=[{"insert": "bax"}]),
    ]


def _commit(revision: int, client_id: str, sequence: int, delta: list[dict[str, Any]]) -> Record:
    facts = {"revision": revision, "id": client_id, "sequence": sequence, "delta": delta}
    return _record("commit", epoch=1, mac=f"m{revision}", holds=True, **facts)


def _find(records: list[Record], what: str, **fields: Any) -> Record:
    matching = [r for r in records if r["what"] == what and fields.items() <= r.items()]
    return matching[0]


def _kinds(records: list[Record]) -> set[str]:
    return judge(records).kinds


def test_good_history_has_no_violation() -> None:
    verdict = judge(_good())
    assert verdict.violations == ()
    assert (verdict.counts.submitted, verdict.counts.acked, verdict.counts.revisions) == (3, 3, 3)


def test_acked_submission_that_is_not_in_the_log_is_lost() -> None:
    records = _good()
    _find(records, "commit", revision=2).update(id="C", sequence=1)
    assert "lost" in _kinds(records)


def test_acked_characters_that_are_gone_are_lost() -> None:
    records = _good()
    _find(records, "commit", revision=2)["delta"] = [{"insert": "?"}]
    assert {"lost", "invented", "differs"} <= _kinds(records)


def test_unacked_submission_may_be_there_once_or_not_at_all() -> None:
    records = _good()
    records.append(_record("submitted", client="eve", id="E", sequence=1, epoch=1, inserted="e"))
    assert _kinds(records) == set()
    _find(records, "submitted", id="E")["inserted"] = "b"
    assert _kinds(records) == set()


def test_submission_that_stands_twice_in_the_log_is_repeated() -> None:
    records = _good()
    _find(records, "commit", revision=2).update(id="A", sequence=1)
    assert "repeated" in _kinds(records)


def test_character_that_is_there_twice_is_repeated_unless_an_undo_brought_it_back() -> None:
    records = _good()
    _find(records, "commit", revision=2)["delta"] = [{"insert": "bb"}]
    assert "repeated" in _kinds(records)
    _find(records, "edit", client="ada")["restored"] = "b"
    assert "repeated" not in _kinds(records)


def test_deleted_character_that_is_there_has_returned() -> None:
    records = _good()
    _find(records, "edit", deleted="x")["deleted"] = "xa"
    assert _kinds(records) == {"returned"}


def test_deletion_of_who_left_without_an_ack_may_not_have_happened() -> None:
    records = _good()
    _find(records, "edit", deleted="x").update(client="eve", deleted="xa")
    records.append(_record("left", client="eve", settled=False))
    assert _kinds(records) == set()


def test_yjs_client_may_say_things_that_become_no_commit_but_none_twice() -> None:
    records = [_record("bridged"), *_good()]
    for revision, sequence in ((1, 4), (3, 7)):
        _find(records, "commit", revision=revision)["sequence"] = sequence
    assert "order" in _kinds(records)
    for record in records:
        if record.get("client") == "ada" and "me" in record:
            record["me"] = "another"
    assert "order" not in _kinds(records)
    _find(records, "commit", revision=3)["sequence"] = 4
    assert "repeated" in _kinds(records)


def test_sequences_of_a_client_out_of_order_are_found() -> None:
    records = _good()
    _find(records, "commit", revision=3)["sequence"] = 3
    assert "order" in _kinds(records)


@pytest.mark.parametrize("what", ["acked", "seen"])
def test_revision_that_a_replica_never_got_is_a_gap(what: str) -> None:
    records = _good()
    records.remove(_find(records, what, client="ada", revision=1 if what == "acked" else 2))
    assert _kinds(records) == {"gap"}


def test_ack_that_goes_back_is_found() -> None:
    records = _good()
    records.append(dict(_find(records, "acked", client="ada", revision=1)))
    assert "went back" in _kinds(records)


def test_two_acks_of_one_submission_are_found() -> None:
    records = _good()
    _find(records, "acked", revision=3)["sequence"] = 1
    assert "two acks" in _kinds(records)


def test_revision_that_somebody_saw_as_another_submission_was_rewritten() -> None:
    records = _good()
    _find(records, "seen", revision=3)["sequence"] = 7
    assert _kinds(records) == {"rewritten"}


def test_revision_that_is_nowhere_is_a_gap() -> None:
    records = _good()
    records.remove(_find(records, "commit", revision=1))
    assert {"gap", "lost", "replay"} <= _kinds(records)


@pytest.mark.parametrize("change", [{"holds": False}, {"mac": "other"}])
def test_broken_chain_is_found(change: dict[str, Any]) -> None:
    records = _good()
    _find(records, "commit", revision=3).update(change)
    assert "chain" in _kinds(records)


@pytest.mark.parametrize(
    ("what", "name", "kind"),
    [
        ("replica", "content", "differs"),
        ("served", "content", "differs"),
        ("snapshot", "content", "snapshot's content"),
        ("snapshot", "yjs", "snapshot's yjs"),
    ],
)
def test_other_document_is_found(what: str, name: str, kind: str) -> None:
    records = _good()
    _find(records, what)[name] = [{"insert": "bax", "attributes": {"bold": True}}]
    assert _kinds(records) == {kind}


def test_replica_that_is_behind_is_found() -> None:
    records = _good()
    _find(records, "replica").update(revision=2, content=[{"insert": "bax"}])
    assert _kinds(records) == {"behind"}


@pytest.mark.parametrize("what", ["stuck", "failed", "unreadable", "exit", "rejected"])
def test_trouble_in_the_end_is_a_violation(what: str) -> None:
    assert _kinds([*_good(), _record(what, client="ada", code="x")]) == {what}


@pytest.mark.parametrize(
    ("level", "may_lose", "kinds"),
    [
        ("fsync", ["wipe"], set()),
        ("memory", ["wipe"], set()),
        ("fsync", [], {"lost", "rewritten"}),
        ("replicated", ["wipe"], {"lost", "rewritten"}),
    ],
)
def test_reported_loss_is_forgiven_where_something_may_be_lost(
    level: str, may_lose: list[str], kinds: set[str]
) -> None:
    """The third revision is lost, which deleted ``x`` and made ``a`` bold; another stands in its place."""
    records = _good(level=level, may_lose=may_lose)
    delta = [{"retain": 3, "attributes": {"bold": None}}]
    _find(records, "commit", revision=3).update(id="C", sequence=1, epoch=2, delta=delta)
    records.append(_record("reported", epoch=2, first=3, last=3))
    for claim in (*[record for record in records if record["what"] == "replica"], _find(records, "served")):
        claim["content"] = [{"insert": "bax"}]
    records.remove(_find(records, "edit", deleted="x"))
    assert _kinds(records) == kinds | ({"needless"} if not kinds else set())
    records += [_record("left", client=client, settled=True) for client in ("ada", "bob")]
    assert _kinds(records) == kinds


def test_replay_counts_code_units_and_keeps_formatting_apart() -> None:
    cells = cells_of([{"insert": "a😀"}, {"insert": {"image": "x"}}])
    apply_delta(cells, [{"retain": 3}, {"delete": 1}, {"insert": "z", "attributes": {"bold": True}}])
    assert text_of(cells) == "a😀z"
    assert [run["attributes"] for run in normal(cells)] == [{}, {"bold": True}]
    with pytest.raises(ReplayError):
        apply_delta(cells, [{"delete": 9}])
