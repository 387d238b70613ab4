"""Told to stop, a process finishes what it has and goes; people who write notice nothing but a reconnection."""

import asyncio
import random
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp
import pytest
from redis.asyncio import Redis

from coedit.client import connect
from coedit.client.connection import Session
from coedit.client.rest import fetch_text
from coedit.identifiers import document_id
from coedit.store.keys import shard_of
from coedit.store.redis.connection import connect as connect_redis
from tests.balancer import Balancer
from tests.conftest import MakeSystem
from tests.integration.raw_client import Message, RawClient
from tests.system import System, eventually
from tests.writers import Ledger, Writer, settle_all

_AWAY_SECONDS = 2.0
"""The promise: nobody is without a working connection, or without an ack, for longer."""
_EDITS_PER_SECOND = 240
_CLIENTS = 12
_NAMES = ("one", "two", "three", "four")


@dataclass
class Watch:
    """Somebody who writes, and the longest that they were kept from it."""

    session: Session
    writer: Writer
    away_seconds: float = 0.0
    unacked_seconds: float = 0.0
    _since: dict[str, float] = field(default_factory=dict)

    def look(self, now: float) -> None:
        is_working = self.session.is_connected and self.writer.document.state.is_open
        self.away_seconds = max(self.away_seconds, self._lasting("away", not is_working, now))
        head = f"unacked {self.writer.document.state.client_sequence}"
        if not self.writer.document.saved:
            self.unacked_seconds = max(self.unacked_seconds, self._lasting(head, True, now))

    def _lasting(self, what: str, holds: bool, now: float) -> float:
        if not holds:
            self._since.pop(what, None)
            return 0.0
        return now - self._since.setdefault(what, now)


@dataclass
class Load:
    """Writers who type on through a balancer, and are watched."""

    watches: list[Watch]
    is_over: bool = False

    @property
    def edits(self) -> int:
        return sum(watch.writer.edits for watch in self.watches)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look())
            for watch in self.watches:
                tasks.create_task(self._type(watch.writer))

    async def _look(self) -> None:
        while not self.is_over:
            for watch in self.watches:
                watch.look(time.monotonic())
            await asyncio.sleep(0.005)

    async def _type(self, writer: Writer) -> None:
        due_at = time.monotonic()
        while not self.is_over:
            await writer.insert()
            writer.edits += 1
            due_at += len(self.watches) / _EDITS_PER_SECOND
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))


async def _load(stack: AsyncExitStack, url: str, seed: int) -> Load:
    ledgers = {name: Ledger(seed) for name in _NAMES}
    watches = []
    for number in range(_CLIENTS):
        session = await stack.enter_async_context(connect(url, author=f"author {number}"))
        name = _NAMES[number % len(_NAMES)]
        document = await session.open(name)
        watches.append(Watch(session, Writer(document, ledgers[name], random.Random(seed + number))))
    return Load(watches)


@pytest.mark.timeout(240)
async def test_rolling_restart_of_everything_loses_and_repeats_nothing_and_keeps_nobody_away(
    make_system: MakeSystem, seed: int
) -> None:
    system = make_system(gateways=2, transformers=2, settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "1"})
    async with AsyncExitStack() as stack:
        balancer = await stack.enter_async_context(Balancer(system.gateways))
        load = await _load(stack, balancer.url, seed)
        running = asyncio.create_task(load.run())
        started_at, edits = time.monotonic(), load.edits
        for name in [name for name in system.processes if name != "redis"]:
            assert await asyncio.to_thread(system.processes[name].stop) == 0, system.processes[name].tail()
            system.restart(name)
            await asyncio.to_thread(system.wait_ready, name)
        rate = (load.edits - edits) / (time.monotonic() - started_at)
        load.is_over = True
        await running
        documents = [watch.writer.document for watch in load.watches]
        await settle_all(documents)
        for watch in load.watches:
            document = watch.writer.document
            assert document.rejections == []
            watch.writer.ledger.check(document.text)
        away, unacked = (
            max(watch.away_seconds for watch in load.watches),
            max(watch.unacked_seconds for watch in load.watches),
        )
        reconnects = sum(watch.session.reconnects for watch in load.watches)
        print(f"{load.edits} edits, {rate:.0f} a second, through a restart of each of 6 processes;")
        print(
            f"{reconnects} reconnections; longest away {away:.2f} s, longest without an ack {unacked:.2f} s"
        )
        assert reconnects >= _CLIENTS, "every gateway was restarted, so everybody was sent elsewhere"
        assert load.edits - edits >= 500, "nobody edited while processes were restarted"
        assert away < _AWAY_SECONDS
        assert unacked < _AWAY_SECONDS


