"""When there is something to tell of documents that were edited."""

from coedit.identifiers import DocumentId
from coedit.store.keys import Shard
from services.snapshotter.schedule import Changed
from services.snapshotter.webhooks.changes import Edits

_NOTES, _PLAN = DocumentId("notes"), DocumentId("plan")


def changed(document_id: DocumentId, at_ms: float, now_ms: float) -> Changed:
    return Changed(Shard(0), document_id, at_ms, now_ms - at_ms)


def due(edits: Edits, now_ms: float, **at_ms: float) -> list[DocumentId]:
    return edits.due([changed(DocumentId(name), at, now_ms) for name, at in at_ms.items()], now_ms)


def test_it_waits_for_a_pause() -> None:
    edits = Edits(quiet_seconds=2, latest_seconds=10)
    assert due(edits, 1_000, notes=1_000) == []
    assert due(edits, 2_900, notes=2_500) == []
    assert due(edits, 4_499, notes=2_500) == []
    assert due(edits, 4_500, notes=2_500) == [_NOTES]


def test_it_waits_for_no_pause_for_longer_than_that() -> None:
    edits = Edits(quiet_seconds=2, latest_seconds=10)
    told = []
    for now in range(1_000, 30_000, 1_000):
        if due(edits, now, notes=now):
            told.append(now)
            edits.told(_NOTES, now)
    assert told == [11_000, 22_000]


def test_what_was_told_is_not_told_again_until_it_changes() -> None:
    edits = Edits(quiet_seconds=2, latest_seconds=10)
    assert due(edits, 5_000, notes=1_000, plan=1_000) == [_NOTES, _PLAN]
    edits.told(_NOTES, 1_000)
    assert due(edits, 6_000, notes=1_000, plan=1_000) == [_PLAN]
    assert due(edits, 7_000, notes=6_500, plan=1_000) == [_PLAN]
    assert due(edits, 8_500, notes=6_500, plan=1_000) == [_NOTES, _PLAN]


def test_what_changed_while_it_was_told_is_told_of_too() -> None:
    edits = Edits(quiet_seconds=2, latest_seconds=10)
    assert due(edits, 5_000, notes=1_000) == [_NOTES]
    assert due(edits, 5_100, notes=5_050) == []
    edits.told(_NOTES, 1_000)
    assert due(edits, 7_050, notes=5_050) == [_NOTES]


def test_nothing_is_kept_of_what_is_covered() -> None:
    edits = Edits(quiet_seconds=2, latest_seconds=10)
    due(edits, 1_000, notes=1_000)
    due(edits, 2_000)
    edits.told(_NOTES, 1_000)
    assert not edits._edited
