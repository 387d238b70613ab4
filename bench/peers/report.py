"""The figures as Markdown: for each workload a table of all systems, and coedit's targets beside what was reached."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.peers.systems.catalogue import COEDIT, Entry
from bench.peers.workload import Figure, Target, Workload
from bench.table import markdown, ranged

Figures = Mapping[str, float]
Runs = Mapping[tuple[str, str], Sequence[Figures | None]]
"""By workload and system, one for each pass; None: that pass failed."""


def report(workloads: Sequence[Workload], systems: Sequence[Entry], runs: Runs) -> str:
    """Return all tables, the targets first."""
    parts = [targets_table(workloads, runs)]
    parts += [
        f"### {workload.name}: {workload.title}\n\n{_tables(workload, systems, runs)}"
        for workload in workloads
    ]
    return "\n\n".join(part for part in parts if part)


def targets_table(workloads: Sequence[Workload], runs: Runs) -> str:
    """Return what coedit has to reach and what it has reached; ratios are of the same pass."""
    rows = [
        _target_row(workload, target, runs)
        for workload in workloads
        for target in workload.targets
        if runs.get((workload.name, COEDIT))
    ]
    header = ["workload", "figure", "against", "coedit", "peer", "ratio", "target", ""]
    return markdown(header, [row for row in rows if row]) if any(rows) else ""


def _target_row(workload: Workload, target: Target, runs: Runs) -> list[str]:
    digits = next(figure.digits for figure in workload.figures if figure.name == target.figure)
    ours = runs[workload.name, COEDIT]
    theirs = runs.get((workload.name, target.against), ()) if target.against else ours
    pairs = [
        (mine[target.figure], other[target.figure])
        for mine, other in zip(ours, theirs, strict=False)
        if mine and other and target.figure in mine and (other.get(target.figure) or not target.against)
    ]
    if not pairs:
        return []
    reached = [mine / other if target.against else mine for mine, other in pairs]
    wanted = target.ratio if target.against else target.bound
    return [
        workload.name,
        target.figure,
        target.against or "a bound",
        _shown([mine for mine, _ in pairs], digits),
        ranged([other for _, other in pairs], digits) if target.against else "",
        ranged(reached, 2) if target.against else "",
        f"≤ {wanted:g}{' ×' if target.against else ''}",
        _verdict(median(reached), wanted),
    ]


def _verdict(reached: float, wanted: float) -> str:
    if reached <= wanted:
        return "reached"
    return f"missed: {reached / wanted:.2f} × the target" if wanted else "missed"


def _tables(workload: Workload, systems: Sequence[Entry], runs: Runs) -> str:
    if workload.tables is None:
        return _table(workload, systems, runs)
    first = {entry.name: next(iter(runs.get((workload.name, entry.name), ())), None) for entry in systems}
    return workload.tables({name: figures for name, figures in first.items() if figures})


def _table(workload: Workload, systems: Sequence[Entry], runs: Runs) -> str:
    lines = [["system", *(figure.name for figure in workload.figures)]]
    for entry in systems:
        of_system = runs.get((workload.name, entry.name))
        if of_system:
            good = [run for run in of_system if run]
            cells = [_cell(good, figure) for figure in workload.figures]
            lines.append([_name(entry, len(good), len(of_system)), *cells])
    if workload.is_upright:
        turned = [list(line) for line in zip(*lines, strict=True)]
        lines = [line for line in turned if any(cell != "-" for cell in line[1:])]
    return markdown(lines[0], lines[1:])


def _name(entry: Entry, good: int, all_runs: int) -> str:
    return entry.name if good == all_runs else f"{entry.name} ({good} of {all_runs} passes)"


def _cell(runs: Sequence[Figures], figure: Figure) -> str:
    values = [run[figure.name] for run in runs if figure.name in run]
    return _shown(values, figure.digits) if values else "-"


def _shown(values: Sequence[float], digits: int) -> str:
    return ranged(values, digits) if any(values) else "0"
