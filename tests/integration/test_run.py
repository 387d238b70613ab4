"""``python -m services``, as `make run` starts it: what stays and what ends, however it is ended."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from coedit.client import connect
from tests.ports import free_port
from tests.system import ROOT, eventually, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


class Run:
    """A running ``python -m services`` on a data folder."""

    def __init__(self, data: Path, host: str = "127.0.0.1", port: int = 0, **more: str) -> None:
        self.data = data
        self.log = data.with_suffix(f".{free_port()}.log")
        port = port or free_port()
        self.url = f"http://{host}:{port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COEDIT_")}
        settings = {"COEDIT_DATA": str(data), "COEDIT_GATEWAY_PORT": str(port), "COEDIT_GATEWAY_PAGE": ""}
        settings |= {"COEDIT_GATEWAY_HOST": host} | more
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services"],
                cwd=ROOT,
                env=inherited | settings,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ready(self) -> "Run":
        until(lambda: "coedit is ready" in self.output(), "it is ready", self.output)
        return self

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def children(self) -> dict[int, str]:
        """The processes that it started, with their command lines."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found: dict[int, str] = {}
        for pid in pids:
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                found[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        return found

    def end(self, number: int) -> tuple[int, list[int]]:
        """Send a signal; return the exit code, and which children are left."""
        children = self.children()
        self.process.send_signal(number)
        code = self.process.wait(20)
        return code, [pid for pid in children if _runs(pid)]


StartRun = Callable[..., Run]


@pytest.fixture
def start_run(tmp_path: Path) -> Iterator[StartRun]:
    """A function that runs the system on one data folder."""
    runs: list[Run] = []

    def start(folder: str = "data", **settings: Any) -> Run:
        runs.append(Run(tmp_path / folder, **settings))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.end(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_stop_leaves_no_process_and_keeps_every_document(start_run: StartRun, number: int) -> None:
    run = start_run().ready()
    async with connect(run.url) as session:
        document = await session.open("kept")
        await document.insert(0, "kept")
        await document.settle()
    assert run.end(number) == (0, [])
    async with connect(start_run().ready().url) as session:
        assert (await session.open("kept")).text == "kept"


def test_second_run_on_the_same_data_is_refused(start_run: StartRun) -> None:
    first = start_run().ready()
    second = start_run()
    assert second.process.wait(20) == 1
    assert f"another coedit runs on {first.data}" in second.output()
    assert first.process.poll() is None


def test_port_that_is_taken_is_refused_and_not_called_ready(start_run: StartRun) -> None:
    """Whoever listens there would answer in the gateway's place."""
    first = start_run().ready()
    port = int(first.url.rpartition(":")[2])
    second = start_run("other", port=port)
    assert second.process.wait(20) == 1
    assert f"cannot start: port {port} of 127.0.0.1 cannot be had" in second.output()
    assert "is ready" not in second.output()


def test_address_that_is_told_opens_the_same_document_in_every_tab(start_run: StartRun) -> None:
    run = start_run().ready()
    assert f"coedit is ready:  {run.url}/d/notes\n" in run.output()


def test_run_with_tokens_on_another_address_says_how_to_get_one(start_run: StartRun) -> None:
    """All of 127.0.0.0/8 is this machine; the gateway is looked for where it listens."""
    run = start_run(host="127.0.0.2", COEDIT_GATEWAY_OPEN="0").ready()
    assert f"coedit is ready:  {run.url}/d/notes\n" in run.output()
    assert f"coedit token --author NAME --document notes --url {run.url} prints" in run.output()


def test_nothing_goes_on_unseen_when_it_is_killed(start_run: StartRun) -> None:
    run = start_run().ready()
    children = run.children()
    run.process.kill()
    run.process.wait()
    until(lambda: not any(map(_runs, children)), "the services and the Valkey end as well")


def test_valkey_that_outlives_a_killed_run_keeps_its_data_locked(start_run: StartRun) -> None:
    """Two servers on the same append-only file would destroy it."""
    run = start_run().ready()
    valkey = _only(run, "valkey")
    os.kill(valkey, signal.SIGSTOP)
    run.process.kill()
    run.process.wait()
    try:
        second = start_run()
        assert second.process.wait(20) == 1
        assert "another coedit runs" in second.output()
    finally:
        os.kill(valkey, signal.SIGCONT)
    until(lambda: not _runs(valkey), "the Valkey ends")


@pytest.mark.parametrize("part", ["valkey", "transformer", "snapshotter", "presence", "gateway"])
async def test_part_that_is_killed_is_started_again_and_edits_go_on(start_run: StartRun, part: str) -> None:
    run = start_run().ready()
    async with connect(run.url) as session:
        document = await session.open("kept")
        await document.insert(0, "before ")
        await document.settle()
        killed = _only(run, part)
        os.kill(killed, signal.SIGKILL)
        await document.insert(7, "after")
        await eventually(lambda: any(pid != killed for pid in _pids(run, part)), "it runs again", 20)
        await asyncio.wait_for(document.settle(), 30)
    assert f"{part} was killed by SIGKILL; starting it again" in run.output()
    async with connect(run.url) as session:
        assert (await session.open("kept")).text == "before after"
    assert run.end(signal.SIGTERM) == (0, [])


def test_part_that_dies_again_and_again_ends_the_rest(start_run: StartRun) -> None:
    run = start_run().ready()
    children = run.children()
    deadline = time.monotonic() + 60
    while run.process.poll() is None:
        assert time.monotonic() < deadline
        for pid in _pids(run, "transformer"):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    assert run.process.wait() == 1
    assert (
        "transformer was killed by SIGKILL 6 times in a row soon after its start; giving up" in run.output()
    )
    assert not any(map(_runs, children))


def test_nothing_is_said_of_how_the_machine_commits_memory(start_run: StartRun) -> None:
    run = start_run().ready()
    assert "overcommit" not in run.output()


def test_valkey_that_cannot_start_is_reported_at_once(start_run: StartRun) -> None:
    run = start_run().ready()
    run.end(signal.SIGTERM)
    (manifest,) = (run.data / "valkey").glob("*/*.manifest")
    manifest.write_text("damaged\n")
    again = start_run()
    assert again.process.wait(20) == 1
    assert "cannot start: the embedded Valkey" in again.output()
    assert "Traceback" not in again.output()


def _only(run: Run, part: str) -> int:
    (pid,) = _pids(run, part)
    return pid


def _pids(run: Run, part: str) -> list[int]:
    """The processes of a part, without one that has not become it yet, or is dead."""
    name = "valkey-server" if part == "valkey" else f"services.{part}"
    return [pid for pid, command in run.children().items() if name in command and _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
