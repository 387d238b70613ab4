"""What processes take of the machine, as the kernel and their own metrics say."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LAG_BUCKET = re.compile(r'^coedit_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)
_LAG_METRIC = "coedit_loop_lag_seconds"
_PAGE_BYTES = 4096
_CONNECTED = ("01", "02", "03", "08")
"""States of TCP: established, on the way there, or left by the other side and not yet by this one."""


def resident_bytes(pid: int) -> int:
    """Return what a process and its children have in memory; 0 of one that is gone."""
    return sum(_resident_bytes(each) for each in (pid, *_children(pid)))


def sockets_at(port: int) -> int:
    """Return how many connections there are to a port of this machine, whoever counts them or not."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    local = f":{port:04X}"
    return sum(line.split()[1].endswith(local) and line.split()[3] in _CONNECTED for line in lines)


class LagGauge:
    """The longest standstill of a process's loop between two looks at its metrics."""

    def __init__(self) -> None:
        self._before: dict[float, float] = {}

    def read(self, page: str) -> float | None:
        """Return more than how many seconds it stood still since the last look; None where the metric is absent.

        It is the lower edge of the highest bucket that something came into.
        """
        if _LAG_METRIC not in page:
            return None
        counts = {float(edge): float(count) for edge, count in _LAG_BUCKET.findall(page)}
        if sum(counts.values()) < sum(self._before.values()):
            self._before = {}  # it is another process now
        before, self._before = self._before, counts
        return _lower_edge(counts, before)


def _lower_edge(counts: dict[float, float], before: dict[float, float]) -> float:
    edges = sorted(counts)
    new = {edge: counts[edge] - before.get(edge, 0.0) for edge in edges}
    longest = 0.0
    for lower, edge in zip([0.0, *edges], edges, strict=False):
        if new[edge] > new.get(lower, 0.0):
            longest = lower
    return longest


def _resident_bytes(pid: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    return 0


def _children(pid: int) -> Iterator[int]:
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text().split()):
                yield child
                yield from _children(child)
