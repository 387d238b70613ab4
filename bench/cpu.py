"""CPU time of processes, as Linux counts it."""

import os
import platform
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process, all its threads.

    To the nanosecond where the kernel counts so (sched-stats, field 1); otherwise in ticks of 10 ms (proc(5), fields 14
    and 15 of stat), which is a few per cent of what a light load costs in some seconds.
    """
    try:
        threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
        counted = sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
    except OSError:  # a thread ended meanwhile
        counted = 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    in_ticks = (int(fields[11]) + int(fields[12])) / _TICKS
    # What ended threads used is only in the ticks.
    return counted if abs(counted - in_ticks) < 2 / _TICKS else in_ticks


def machine() -> dict[str, object]:
    """Return what the figures depend on."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": model[0].partition(":")[2].strip() if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
    }
