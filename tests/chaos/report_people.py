"""The part of the report that is about attackers, and about what processes took."""

from collections import Counter
from collections.abc import Sequence

from tests.chaos.evidence import Evidence
from tests.chaos.history import Record
from tests.chaos.judge_people import BUDGET_BYTES, MIB, phase_spans
from tests.chaos.people.scene import OWN
from tests.chaos.timing import Wait, longest_silence, waits_between

_SHOWN_ANSWERS = 6


def people_lines(records: Sequence[Record]) -> list[str]:
    """Return what attackers did and were answered, and what each phase and each process was like; empty without any."""
    evidence = Evidence.of(records)
    attacked = evidence.others["attacked"]
    if not attacked:
        return []
    own = sum(record["document"].startswith(OWN) for record in evidence.others["quarantined"])
    return [
        *_attacks(attacked),
        "",
        f"{own} of the attackers' own documents were quarantined in the end.",
        "",
        *_phases(evidence),
        "",
        *_processes(evidence),
        "",
    ]


def _attacks(attacked: list[Record]) -> list[str]:
    lines = ["| people | times | rounds | answers |", "|---|---|---|---|"]
    for kind in sorted({record["kind"] for record in attacked}):
        mine = [record for record in attacked if record["kind"] == kind]
        answers: Counter[str] = Counter()
        for record in mine:
            answers.update(record["answers"])
        told = ", ".join(f"{name} {count}" for name, count in answers.most_common(_SHOWN_ANSWERS))
        lines.append(f"| {kind} | {len(mine)} | {sum(record['rounds'] for record in mine)} | {told} |")
    return lines


def _phases(evidence: Evidence) -> list[str]:
    lines = [
        "| phase | s | acks | median, s | 99 %, s | longest, s | no ack to anybody, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (began_at, ended_at) in phase_spans(evidence).items():
        found = waits_between(evidence, began_at, ended_at)
        silence = longest_silence(found, began_at, ended_at)
        times = " | ".join(f"{_at(found, share):.2f}" for share in (0.5, 0.99, 1.0))
        lines.append(f"| {name} | {ended_at - began_at:.0f} | {len(found)} | {times} | {silence:.1f} |")
    return lines


def _at(found: Sequence[Wait], share: float) -> float:
    times = sorted(wait.acked_at - wait.submitted_at for wait in found)
    return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0


def _processes(evidence: Evidence) -> list[str]:
    phases = list(phase_spans(evidence))
    lines = [
        "| process | budget, MiB | " + " | ".join(f"{phase}, MiB; still for, s" for phase in phases) + " |",
        "|---|---|" + "---|" * len(phases),
    ]
    for process in sorted({record["process"] for record in evidence.others["memory"]}):
        cells = [
            f"{_most(evidence, 'memory', 'bytes', process, phase) / MIB:.0f}; "
            f"{_most(evidence, 'lag', 'seconds', process, phase):g}"
            for phase in phases
        ]
        budget = BUDGET_BYTES[process.partition("-")[0]] // MIB
        lines.append(f"| {process} | {budget} | {' | '.join(cells)} |")
    return lines


def _most(evidence: Evidence, what: str, figure: str, process: str, phase: str) -> float:
    return max(
        (
            float(record[figure])
            for record in evidence.others[what]
            if record["process"] == process and record["phase"] == phase
        ),
        default=0.0,
    )
