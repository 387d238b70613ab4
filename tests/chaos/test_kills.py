"""Every service is killed with -9, and an owner is put to sleep, under load: nothing acked is lost or repeated."""

import asyncio
import json
import random
import signal
import time
import urllib.request
from contextlib import AsyncExitStack

import pytest

from coedit.client import connect
from coedit.identifiers import escape
from coedit.ot import Delta
from tests.chaos.load import Load
from tests.conftest import MakeSystem
from tests.system import System, eventually
from tests.writers import Ledger, Writer, settle_all

_NAMES = ("one", "two", "three", "four")
_CLIENTS = 12
_EDITS_PER_SECOND = 240
_KILLS = 1
_BACK_SECONDS = 30.0
"""When edits that do not flow again after a fault count as lost: far above what it takes, even on a busy machine."""


@pytest.mark.chaos
@pytest.mark.timeout(400)
async def test_nothing_acked_is_lost_when_services_die(make_system: MakeSystem, seed: int) -> None:
    system = make_system(gateways=2, transformers=2, settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "1"})
    async with AsyncExitStack() as stack:
        load = await _load(system, stack, seed)
        await _edits_flow(load)
        started = time.monotonic()
        typed = load.edits
        for _ in range(_KILLS):
            for name in ("transformer-0", "gateway-0", "snapshotter-0", "presence-0", "transformer-1"):
                await _kill_and_restart(system, name)
                await _edits_flow(load)
        for name in ("transformer-0", "transformer-1"):
            await _sleep_through_a_takeover(system, name)
            await _edits_flow(load)
        rate = (load.edits - typed) / (time.monotonic() - started)
        print(f"{load.edits} edits, {rate:.0f} a second through {_KILLS * 5} kills and 2 sleeps")
        await load.stop()
        await settle_all([writer.document for writer in load.writers], 60)
        for name in _NAMES:
            writers = [writer for writer in load.writers if writer.document.state.document_id == name]
            _check(system, name, writers)


async def _load(system: System, stack: AsyncExitStack, seed: int) -> Load:
    ledgers = {name: Ledger(seed) for name in _NAMES}
    load = Load(_CLIENTS / _EDITS_PER_SECOND, _insert)
    for number in range(_CLIENTS):
        url = system.gateways[number % len(system.gateways)]
        session = await stack.enter_async_context(connect(url, author=f"author {number}"))
        name = _NAMES[number % len(_NAMES)]
        rng = random.Random(seed + number)
        load.add(Writer(await session.open(name), ledgers[name], rng))
    return load


async def _insert(writer: Writer) -> None:
    await writer.insert()
    writer.edits += 1


async def _kill_and_restart(system: System, name: str) -> None:
    system.processes[name].kill()
    system.restart(name)
    await asyncio.to_thread(system.wait_ready, name)


async def _sleep_through_a_takeover(system: System, name: str) -> None:
    """Pause an owner until others have its shards, then let it wake in the belief that it still owns them."""
    other = "transformer-1" if name == "transformer-0" else "transformer-0"
    system.processes[name].signal(signal.SIGSTOP)
    await eventually(lambda: _owned(system, other) == 8, f"{other} took over from {name}")
    system.processes[name].signal(signal.SIGCONT)


def _owned(system: System, name: str) -> int:
    line = next(
        line for line in system.metrics(name).splitlines() if line.startswith("coedit_transformer_shards ")
    )
    return int(float(line.split()[1]))


async def _edits_flow(load: Load) -> None:
    """Wait until every writer has had an edit acknowledged that was made from now on."""
    heads = {writer: writer.document.revision for writer in load.writers}
    for writer in load.writers:
        document = writer.document
        head = heads[writer]
        await eventually(
            lambda document=document, head=head: document.revision > head + 1,
            f"edits flow again in {document.state.document_id}",
            _BACK_SECONDS,
        )


def _check(system: System, name: str, writers: list[Writer]) -> None:
    url = f"{system.gateways[1]}/v1/documents/{escape(name)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        stored = json.loads(answer.read())
    content = Delta.from_json(stored["content"])
    for writer in writers:
        assert writer.document.content == content
        assert writer.document.rejections == []
        assert writer.document.revision == stored["revision"]
    writers[0].ledger.check(content.text)
