"""What the doctor thinks of a document, from what is stored of it; no store is needed for that."""

from collections.abc import Sequence
from dataclasses import replace

import msgpack
import pytest

from coedit.crdt.document import YjsDocument
from coedit.doctor.diagnosis import Diagnosis, Stored, diagnose, spans
from coedit.doctor.plan import make_plan
from coedit.doctor.report import diagnosis_lines, plan_lines
from coedit.errors import DamagedError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import ChainKey, decode_commit, encode_commit
from coedit.store.documents.log import Position
from coedit.store.objects.archive import Segment
from coedit.store.objects.folding import Fold
from coedit.store.objects.rendered import Rendered
from coedit.store.objects.snapshots import Snapshot

NAME = DocumentId("notes")
KEY = ChainKey.derive(b"a secret for tests only")
HEAD = 12
DAMAGE = DamagedError("of another type", "log")


def _entries(count: int, epoch: int = 1) -> tuple[list[bytes], list[str]]:
    entries, macs = [], [""]
    for revision in range(1, count + 1):
        commit = Commit(
            revision=Revision(revision),
            delta=Delta().insert(f"{revision} "),
            author=AuthorId("ada"),
            client_id=ClientId("c"),
            client_sequence=ClientSequence(revision),
            at=revision,
            epoch=epoch,
        )
        sealed = KEY.seal(NAME, commit, macs[-1])
        entries.append(encode_commit(sealed))
        macs.append(sealed.mac)
    return entries, macs


ENTRIES, MACS = _entries(HEAD)
_SEVEN_TO_TWELVE = Segment(Revision(7), Revision(12))
OTHER = Rendered(Delta().insert("other"))
POSITION = Position(1, Revision(HEAD), MACS[HEAD], Revision(6), Revision(9), 2, "an incarnation")


def _snapshot(revision: int, number: int) -> Snapshot:
    fold = Fold.begin(NAME, None)
    fold.add_all(ENTRIES[:revision], KEY)
    fold.number = number - 1
    return fold.finish(1)


def healthy() -> Stored:
    """12 revisions: 1 to 6 archived in two segments, 7 to 12 in the log, snapshots of 5 and 9."""
    return Stored(
        document_id=NAME,
        position=POSITION,
        fields=(b"",) * 8,
        log=[(f"{revision}-0", ENTRIES[revision - 1]) for revision in range(7, HEAD + 1)],
        segments={
            Segment(Revision(1), Revision(3)): ENTRIES[:3],
            Segment(Revision(4), Revision(6)): ENTRIES[3:6],
        },
        snapshots={1: _snapshot(5, 1), 2: _snapshot(9, 2)},
        quarantine=None,
        is_changed=True,
        is_owned=True,
    )


def log_without(*revisions: int) -> list[tuple[str, bytes]]:
    return [(name, entry) for name, entry in healthy().log if int(name[:-2]) not in revisions]  # type: ignore[union-attr]


def check(stored: Stored) -> Diagnosis:
    diagnosis = diagnose(stored, KEY)
    print("\n".join([*diagnosis_lines(diagnosis), *plan_lines(make_plan(diagnosis))]))
    return diagnosis


def test_healthy_document_is_found_healthy_and_would_be_left_as_it_is() -> None:
    diagnosis = check(healthy())
    plan = make_plan(diagnosis)
    assert diagnosis.is_healthy
    assert diagnosis.reached.content.text == "".join(f"{revision} " for revision in range(HEAD, 0, -1))
    assert plan.after == healthy().position
    assert (plan.log, plan.makes_snapshot, plan.begins_epoch) == (None, False, False)
    assert [plan.bad_snapshots, plan.bad_segments, plan.new_segments, plan.forgotten] == [()] * 4


def test_new_document_is_healthy() -> None:
    stored = Stored(NAME, None, (b"",) * 8, [], {}, {}, None, is_changed=False, is_owned=True)
    assert check(stored).is_healthy


@pytest.mark.parametrize(
    "change",
    [
        {"position": None},
        {"position": DAMAGE, "fields": None},
        {"position": replace(POSITION, mac="x")},
        {
            "position": replace(
                POSITION,
                head=Revision(11),
            )
        },
        {"snapshots": {1: _snapshot(5, 1), 2: DAMAGE}},
        {"snapshots": {1: _snapshot(5, 1)}},
        {"snapshots": {}},
        {"snapshots": {1: _snapshot(5, 1), 2: replace(_snapshot(9, 2), mac="of a fork")}},
        {"snapshots": {1: _snapshot(5, 1), 2: replace(_snapshot(9, 2), rendered=OTHER)}},
        {"snapshots": {1: _snapshot(5, 1), 2: replace(_snapshot(9, 2), rendered=Rendered(packed=b"no"))}},
        {"snapshots": {1: _snapshot(5, 1), 2: replace(_snapshot(9, 2), update=YjsDocument(NAME).update())}},
    ],
    ids="+".join,
)
def test_what_is_stored_elsewhere_loses_nothing(change: dict[str, object]) -> None:
    diagnosis = check(replace(healthy(), **change))  # type: ignore[arg-type]
    plan = make_plan(diagnosis)
    assert not diagnosis.is_healthy
    assert not diagnosis.loses
    assert (plan.after.head, plan.after.mac, plan.after.epoch) == (HEAD, MACS[HEAD], 1)
    assert diagnosis.reached.content.text == check(healthy()).reached.content.text
    assert not plan.begins_epoch


def test_log_that_is_gone_costs_what_the_snapshot_does_not_cover() -> None:
    diagnosis = check(replace(healthy(), log=[]))
    plan = make_plan(diagnosis)
    assert diagnosis.lost == range(10, 13)
    assert (plan.after.head, plan.after.mac, plan.after.epoch, plan.after.floor) == (9, MACS[9], 2, 9)
    assert (plan.forgotten, plan.begins_epoch, plan.log) == ((7, 8, 9), True, None)


