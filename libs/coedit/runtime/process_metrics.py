"""What every process tells of itself: which build it is, how far Redis is, and for how long garbage held it up."""

import gc
import platform
import time
from importlib.metadata import version

from prometheus_client import Gauge

from coedit.runtime.tally import Tally

VERSION = version("coedit")
BUILD = Gauge(
    "coedit_build_info",
    "1, with the version of coedit and of Python in its labels.",
    ["role", "version", "python"],
)
GC_PAUSE_SECONDS = Tally(
    "coedit_gc_pause_seconds",
    "How long a collection of garbage of the two older generations held the process up.",
    (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
ROUND_TRIP_SECONDS = Tally(
    "coedit_redis_round_trip_seconds",
    "How long a Redis master takes to say what time it is, asked every other second.",
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)


def describe_process(service: str) -> None:
    """Say which build this is, and measure the pauses of garbage collection from now on."""
    BUILD.labels(service, VERSION, platform.python_version()).set(1)
    gc.callbacks.append(_Pauses().noted)


class _Pauses:
    """Measures collections; those of the youngest generation are many, and take no time."""

    def __init__(self) -> None:
        self._began_at = 0.0

    def noted(self, phase: str, info: dict[str, int]) -> None:
        """See `gc.callbacks`: it takes no lock, since whoever is interrupted may hold it."""
        if info["generation"] == 0:
            return
        if phase == "start":
            self._began_at = time.perf_counter()
        else:
            GC_PAUSE_SECONDS.observe(time.perf_counter() - self._began_at)


def value_of(gauge: Gauge) -> float:
    """Return what a gauge without labels stands at."""
    return float(next(iter(gauge.collect())).samples[0].value)
