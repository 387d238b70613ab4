"""Runs one load against the system or a floor, and reads the CPU time of everyone concerned around it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cpu import cpu_seconds
from bench.load import Spec
from bench.scenarios import Load
from tests.system import System

_ROOT = Path(__file__).parent.parent
_HOST = "127.0.0.1"


class FailedError(Exception):
    """A load could not be driven to its end, or what was sent did not arrive."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long each load is driven."""

    warm_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: CPU in microseconds per edit by process, and what the load generator counted."""

    name: str
    cpu: Mapping[str, float]
    counts: Mapping[str, Any]

    @property
    def edits_per_second(self) -> float:
        """Edits that were acked."""
        return float(self.counts["edits"] / self.counts["seconds"])

    @property
    def deliveries_per_edit(self) -> float:
        """Acks and commits told, per edit."""
        return float(self.counts["deliveries"] / self.counts["edits"])


def measure_system(
    load: Load, times: Times, folder: Path, settings: dict[str, str], *, pin: bool
) -> Measured:
    """Drive ``load`` against a new system in ``folder``.

    Raises:
        FailedError: see there.
    """
    system = System(folder, settings=settings)
    system.start()
    try:
        pids = {name.removesuffix("-0"): process.pid for name, process in system.processes.items()}
        if pin:
            _pin({name: pid for name, pid in pids.items() if name != "redis"}, 0)
            _pin({"redis": pids["redis"]}, 1)
        port = int(system.url.rpartition(":")[2])
        spec = Spec(load, "coedit", _HOST, port, times.warm_seconds, times.seconds)
        return _watch(load.name, ["bench.load", spec.to_json()], pids, pin=pin)
    finally:
        system.stop()


def measure_forwarding(load: Load, times: Times, *, pin: bool) -> Measured:
    """Drive ``load`` against the floor that only forwards.

    Raises:
        FailedError: see there.
    """
    command = [sys.executable, "-m", "bench.floor_sockets"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as floor:
        try:
            assert floor.stdout is not None
            port = int(floor.stdout.readline())
            if pin:
                _pin({"floor": floor.pid}, 0)
            spec = Spec(load, "floor", _HOST, port, times.warm_seconds, times.seconds)
            return _watch(f"floor {load.name}", ["bench.load", spec.to_json()], {"floor": floor.pid}, pin=pin)
        finally:
            floor.kill()


def measure_redis(name: str, rate: float, times: Times, folder: Path, *, pin: bool) -> Measured:
    """Drive round trips through a stream of an idle system's Redis.

    Raises:
        FailedError: see there.
    """
    system = System(folder)
    system.start()
    try:
        pid = system.processes["redis"].pid
        command = [
            "bench.floor_redis",
            system.redis_url,
            *map(str, (rate, times.warm_seconds, times.seconds)),
        ]
        return _watch(name, command, {"redis": pid}, pin=pin, own="client")
    finally:
        system.stop()


def _watch(
    name: str, command: Sequence[str], pids: Mapping[str, int], *, pin: bool, own: str = "load"
) -> Measured:
    """Run a load process; read the CPU times when it says ``begin`` and when it says ``end``."""
    full = [sys.executable, "-m", *command]
    with subprocess.Popen(full, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as driver:
        try:
            if pin:
                _pin({own: driver.pid}, 1)
            watched = {**pids, own: driver.pid}
            before = _read_at("begin", driver, watched)
            after = _read_at("end", driver, watched)
            assert driver.stdout is not None
            answer = driver.stdout.readline()
            if driver.wait(60) != 0 or not answer:
                raise FailedError(f"{name}: the load process ended with {driver.returncode}")
        finally:
            driver.kill()
    counts = json.loads(answer)
    if not counts["edits"]:
        raise FailedError(f"{name}: nothing was acked")
    cpu = {part: (after[part] - before[part]) / counts["edits"] * 1e6 for part in watched}
    return Measured(name, cpu, counts)


def _read_at(word: str, driver: "subprocess.Popen[str]", pids: Mapping[str, int]) -> dict[str, float]:
    assert driver.stdout is not None
    if driver.stdout.readline().strip() != word:
        raise FailedError(f"the load process ended before it said {word}")
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def _pin(pids: Mapping[str, int], core: int) -> None:
    for pid in pids.values():
        os.sched_setaffinity(pid, {core})