def test_gap_below_the_snapshot_costs_history_alone() -> None:
    diagnosis = check(replace(healthy(), log=log_without(8)))
    plan = make_plan(diagnosis)
    assert not diagnosis.loses
    assert (plan.after.head, plan.after.epoch, plan.after.floor) == (HEAD, 1, 8)
    assert plan.log == tuple(ENTRIES[8:])
    assert (plan.forgotten, plan.new_segments) == ((8,), (Segment(Revision(7), Revision(7)),))


def test_gap_above_the_snapshot_is_cut_back_to() -> None:
    diagnosis = check(replace(healthy(), log=log_without(11)))
    plan = make_plan(diagnosis)
    assert diagnosis.lost == range(11, 13)
    assert (plan.after.head, plan.after.mac, plan.after.epoch, plan.after.floor) == (10, MACS[10], 2, 6)
    assert plan.log == tuple(ENTRIES[6:10])


@pytest.mark.parametrize("entry", [b"\xc1", b"", ENTRIES[9], msgpack.packb({"revision": 11})])
def test_entry_that_is_not_the_commit_is_a_gap(entry: bytes) -> None:
    log = [(name, entry if name == "11-0" else kept) for name, kept in log_without()]
    assert check(replace(healthy(), log=log)).lost == range(11, 13)


def test_altered_entry_is_told_from_a_genuine_one() -> None:
    altered = msgpack.packb(msgpack.unpackb(ENTRIES[10]) | {"author": "eve"})
    log = [(name, altered if name == "11-0" else kept) for name, kept in log_without()]
    diagnosis = check(replace(healthy(), log=log))
    assert diagnosis.lost == range(11, 13)
    assert any("altered" in finding.what for finding in diagnosis.findings)


def test_commit_sealed_under_an_unknown_secret_is_no_offence_and_counted() -> None:
    diagnosis = diagnose(healthy(), ChainKey.derive(b"another secret, of a later day"))
    assert diagnosis.is_healthy
    assert diagnosis.unchecked == dict.fromkeys(range(1, HEAD + 1), KEY.key_id)
    lines = list(diagnosis_lines(diagnosis))
    assert any(line.startswith("UNCHECKED   12 revisions could not be checked") for line in lines)
    assert any(line.startswith("sound       0 revisions") for line in lines)
    assert "healthy" not in lines[-1]


def test_forged_entry_of_an_unknown_secret_does_not_take_the_place_of_a_checked_one() -> None:
    forged = decode_commit(ENTRIES[8])
    forged = replace(forged, delta=Delta().insert("evil"), key_id="00000000", at=10**12, epoch=7)
    stored = healthy()
    log = [(name, encode_commit(forged) if name == "9-0" else entry) for name, entry in stored.log]  # type: ignore[union-attr]
    diagnosis = check(replace(stored, log=log, segments={**stored.segments, _SEVEN_TO_TWELVE: ENTRIES[6:]}))
    assert (diagnosis.is_healthy, diagnosis.unchecked) == (False, {})
    assert diagnosis.commits[9] == ENTRIES[8]


def test_damaged_segment_is_made_again_of_what_another_one_has() -> None:
    segments: dict[Segment, Sequence[bytes] | DamagedError] = {
        Segment(Revision(1), Revision(3)): ENTRIES[:3],
        Segment(Revision(4), Revision(6)): DamagedError("x", "object"),
        Segment(Revision(3), Revision(5)): ENTRIES[2:5],
    }
    plan = make_plan(check(replace(healthy(), segments=segments)))
    assert plan.bad_segments == (Segment(Revision(4), Revision(6)),)
    assert plan.new_segments == ()
    assert plan.forgotten == (6,)


def test_segment_of_which_the_log_still_has_the_entries_is_made_again() -> None:
    segments = {Segment(Revision(1), Revision(3)): ENTRIES[:3]}
    log = [(f"{revision}-0", ENTRIES[revision - 1]) for revision in range(4, HEAD + 1)]
    diagnosis = check(replace(healthy(), segments=segments, log=log))
    assert diagnosis.is_healthy
    assert make_plan(diagnosis).new_segments == (Segment(Revision(4), Revision(6)),)


def test_position_and_log_both_gone_leave_the_end_unknown() -> None:
    diagnosis = check(replace(healthy(), position=None, log=[]))
    plan = make_plan(diagnosis)
    assert diagnosis.loses
    assert (plan.after.head, plan.after.epoch, plan.begins_epoch) == (9, 2, True)


def test_cut_back_document_loses_the_segments_above_it() -> None:
    """The archive reaches further than the history can be followed: what is above would be in the way."""
    segments: dict[Segment, Sequence[bytes] | DamagedError] = {
        Segment(Revision(1), Revision(3)): ENTRIES[:3],
        Segment(Revision(4), Revision(6)): DamagedError("x", "object"),
        Segment(Revision(7), Revision(8)): ENTRIES[6:8],
    }
    stored = replace(healthy(), segments=segments, snapshots={}, log=log_without(7, 8))
    diagnosis = check(stored)
    plan = make_plan(diagnosis)
    assert (diagnosis.reached.revision, diagnosis.lost) == (3, range(4, 13))
    assert set(plan.bad_segments) == {Segment(Revision(4), Revision(6)), Segment(Revision(7), Revision(8))}
    assert (plan.after.head, plan.after.floor, plan.makes_snapshot) == (3, 3, True)


def test_revisions_are_named_in_spans() -> None:
    assert spans([3]) == "revision 3"
    assert spans([3, 4, 5, 9]) == "revisions 3-5, 9"