async def test_gateway_told_to_stop_answers_what_it_was_given_before_it_says_goodbye(
    make_system: MakeSystem,
) -> None:
    """The owner is asleep when the submission and the signal come, and answers a moment later."""
    system = make_system()
    async with RawClient(system.url) as client:
        await client.hello()
        opened = await client.open("notes")
        await client.send(_submit(opened, 1))
        await client.expect("ack")
        asleep_seconds = 0.5
        system.processes["transformer-0"].signal(signal.SIGSTOP)
        await client.send(_submit(opened, 2))
        await _reaches_redis(system)
        begun_at = time.monotonic()
        system.processes["gateway-0"].signal(signal.SIGTERM)
        await _is_not_ready(system)
        await asyncio.sleep(asleep_seconds)
        system.processes["transformer-0"].signal(signal.SIGCONT)
        ack = await client.expect("ack")
        assert ack["client_sequence"] == 2
        assert await client.close_code() == 4503
        assert await asyncio.to_thread(system.processes["gateway-0"].ended) == 0
        seconds = time.monotonic() - begun_at
    print(f"ended {seconds:.2f} s after the signal, {asleep_seconds} s of which the owner slept")
    assert seconds < 3


async def test_gateway_told_to_stop_ends_within_its_bound_though_nobody_answers_and_a_client_does_not_read(
    make_system: MakeSystem,
) -> None:
    system = make_system(settings={"COEDIT_GATEWAY_DRAIN_SECONDS": "2"})
    async with RawClient(system.url) as client:
        await client.hello()
        opened = await client.open("notes")
        system.processes["transformer-0"].signal(signal.SIGSTOP)
        await client.send(_submit(opened, 1))
        begun_at = time.monotonic()
        # From here on the client reads nothing, not even the close frame that it is asked to answer.
        assert await asyncio.to_thread(system.processes["gateway-0"].stop) == 0
        seconds = time.monotonic() - begun_at
    print(f"ended {seconds:.2f} s after the signal")
    assert seconds < 5


async def test_gateway_that_is_stopping_takes_nobody_new(make_system: MakeSystem) -> None:
    system = make_system()
    async with RawClient(system.url) as client, aiohttp.ClientSession() as http:
        await client.hello()
        opened = await client.open("notes")
        system.processes["transformer-0"].signal(signal.SIGSTOP)
        await client.send(_submit(opened, 1))
        await _reaches_redis(system)
        system.processes["gateway-0"].signal(signal.SIGTERM)
        await _is_not_ready(system)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{system.url}/v1/ws", protocols=["coedit.v1.json"])
        assert refused.value.status == 503


async def test_edit_sent_to_a_gateway_that_is_stopping_is_committed_once_elsewhere(
    make_system: MakeSystem,
) -> None:
    system = make_system(gateways=2)
    async with Balancer(system.gateways) as balancer, connect(balancer.url, author="ada") as session:
        document = await session.open("notes")
        typed: list[str] = []
        for name in ("gateway-0", "gateway-1") * 2:
            stopping = asyncio.create_task(asyncio.to_thread(system.processes[name].stop))
            while not stopping.done():
                typed.append(f"{len(typed)},")
                await document.insert(0, typed[-1])
                await document.settle()
            assert await stopping == 0
            system.restart(name)
            await asyncio.to_thread(system.wait_ready, name)
        assert document.rejections == []
        assert document.text == "".join(reversed(typed))
    assert (await fetch_text(system.url, "notes")).text == "".join(reversed(typed))


def _submit(opened: Message, sequence: int) -> Message:
    return {
        "type": "submit",
        "document": opened["document"],
        "client_sequence": sequence,
        "epoch": opened["epoch"],
        "base_revision": opened["revision"] + sequence - 1,
        "delta": [{"insert": str(sequence)}],
    }


async def _reaches_redis(system: System) -> None:
    """Wait until a submission waits for its owner."""
    redis = connect_redis(system.redis_url)
    ops = shard_of(document_id("notes"), 8).ops
    await eventually(lambda: _waits(redis, ops), "the submission reaches Redis")
    await redis.aclose()


async def _waits(redis: Redis, ops: str) -> bool:
    return await redis.xlen(ops) > 0


async def _is_not_ready(system: System) -> None:
    async with aiohttp.ClientSession() as http:

        async def is_unready() -> bool:
            async with http.get(f"{system.url}/readyz") as answer:
                return answer.status == 503

        await eventually(is_unready, "the gateway says that it is draining")
