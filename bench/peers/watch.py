"""Runs a workload against a system, and looks at the system's processes at each moment that the load marks."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from bench.cpu import cpu_seconds
from bench.peers.quiet import ASKED, wait_until_quiet
from bench.peers.systems.catalogue import Entry
from bench.peers.systems.system import SystemUnderTest
from bench.peers.workload import SETTLE, Observed, Sample, Session, Size, Workload

_ROOT = Path(__file__).parent.parent.parent
_LAST_WORDS_SECONDS = 30.0


class FailedError(Exception):
    """A load could not be driven to its end, or what was sent did not arrive."""


def measure(entry: Entry, workload: Workload, times: tuple[float, float], size: Size) -> Observed:
    """Start the system in a temporary folder, drive the workload, and end both.

    Raises:
        FailedError: see there.
    """
    with tempfile.TemporaryDirectory(prefix="coedit-peers-", ignore_cleanup_errors=True) as folder:
        system = entry.make(Path(folder))
        try:
            system.start()
            session = Session(entry.speaks, system.addresses, *times, size)
            return _drive(entry, workload, session, system)
        finally:
            system.stop()


def _drive(entry: Entry, workload: Workload, session: Session, system: SystemUnderTest) -> Observed:
    command = [sys.executable, "-m", "bench.peers.driver", workload.name, json.dumps(asdict(session))]
    marks = dict[str, Sample]()
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=_ROOT, stdin=pipe, stdout=pipe, text=True) as driver:
        try:
            assert driver.stdin is not None
            assert driver.stdout is not None
            for line in driver.stdout:
                if line.strip() == ASKED:
                    wait_until_quiet(lambda: sum(map(cpu_seconds, system.pids.values())))
                    print(file=driver.stdin, flush=True)
                    continue
                if line.startswith("{"):
                    return Observed(marks, json.loads(line))
                if line.strip() == SETTLE:
                    system.settle()
                    print(file=driver.stdin, flush=True)
                else:
                    marks[line.strip()] = _sample(system.pids)
            code = driver.wait(_LAST_WORDS_SECONDS)
            raise FailedError(f"{workload.name} on {entry.name}: the load process ended with {code}")
        except TimeoutError as error:
            raise FailedError(f"{workload.name} on {entry.name}: {error}") from error
        finally:
            driver.kill()


def _sample(pids: Mapping[str, int]) -> Sample:
    memory = {name: _memory(pid) for name, pid in pids.items()}
    return Sample(
        {name: cpu_seconds(pid) for name, pid in pids.items()},
        {name: fields["VmRSS"] for name, fields in memory.items()},
        {name: fields["VmHWM"] for name, fields in memory.items()},
    )


def _memory(pid: int) -> dict[str, int]:
    """Return what Linux says of a process's memory, in bytes (proc(5), status)."""
    lines = [line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1] == "kB"}
