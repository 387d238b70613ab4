"""What is changed process by process, while old and new ones run side by side under load, loses and refuses nothing."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from coedit.client import connect
from scripts.deploy import FORWARD
from tests.balancer import Balancer
from tests.conftest import MakeSystem
from tests.requirements import previous_release
from tests.system import ROOT, SECRET, Process, System
from tests.writers import Ledger, Writer, settle_all

_NAMES = ("one", "two", "three")
_CLIENTS = 6
_PAUSE_SECONDS = 0.03
_NEXT_SECRET = "the next secret, of thirty-two b"


@dataclass(frozen=True, slots=True)
class People:
    """Who writes, and what stands between them and the gateways."""

    writers: list[Writer]
    balancer: Balancer


@asynccontextmanager
async def _people(system: System, seed: int) -> AsyncIterator[People]:
    """Let people write through a balancer; in the end everything is there once, for all of them."""
    ledgers = {name: Ledger(seed) for name in _NAMES}
    writers: list[Writer] = []
    async with AsyncExitStack() as stack:
        balancer = await stack.enter_async_context(Balancer(system.gateways))
        for number in range(_CLIENTS):
            session = await stack.enter_async_context(connect(balancer.url, author=f"author {number}"))
            name = _NAMES[number % len(_NAMES)]
            document = await session.open(name)
            writers.append(Writer(document, ledgers[name], random.Random(seed + number)))
        async with asyncio.TaskGroup() as tasks:
            typing = [tasks.create_task(_type(writer)) for writer in writers]
            yield People(writers, balancer)
            for task in typing:
                task.cancel()
        await settle_all([writer.document for writer in writers])
        for writer in writers:
            assert writer.document.rejections == []
            writer.ledger.check(writer.document.text)


async def _type(writer: Writer) -> None:
    while True:
        await writer.step()
        await asyncio.sleep(_PAUSE_SECONDS)


async def _roll(
    system: System, services: Sequence[str], change: Callable[[Process], None], people: People
) -> None:
    """Restart all processes of some services, changed, one after the other; after each all get on."""
    for service in services:
        for name in [name for name in system.processes if name.startswith(service)]:
            process = system.processes[name]
            assert await asyncio.to_thread(process.stop) == 0, process.tail()
            change(process)
            process.start()
            await asyncio.to_thread(system.wait_ready, name)
            # While gateways are of both kinds people go from one to another, with what the other gave out.
            for _ in range(2 if name == "gateway-0" else 0):
                people.balancer.cut()
                await asyncio.gather(*(_gets_on(writer) for writer in people.writers))
            await asyncio.gather(*(_gets_on(writer) for writer in people.writers))


async def _gets_on(writer: Writer) -> None:
    """Wait until something that is typed from now on is saved."""
    document = writer.document
    sequence = document.state.client_sequence
    async with asyncio.timeout(30):
        await document.until(lambda: document.state.client_sequence > sequence and document.revision > 0)
        await document.settle()


def _verified(system: System) -> None:
    command = [sys.executable, "-m", "coedit.commands.cli", "verify", "--all"]
    done = subprocess.run(
        command, env=system.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(240)
async def test_previous_release_beside_this_one_forward_and_back_loses_nothing(
    make_system: MakeSystem, tmp_path: Path, seed: int
) -> None:
    """In the order of docs/how-to/upgrade.md: those who read before those who write, and back the other way round."""
    previous = previous_release(tmp_path / "previous")
    system = make_system(
        gateways=2, transformers=2, root=previous, settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "1"}
    )
    assert _runs_from(system, "gateway-0", previous)
    async with _people(system, seed) as people:
        await _roll(system, FORWARD, lambda process: process.run_from(ROOT), people)
        assert _runs_from(system, "gateway-0", ROOT)
        await _roll(system, FORWARD[::-1], lambda process: process.run_from(previous), people)
        assert _runs_from(system, "gateway-0", previous)
    await asyncio.to_thread(_verified, system)


def _runs_from(system: System, name: str, root: Path) -> bool:
    """Return whether a process has its code from a folder."""
    process = system.processes[name]
    ask = "import coedit, services; print(coedit.__file__, *services.__path__)"
    command = [sys.executable, "-c", ask]
    said = subprocess.run(
        command, env=process.environment, cwd=process.root, capture_output=True, text=True, check=True
    )
    modules = [Path(word) for word in said.stdout.split()]
    return Path(f"/proc/{process.pid}/cwd").resolve() == root and all(
        module.is_relative_to(root) for module in modules
    )


@pytest.mark.timeout(240)
async def test_secret_is_changed_in_two_phases_and_nobody_is_refused(
    make_system: MakeSystem, seed: int
) -> None:
    system = make_system(gateways=2, transformers=2, settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "1"})
    phases = ((SECRET, _NEXT_SECRET), (_NEXT_SECRET, SECRET))
    async with _people(system, seed) as people:
        for secret, other in phases:
            environment = {"COEDIT_SECRET": secret, "COEDIT_OLD_SECRETS": f'["{other}"]'}
            await _roll(system, FORWARD, lambda process, new=environment: _set(process, new), people)  # type: ignore[misc]
    system.environment |= {"COEDIT_SECRET": _NEXT_SECRET, "COEDIT_OLD_SECRETS": SECRET}
    await asyncio.to_thread(_verified, system)


def _set(process: Process, environment: dict[str, str]) -> None:
    process.environment = process.environment | environment
