"""W9's figures: what each process used in each step, and the tables of them."""

from collections.abc import Iterator, Mapping

from bench.peers.systems.system import REDIS
from bench.peers.workload import Sample
from bench.table import markdown

OPENED = "opened"
FIRST_EDIT = "first edit, and all that follows until it rests"
WRITTEN = "written"
AT_REST = "at rest"

_MICROSECONDS, _MEGABYTES = "us", "MB"
_Figures = Mapping[str, float]


def used(step: str, count: float, before: Sample, after: Sample) -> dict[str, float]:
    """Return what each process used in a step, which did something ``count`` times, and what it takes at the end."""
    figures = dict[str, float]()
    for process, seconds in after.cpu_seconds.items():
        figures[f"{step}|{process}|{_MICROSECONDS}"] = (
            (seconds - before.cpu_seconds[process]) / max(1, count) * 1e6
        )
        figures[f"{step}|{process}|{_MEGABYTES}"] = after.resident_bytes[process] / 1e6
    return figures


def tables(of_systems: Mapping[str, _Figures]) -> str:
    """Return a table with a column for each system, and one for each system that is several processes."""
    parts = [_beside_one_another(of_systems)]
    parts += [
        f"{name}, by process:\n\n{_by_process(figures)}"
        for name, figures in of_systems.items()
        if len(_processes(figures)) > 1
    ]
    return "\n\n".join(parts)


def _beside_one_another(of_systems: Mapping[str, _Figures]) -> str:
    steps = list(dict.fromkeys(step for figures in of_systems.values() for step in _steps(figures)))
    header = ["step", "us per"]
    header += [f"{name}: {what}" for name in of_systems for what in (_MICROSECONDS, _MEGABYTES)]
    rows = []
    for step in steps:
        row = [step, _per(step)]
        for figures in of_systems.values():
            row += [_sum(figures, step, _MICROSECONDS), _sum(figures, step, _MEGABYTES)]
        rows.append(row)
    return markdown(header, rows)


def _by_process(figures: _Figures) -> str:
    processes = _processes(figures)
    header = ["step", "us per"]
    header += [f"{process} {what}" for what in (_MICROSECONDS, _MEGABYTES) for process in processes]
    rows = [
        [
            step,
            _per(step),
            *(
                f"{figures[f'{step}|{process}|{what}']:.0f}"
                for what in (_MICROSECONDS, _MEGABYTES)
                for process in processes
            ),
        ]
        for step in _steps(figures)
    ]
    return markdown(header, rows)


def _per(step: str) -> str:
    if step.endswith((OPENED, FIRST_EDIT)):
        return "document"
    if step.endswith(AT_REST):
        return "second"
    return "delivery" if step.endswith("clients") else "edit"


def _sum(figures: _Figures, step: str, what: str) -> str:
    """Return what all processes used; of the memory, without the Redis."""
    found = [
        value
        for (of_step, process, unit), value in _split(figures)
        if (of_step, unit) == (step, what) and (process != REDIS or what == _MICROSECONDS)
    ]
    return f"{sum(found):.0f}" if found else "-"


def _steps(figures: _Figures) -> list[str]:
    return list(dict.fromkeys(step for (step, _, _), _ in _split(figures)))


def _processes(figures: _Figures) -> list[str]:
    return list(dict.fromkeys(process for (_, process, _), _ in _split(figures)))


def _split(figures: _Figures) -> Iterator[tuple[tuple[str, str, str], float]]:
    for name, value in figures.items():
        step, process, what = name.split("|")
        yield (step, process, what), value
