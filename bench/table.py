"""The figures as a table: medians of the runs, with their range, and the ratios to the floors."""

from collections.abc import Callable, Sequence
from statistics import median

from bench.measure import Measured
from bench.scenarios import Load

Runs = Sequence[Measured]
_PROCESSES = ("gateway", "transformer", "redis", "snapshotter", "presence")


def table(loads: Sequence[Load], systems: dict[str, Runs], floors: dict[str, Runs]) -> str:
    """Return everything as Markdown, so that it can be pasted into docs/performance.md."""
    parts = [_system_table(loads, systems), _floor_table(floors), _ratio_table(loads, systems, floors)]
    return "\n\n".join(parts)


def _system_table(loads: Sequence[Load], systems: dict[str, Runs]) -> str:
    header = ["load", *(f"{name} us/edit" for name in _PROCESSES), "edits/s", "p50 ms", "p95 ms", "p99 ms"]
    header += ["us/delivery", "edits/message"]
    rows = []
    for load in loads:
        runs = systems[load.name]
        row = [load.name, *(_show(runs, _cpu(name)) for name in _PROCESSES)]
        row += [_show(runs, lambda run: run.edits_per_second), *_delays(runs)]
        row += [_show(runs, _per_delivery, 1), _show(runs, _edits_per_message, 1)]
        rows.append(row)
    return markdown(header, rows)


def _floor_table(floors: dict[str, Runs]) -> str:
    header = [
        "floor",
        "server us/edit",
        "redis us/edit",
        "client us/edit",
        "edits/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
    ]
    rows = [
        [
            name,
            *(_show(runs, _cpu(part)) for part in ("floor", "redis", "client")),
            _show(runs, lambda run: run.edits_per_second),
            *_delays(runs),
        ]
        for name, runs in floors.items()
    ]
    return markdown(header, rows)


def _ratio_table(loads: Sequence[Load], systems: dict[str, Runs], floors: dict[str, Runs]) -> str:
    """Each run against the floor of the same pass, since the machine changes between passes."""
    header = ["load", "gateway + transformer / forwarding", "with redis / forwarding", "p50 / forwarding p50"]
    rows = []
    for load in loads:
        pairs = list(zip(systems[load.name], floors[f"forward {load.name}"], strict=True))
        ours = [(run.cpu["gateway"] + run.cpu["transformer"]) / floor.cpu["floor"] for run, floor in pairs]
        whole = [
            sum(run.cpu[name] for name in ("gateway", "transformer", "redis")) / floor.cpu["floor"]
            for run, floor in pairs
        ]
        delays = [run.counts["delay_ms"]["p50"] / floor.counts["delay_ms"]["p50"] for run, floor in pairs]
        rows.append([load.name, *(ranged(values, 1) for values in (ours, whole, delays))])
    return markdown(header, rows)


def _cpu(name: str) -> Callable[[Measured], float]:
    return lambda run: run.cpu.get(name, 0.0)


def _per_delivery(run: Measured) -> float:
    return (run.cpu["gateway"] + run.cpu["transformer"]) / run.deliveries_per_edit


def _edits_per_message(run: Measured) -> float:
    return float(run.counts["edits"] / run.counts["submissions"])


def _delays(runs: Runs) -> list[str]:
    return [_show(runs, _delay(part), 2) for part in ("p50", "p95", "p99")]


def _delay(part: str) -> Callable[[Measured], float]:
    return lambda run: float(run.counts["delay_ms"][part])


def _show(runs: Runs, value: Callable[[Measured], float], digits: int = 0) -> str:
    return ranged([value(run) for run in runs], digits)


def ranged(values: Sequence[float], digits: int) -> str:
    """Return the median and, of several, the range."""
    if not any(values):
        return "-"
    middle = f"{median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [header, ["---"] * len(header), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)
