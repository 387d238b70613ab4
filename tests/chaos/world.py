"""The deployment that a run is about: real processes, and a proxy that can misbehave on every way between them."""

import asyncio
import random
import re
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from coedit.store.keys import Shard
from coedit.store.redis.connection import connect
from coedit.testing.fault_proxy import Address, FaultProxy
from tests.chaos.footprint import sockets_at
from tests.chaos.history import History
from tests.chaos.replicated import ReplicatedSystem
from tests.system import Process, ServerKind, System, eventually

Level = Literal["memory", "fsync", "replicated"]

SHARDS = 8
LEASE_SECONDS = 1.5
_SETTINGS = {
    "COEDIT_SHARD_COUNT": str(SHARDS),
    "COEDIT_TRANSFORMER_LEASE_SECONDS": str(LEASE_SECONDS),
    "COEDIT_SNAPSHOTTER_LEASE_SECONDS": "2",
    # Snapshots and trimming all the time, so that they meet every fault.
    "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.25",
    "COEDIT_SNAPSHOTTER_COMMITS": "25",
    "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "1",
    "COEDIT_SNAPSHOTTER_TAIL": "15",
    "COEDIT_SNAPSHOTTER_SEGMENT_COMMITS": "15",
    "COEDIT_SNAPSHOTTER_KEEP": "3",
}
_DOORS = 2
_BACK_SECONDS = 15.0
_HEALED_SECONDS = 120.0
"""How long a process may take to be ready when nothing is wrong any more, on a machine that is busy."""
_CONNECTIONS = re.compile(r"^coedit_gateway_connections (\S+)$", re.MULTILINE)


