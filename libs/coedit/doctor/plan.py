"""How a damaged document is put right: what it becomes, and of what that is made. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from coedit.doctor.diagnosis import Diagnosis
from coedit.errors import DamagedError
from coedit.identifiers import Revision
from coedit.store.documents.log import Position
from coedit.store.objects.archive import Segment

_SEGMENT_COMMITS = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a document becomes."""

    after: Position
    log: tuple[bytes, ...] | None
    """The log, where it has to be written again."""
    makes_snapshot: bool
    """Whether a snapshot is made at the head, whose number is then the next free one."""
    bad_snapshots: tuple[int, ...]
    bad_segments: tuple[Segment, ...]
    """What is taken away."""
    new_segments: tuple[Segment, ...]
    lost: range
    """Revisions whose content is gone."""
    forgotten: tuple[int, ...]
    """Revisions that the document still contains, and that can be read no more."""
    begins_epoch: bool
    """Whether something is given up: then clients must not take the history for the one that they know."""
    remakes_items: bool
    """Whether the snapshot holds other Yjs items than the history makes: then no cached document may go on."""


def make_plan(diagnosis: Diagnosis) -> Plan:
    """Return how a document is put together as far as it can be."""
    stored, reached, position = diagnosis.stored, diagnosis.reached, diagnosis.stored.sound_position
    floor = _floor(diagnosis)
    newest, noted = max(stored.snapshots, default=0), position.number if position else 0
    covered = _covered(diagnosis)
    makes_snapshot = (
        (newest > 0 and newest not in diagnosis.sound_snapshots)
        or newest < noted
        or covered < floor
        or diagnosis.needs_items
    )
    # What a snapshot covers, donors let go of.
    bad_segments, new_segments = _segments(diagnosis, diagnosis.reached.revision if makes_snapshot else floor)
    log = tuple(diagnosis.commits[revision] for revision in range(floor + 1, reached.revision + 1))
    after = Position(
        (position.epoch if position else reached.epoch) + int(diagnosis.loses or diagnosis.needs_items),
        reached.revision,
        reached.mac,
        floor,
        reached.revision if makes_snapshot else covered,
        max(newest, noted),
        position.incarnation if position else "",
        _lost(diagnosis),
        diagnosis.sound.bridge,
    )
    return Plan(
        after,
        None if _is_log(diagnosis, floor, log) else log,
        makes_snapshot,
        tuple(sorted(stored.snapshots.keys() - diagnosis.sound_snapshots)),
        bad_segments,
        new_segments,
        diagnosis.lost,
        tuple(revision for revision in range(1, reached.revision + 1) if revision not in diagnosis.commits),
        diagnosis.loses,
        diagnosis.needs_items,
    )


def _lost(diagnosis: Diagnosis) -> str:
    """Return what clients that come back later are told of what was lost when the epoch began."""
    if diagnosis.lost:
        return f"{diagnosis.lost[0]}-{diagnosis.lost[-1]}"
    position = diagnosis.stored.sound_position
    return position.lost if position is not None and not diagnosis.loses else ""


def _floor(diagnosis: Diagnosis) -> Revision:
    """Return below which revision the log begins: where it did, unless something is missing above that."""
    position = diagnosis.stored.sound_position
    lowest = position.floor if position is not None else _bottom_of_log(diagnosis)
    floor = diagnosis.reached.revision
    while floor > lowest and floor in diagnosis.commits:
        floor = Revision(floor - 1)
    return floor


def _bottom_of_log(diagnosis: Diagnosis) -> int:
    log = diagnosis.stored.log
    if isinstance(log, DamagedError) or not log:
        return max((segment.last for segment in diagnosis.stored.segments), default=0)
    return max(0, int(log[0][0].partition("-")[0]) - 1)


def _covered(diagnosis: Diagnosis) -> Revision:
    """Return what the newest snapshot covers, if that is sound."""
    snapshot = diagnosis.stored.snapshots.get(max(diagnosis.sound_snapshots, default=0))
    return Revision(0) if snapshot is None or isinstance(snapshot, DamagedError) else snapshot.revision


def _segments(diagnosis: Diagnosis, last: int) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Return the segments that are taken away, and those that are made of what is sound up to ``last``."""
    bad = tuple(segment for segment in diagnosis.stored.segments if not _is_sound(diagnosis, segment))
    kept: set[int] = set()
    for segment in diagnosis.stored.segments:
        if segment not in bad:
            kept |= set(range(segment.first, segment.last + 1))
    wanted = [
        revision for revision in range(1, last + 1) if revision in diagnosis.commits and revision not in kept
    ]
    return bad, tuple(_runs(wanted))


def _is_sound(diagnosis: Diagnosis, segment: Segment) -> bool:
    entries = diagnosis.stored.segments[segment]
    if isinstance(entries, DamagedError) or segment.last > diagnosis.reached.revision:
        return False
    return all(
        diagnosis.commits.get(revision) == entry for revision, entry in enumerate(entries, segment.first)
    )


def _runs(revisions: list[int]) -> Iterator[Segment]:
    start = 0
    for end in range(1, len(revisions) + 1):
        is_last = end == len(revisions) or revisions[end] != revisions[end - 1] + 1
        if is_last or end - start == _SEGMENT_COMMITS:
            yield Segment(Revision(revisions[start]), Revision(revisions[end - 1]))
            start = end


def _is_log(diagnosis: Diagnosis, floor: int, log: tuple[bytes, ...]) -> bool:
    """Return whether Redis has this log already."""
    stored = diagnosis.stored.log
    return not isinstance(stored, DamagedError) and list(stored) == [
        (f"{revision}-0", entry) for revision, entry in enumerate(log, floor + 1)
    ]
