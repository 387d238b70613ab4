"""What a diagnosis and a repair say to an operator, in lines. Pure."""

from collections.abc import Iterator

from coedit.doctor.diagnosis import Diagnosis, Stored, spans, unchecked_message
from coedit.doctor.plan import Plan
from coedit.errors import DamagedError


def diagnosis_lines(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield what is stored of a document, and what is wrong with it."""
    stored = diagnosis.stored
    yield f"document    {stored.document_id}"
    yield f"owner       {'a transformer' if stored.is_owned else 'none at the moment'}"
    yield f"position    {_position(stored)}"
    yield f"log         {_log(stored)}"
    yield f"archive     {_archive(stored)}"
    yield f"snapshots   {_snapshots(diagnosis)}"
    checked = len(diagnosis.commits) - len(diagnosis.unchecked)
    yield f"sound       {checked} revisions, each checked behind the one before"
    if message := unchecked_message(diagnosis):
        yield f"UNCHECKED   {message}"
    yield f"quarantine  {_quarantine(stored)}"
    for finding in diagnosis.findings:
        yield f"{'note ' if finding.is_settled else 'WRONG'}       {finding.where}: {finding.what}"
    yield f"verdict     {verdict(diagnosis)}"


def verdict(diagnosis: Diagnosis) -> str:
    """Return the last word on a document."""
    if diagnosis.is_healthy:
        ended = "" if diagnosis.stored.quarantine is None else ", and quarantined: --repair lifts that"
        known = "healthy" if not diagnosis.unchecked else "nothing wrong was found of what could be checked,"
        return f"{known} at revision {diagnosis.reached.revision}{ended}"
    if not diagnosis.loses:
        return f"damaged; everything up to revision {diagnosis.reached.revision} is there: --repair puts it right"
    what = spans(diagnosis.lost) if diagnosis.lost else "what came later, if anything,"
    return (
        f"damaged; sound up to revision {diagnosis.reached.revision}, {what} lost: "
        "--repair --accept-loss goes on without"
    )


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield what was done to a document."""
    after = plan.after
    yield f"repaired    epoch {after.epoch}, revision {after.head}, mac {after.mac or 'none'}"
    if plan.log is not None:
        yield f"            the log was written again, from revision {after.floor + 1} on"
    for segment in plan.new_segments:
        yield f"            revisions {segment.first}-{segment.last} were archived"
    if plan.makes_snapshot:
        yield f"            a snapshot was made of revision {after.head}"
    if plan.remakes_items:
        yield "            the Yjs items were made again, and fold to the text"
    taken = [f"snapshot {number}" for number in plan.bad_snapshots]
    taken += [f"segment {segment.first}-{segment.last}" for segment in plan.bad_segments]
    if taken:
        yield f"            taken away, and kept under damaged/: {', '.join(taken)}"
    if plan.forgotten:
        yield f"            {spans(plan.forgotten)} can be read no more; the document contains them"
    if plan.begins_epoch:
        what = spans(plan.lost) if plan.lost else "unknown revisions above the head, if there were any"
        yield f"LOST        {what}; epoch {after.epoch} began"


def _position(stored: Stored) -> str:
    position = stored.position
    if isinstance(position, DamagedError):
        return f"unreadable: {position}"
    if position is None:
        return "not in Redis"
    return (
        f"epoch {position.epoch}, head {position.head}, mac {position.mac or 'none'}, floor {position.floor}, "
        f"snapshot {position.snapshot} (number {position.number})"
    )


def _log(stored: Stored) -> str:
    if isinstance(stored.log, DamagedError):
        return f"unreadable: {stored.log}"
    if not stored.log:
        return "empty, or not in Redis"
    return f"{len(stored.log)} entries, {stored.log[0][0]} to {stored.log[-1][0]}"


def _archive(stored: Stored) -> str:
    if not stored.segments:
        return "no segments"
    covered = sorted({revision for first, last in stored.segments for revision in range(first, last + 1)})
    return f"{len(stored.segments)} segments: {spans(covered)}"


def _snapshots(diagnosis: Diagnosis) -> str:
    snapshots = diagnosis.stored.snapshots
    if not snapshots:
        return "none"
    newest = max(snapshots)
    snapshot = snapshots[newest]
    where = "unreadable" if isinstance(snapshot, DamagedError) else f"at revision {snapshot.revision}"
    return f"{len(snapshots)}, {len(diagnosis.sound_snapshots)} of them sound; the newest is number {newest}, {where}"


def _quarantine(stored: Stored) -> str:
    damage = stored.quarantine
    if damage is None:
        return "no"
    where = f" at revision {damage.revision}" if damage.revision else ""
    return f"yes: {damage.reason}{where}, found by a {damage.found_by}: {damage.message}"