class World:
    """Two gateways, two transformers, presence and a snapshotter on one Redis; use as an async context manager.

    Every service reaches Redis through a proxy of its own (``redis_links``), every client a gateway through one of the
    ``doors``, each of which leads to any gateway that listens.
    """

    def __init__(
        self,
        folder: Path,
        history: History,
        seed: int,
        *,
        level: Level,
        server: ServerKind,
        bug: str = "",
        no_packet_filter: str = "",
    ) -> None:
        self.no_packet_filter = no_packet_filter
        """Why packets cannot be lost here; empty if they can."""
        self.history = history
        self.phase = ""
        """The part of the run that it is in, as the plan names it."""
        self.left_documents: list[str] = []
        """Documents that faults had written, and everybody has left."""
        self.level = level
        kind = ReplicatedSystem if level == "replicated" else System
        self.system: System = kind(
            folder,
            gateways=2,
            transformers=2,
            server=server,
            settings=_SETTINGS | {"COEDIT_DURABILITY": level},
        )
        if level == "memory":
            _sync_seldom(self.system.processes["redis"])
        self._rng = random.Random(f"world {seed}")
        self._stack = AsyncExitStack()
        self._down: set[str] = set()
        """Processes that a fault has taken down: nobody starts them again but the fault."""
        self.redis_links: dict[str, FaultProxy] = {}
        self.doors: list[FaultProxy] = []
        for process in self.services():
            if bug:
                process.command[2:] = ["tests.chaos.bugged", bug, process.name.partition("-")[0]]

    async def __aenter__(self) -> "World":
        address = urlsplit(self.system.redis_url)
        for process in self.services():
            link = self._proxy(lambda: (str(address.hostname), int(address.port or 0)))
            self.redis_links[process.name] = await self._stack.enter_async_context(link)
            process.environment["COEDIT_REDIS_URL"] = f"redis://127.0.0.1:{link.port}/0"
        for _ in range(_DOORS):
            self.doors.append(await self._stack.enter_async_context(self._proxy(self._any_gateway)))
        self._make_folders()
        self._stack.push_async_callback(asyncio.to_thread, self.system.stop)
        await asyncio.to_thread(self.system.start)
        watching = asyncio.create_task(self._watch())
        self._stack.callback(watching.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        for proxy in (*self.redis_links.values(), *self.doors):
            proxy.heal()
        await self._stack.aclose()

    def services(self) -> list[Process]:
        """Return the processes of coedit, without Redis."""
        return [process for name, process in self.system.processes.items() if not name.startswith("redis")]

    def names(self, service: str) -> list[str]:
        """Return the names of the processes of one service."""
        return [process.name for process in self.services() if process.name.startswith(service)]

    @property
    def door_urls(self) -> list[str]:
        """What clients connect to."""
        return [f"http://127.0.0.1:{door.port}" for door in self.doors]

    async def kill(self, name: str) -> None:
        """kill -9; the process stays down until `start`."""
        self._down.add(name)
        await asyncio.to_thread(self.system.processes[name].kill)

    async def stop(self, name: str) -> None:
        """SIGTERM; the process stays down until `start`."""
        self._down.add(name)
        try:
            code = await asyncio.to_thread(self.system.processes[name].stop)
        except AssertionError as error:
            self.history.add("exit", process=name, code=-9, reason=str(error)[:500])
        else:
            if code:
                self._note_exit(self.system.processes[name], code)

    async def start(self, name: str) -> None:
        """Start a process that is down."""
        await asyncio.to_thread(self.system.restart, name)
        self._down.discard(name)

    async def back(self, name: str, seconds: float = _BACK_SECONDS) -> bool:
        """Wait until a service is ready, at most so long; return whether it is."""
        with suppress(AssertionError):
            await asyncio.to_thread(self.system.wait_ready, name, seconds)
            return True
        return False

    async def heal(self) -> None:
        """End what faults of the network left behind, and wait until everything is ready."""
        for proxy in (*self.redis_links.values(), *self.doors):
            proxy.heal()
        for process in self.services():
            await asyncio.to_thread(self.system.wait_ready, process.name, _HEALED_SECONDS)

    async def connected(self, count: int, seconds: float) -> None:
        """Wait until the gateways have so many clients and no more, so that of all others everything has arrived.

        Raises:
            AssertionError: they have others after so many seconds.
        """

        async def is_reached() -> bool:
            return sum((await asyncio.to_thread(self.connections)).values()) == count

        await eventually(is_reached, f"the gateways have {count} connections", seconds)

    async def consumed(self, seconds: float) -> None:
        """Wait until what is in the streams of submissions now has been dealt with.

        Raises:
            AssertionError: it has not after so many seconds.
        """
        redis = connect(self.system.redis_url)
        shards = [Shard(number) for number in range(SHARDS)]
        newest = {shard: await redis.xrevrange(shard.ops, count=1) or [("0-0", {})] for shard in shards}

        async def is_passed() -> bool:
            cursors = {shard: await redis.get(shard.cursor) for shard in shards}
            return all(_place(cursors[shard]) >= _place(newest[shard][0][0]) for shard in shards)

        try:
            await eventually(is_passed, "all that was submitted is dealt with", seconds)
        finally:
            await redis.aclose()

    def sockets(self) -> dict[str, int]:
        """Return how many connections each gateway has, by what the kernel says."""
        ports = zip(self.names("gateway"), map(urlsplit, self.system.gateways), strict=True)
        return {name: sockets_at(int(url.port or 0)) for name, url in ports}

    def connections(self) -> dict[str, int]:
        """Return how many connections each gateway has, by what it says itself."""
        pages = {name: self.system.metrics(name) for name in self.names("gateway")}
        return {name: sum(map(int, map(float, _CONNECTIONS.findall(page)))) for name, page in pages.items()}

    def _make_folders(self) -> None:
        folder = self.system.folder
        (folder / "objects-here").mkdir(parents=True)
        (folder / "objects-away").touch()
        (folder / "objects").symlink_to("objects-here")

    def _proxy(self, choose: Callable[[], Address]) -> FaultProxy:
        return FaultProxy("", 0, rng=random.Random(self._rng.random()), choose=choose)

    def _any_gateway(self) -> Address:
        """Return a gateway that listens, as a load balancer would."""
        up = [name for name in self.names("gateway") if self.system.processes[name].is_running]
        url = urlsplit(self.system.gateways[int(self._rng.choice(up or ["gateway-0"]).partition("-")[2])])
        return str(url.hostname), int(url.port or 0)

    async def _watch(self) -> None:
        """Start again what ended by itself, as a supervisor would, and record it."""
        while True:
            await asyncio.sleep(0.3)
            for process in self.services():
                if process.name not in self._down and not process.is_running:
                    self._note_exit(process, process.stop())
                    await self.start(process.name)

    def _note_exit(self, process: Process, code: int) -> None:
        last = process.tail().strip().rpartition("\n")[2]
        what = "waited" if last.startswith("cannot start: ") else "exit"
        self.history.add(what, process=process.name, code=code, reason=last[:500])


def _place(stream_id: bytes | str | None) -> tuple[int, ...]:
    """Return a stream's id as something that can be compared."""
    text = stream_id.decode() if isinstance(stream_id, bytes) else stream_id or "0-0"
    return tuple(map(int, text.split("-")))


def _sync_seldom(redis: Process) -> None:
    redis.command = [{"always": "everysec"}.get(argument, argument) for argument in redis.command]
