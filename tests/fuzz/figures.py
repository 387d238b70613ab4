"""What a run of the fuzz has seen, the findings in it, and the report. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.judge_people import BUDGET_BYTES, MIB

_GROWTH_FACTOR = 1.5
_GROWTH_BYTES = 96 * MIB
"""A process may end with so many times what it had when all doors had been played at for a while, and so much more."""
_SHOWN = 14


@dataclass
class Figures:
    """All that is judged."""

    seed: int
    seconds: float
    doors: list[dict[str, Any]]
    """What the fuzzer says of each door."""
    fuzzer_error: str = ""
    exits: list[str] = field(default_factory=list)
    """Processes that ended though nobody had told them to."""
    tracebacks: list[str] = field(default_factory=list)
    """The first lines of each in the logs, and log lines of defects."""
    waits: list[float] = field(default_factory=list)
    """The seconds of each edit of the bystanders."""
    troubles: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    early_bytes: dict[str, int] = field(default_factory=dict)
    highest_bytes: dict[str, int] = field(default_factory=dict)
    last_bytes: dict[str, int] = field(default_factory=dict)
    sockets: dict[str, int] = field(default_factory=dict)
    """Connections that each gateway has when everybody has gone."""


def findings(figures: Figures) -> list[str]:
    """Return what is wrong, each as a line."""
    return [line for check in _CHECKS for line in check(figures)]


def _runs(figures: Figures) -> Iterator[str]:
    if figures.fuzzer_error:
        yield f"the fuzzer broke down: {figures.fuzzer_error}"
    for door in figures.doors:
        if not door["sent"] or not door["answers"]:
            yield f"nothing was sent to {door['door']}, or nothing answered"
    yield from (f"crash: {line}" for line in figures.exits)
    yield from (f"traceback: {line}" for line in figures.tracebacks)


def _answers(figures: Figures) -> Iterator[str]:
    for door in figures.doors:
        for bug in door["bugs"]:
            sent = f"sequence {bug['sequence']}, after {bug['after'][-1][:400]!r}"
            yield f"bug: {door['door']} answered {bug['answer']} in {sent}"


def _bystander(figures: Figures) -> Iterator[str]:
    if not figures.waits:
        yield "bystander: no edit at all was acknowledged"
    yield from (f"bystander: {line}" for line in figures.troubles)
    for document in figures.quarantined:
        if not document.startswith("fuzz/"):
            yield f"quarantined: {document}, which nobody attacked"


def _takings(figures: Figures) -> Iterator[str]:
    for process, highest in figures.highest_bytes.items():
        budget = BUDGET_BYTES[process.partition("-")[0]]
        if highest > budget:
            yield f"memory: {process} took {highest // MIB} MiB of {budget // MIB}"
        bound = _GROWTH_FACTOR * figures.early_bytes.get(process, highest) + _GROWTH_BYTES
        if figures.last_bytes.get(process, 0) > bound:
            early, last = figures.early_bytes[process] // MIB, figures.last_bytes[process] // MIB
            yield f"memory: {process} grew from {early} to {last} MiB, and keeps them"
    for gateway, count in figures.sockets.items():
        if count:
            yield f"sockets: {gateway} still has {count}, and nobody is there"


_CHECKS = (_runs, _answers, _bystander, _takings)


def render(figures: Figures) -> str:
    """Return the report, as text that is also Markdown."""
    found = findings(figures)
    lines = [
        f"## Seed {figures.seed}, {figures.seconds:.0f} s",
        "",
        *_doors(figures.doors),
        "",
        *_others(figures),
        "",
        f"**{'passed' if not found else 'FAILED'}**",
        *(f"- {count} × {kind}" for kind, count in Counter(line.partition(":")[0] for line in found).items()),
        *(f"  - {line[:900]}" for line in found[:40]),
    ]
    return "\n".join(lines) + "\n"


def _doors(doors: Sequence[dict[str, Any]]) -> list[str]:
    lines = ["| door | sequences | frames or requests | answers |", "|---|---|---|---|"]
    for door in doors:
        answers = Counter(door["answers"]).most_common(_SHOWN)
        told = ", ".join(f"{name} {count}" for name, count in answers)
        lines.append(f"| {door['door']} | {door['sequences']} | {door['sent']} | {told} |")
    return lines


def _others(figures: Figures) -> list[str]:
    waits = sorted(figures.waits) or [0.0]
    takings = ", ".join(
        f"{process} {figures.early_bytes.get(process, 0) // MIB} → {figures.last_bytes.get(process, 0) // MIB}"
        f" (at most {highest // MIB})"
        for process, highest in sorted(figures.highest_bytes.items())
    )
    edits = (
        f"- {len(figures.waits)} edits of bystanders: median {waits[len(waits) // 2]:.2f} s, "
        f"the longest {waits[-1]:.1f} s; {len(figures.troubles)} troubles"
    )
    ends = (
        f"- {len(figures.exits)} crashes, {len(figures.tracebacks)} tracebacks, "
        f"{sum(figures.sockets.values())} sockets left, {len(figures.quarantined)} documents quarantined"
    )
    return [edits, f"- MiB of memory, early → in the end: {takings}", ends]
