"""The report of a run, as text that is also Markdown."""

from collections import Counter
from collections.abc import Sequence

from tests.chaos.checker import Verdict
from tests.chaos.history import Record
from tests.chaos.report_people import people_lines
from tests.chaos.timing import felt_by_kind, injected, longest_silence, longest_wait, waits

_SHOWN_VIOLATIONS = 20


def render(records: Sequence[Record], verdict: Verdict, uncovered: Sequence[str]) -> str:
    """Return the report: what was asked for, what was done, what became of the edits, and the verdict."""
    run = records[0]
    lines = [
        f"## Seed {run['seed']}, {run['level']}, {run['server']}, {run['seconds']:.0f} s",
        "",
        *_figures(records, verdict),
        "",
        *_faults(records),
        "",
        *people_lines(records),
        *_verdict(verdict, uncovered),
    ]
    return "\n".join(lines) + "\n"


def is_passed(verdict: Verdict, uncovered: Sequence[str]) -> bool:
    """Return whether nothing is wrong, and every wanted kind of faults was injected."""
    return not verdict.violations and not uncovered


def _figures(records: Sequence[Record], verdict: Verdict) -> list[str]:
    counts, found = verdict.counts, waits(records)
    faults = injected(records)
    whole = longest_silence(found, 0.0, max((wait.acked_at for wait in found), default=0.0))
    documents = sum(record["what"] == "document" for record in records)
    resets = sum(record["what"] == "reset" for record in records)
    edits = sum(record["what"] == "edit" for record in records)
    restarts = sum(record["what"] == "waited" for record in records)
    kinds = len({fault.kind for fault in faults})
    return [
        f"- {len(faults)} faults of {kinds} kinds; {restarts} starts in vain while a store was away",
        f"- {edits} edits of characters, as {counts.submitted} submissions, {counts.acked} of them acked",
        f"- **{counts.lost} lost, {counts.repeated} repeated, {counts.rejected} rejected**",
        f"- {counts.revisions} revisions of {documents} documents; {counts.reported} reported as lost",
        f"- {resets} times a replica was told that the server has another history, and loaded it",
        f"- longest time without an ack to anybody {whole:.1f} s, of one edit {longest_wait(found):.1f} s",
    ]


def _faults(records: Sequence[Record]) -> list[str]:
    targets: dict[str, Counter[str]] = {}
    for fault in injected(records):
        targets.setdefault(fault.kind, Counter())[fault.target] += 1
    lines = [
        "| fault | times | at | no ack to anybody, s | next ack after its end, s |",
        "|---|---|---|---|---|",
    ]
    for kind, felt in felt_by_kind(records).items():
        places = ", ".join(f"{target} {count}" for target, count in sorted(targets[kind].items()))
        back = "" if felt.back_seconds is None else f"{felt.back_seconds:.1f}"
        lines.append(f"| {kind} | {felt.times} | {places} | {felt.silence_seconds:.1f} | {back} |")
    return lines


def _verdict(verdict: Verdict, uncovered: Sequence[str]) -> list[str]:
    lines = [f"**{'passed' if is_passed(verdict, uncovered) else 'FAILED'}**"]
    if uncovered:
        lines.append(f"- wanted and never injected: {', '.join(uncovered)}")
    kinds = Counter(violation.kind for violation in verdict.violations)
    lines += [f"- {count} × {kind}" for kind, count in kinds.most_common()]
    lines += [
        f"  - {violation.kind}, {violation.document!r}: {violation.detail[:300]}"
        for violation in verdict.violations[:_SHOWN_VIOLATIONS]
    ]
    return lines
