"""An object store that answers 503 to everything, or late, for as long as one wants; then it is itself again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from redis import Redis

from coedit.client import connect
from coedit.identifiers import DocumentId
from coedit.store.keys import shard_of
from coedit.testing.fault_proxy import FaultProxy, Flow
from tests.drills.people import Waits, people_at
from tests.ports import free_port
from tests.s3_servers import CREDENTIALS, moto
from tests.system import System, eventually

LATE_SECONDS = 5.0
_QUICK = {
    "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.5",
    "COEDIT_SNAPSHOTTER_COMMITS": "50",
    "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.2",
    "COEDIT_SNAPSHOTTER_IDLE_SECONDS": "2",
}
_STARTED = "transformer-1"
_COLD = "asleep"
"""A document that nobody has open, and Redis does not have any more."""
_COLD_TEXT = "as it was left"


@dataclass
class Outage:
    """How people fared meanwhile, and how long after it everything had its snapshot."""

    waits: Waits = field(default_factory=Waits)
    snapshots_meanwhile: int = 0
    snapshots_after_seconds: float = 0.0
    opened_after_seconds: float = 0.0
    """A document that was in the object store alone, and was asked for when it began."""

    def __str__(self) -> str:
        return (
            f"{self.waits} | {self.snapshots_meanwhile} snapshots meanwhile, a cold document opened "
            f"after {self.opened_after_seconds:.0f} s, all snapshots {self.snapshots_after_seconds:.1f} s after it"
        )


class Store:
    """The way to the store, which may be bad."""

    def __init__(self, proxy: FaultProxy, there: tuple[str, int], refusing: tuple[str, int]) -> None:
        self._proxy = proxy
        self._there, self._refusing = there, refusing
        self.address = there

    def refuse(self) -> None:
        """Answer 503 from now on, on every connection."""
        self.address = self._refusing
        self._proxy.cut()

    def be_late(self) -> None:
        self._proxy.back = Flow(LATE_SECONDS)

    def heal(self) -> None:
        self.address = self._there
        self._proxy.heal()
        self._proxy.cut()


@asynccontextmanager
async def system_on_store(folder: Path) -> AsyncIterator[tuple[System, Store]]:
    """Run the whole system on an S3 whose way is in our hands."""
    with moto(folder) as server:
        parts = urlsplit(server.endpoint)
        there = (parts.hostname or "", parts.port or 0)
        async with _refusing() as refusing:
            store: Store | None = None
            proxy = FaultProxy("", 0, choose=lambda: store.address if store else there)
            async with proxy:
                store = Store(proxy, there, refusing)
                settings = CREDENTIALS | _QUICK
                settings |= {
                    "COEDIT_OBJECT_STORE_URL": server.folder_url(),
                    "COEDIT_OBJECT_STORE_ENDPOINT": f"http://127.0.0.1:{proxy.port}",
                    "COEDIT_OBJECT_STORE_REGION": "us-east-1",
                }
                system = System(folder, gateways=2, transformers=2, settings=settings, acl=True)
                try:
                    await asyncio.to_thread(system.start)
                    yield system, store
                finally:
                    await asyncio.to_thread(system.stop)


async def object_store_away(folder: Path, seconds: float) -> dict[str, Outage]:
    """Have people write for so long while it answers 503, and while it is late."""
    found = {}
    async with system_on_store(folder) as (system, store):
        await _write_cold(system)
        for what, begin in (("503", store.refuse), (f"{LATE_SECONDS:.0f} s late", store.be_late)):
            await eventually(lambda: _is_cold(system), "nobody uses it, and it leaves Redis", 60)
            found[what] = outage = Outage()
            async with people_at(system, seed=len(found) * 1000) as people:
                await people.flow()
                begin()
                if begin == store.refuse:
                    await _start_in_vain(system)
                asked, opening = time.monotonic(), asyncio.create_task(_open_cold(system))
                stored = _snapshots(system)
                outage.waits = await people.during(seconds)
                outage.snapshots_meanwhile = _snapshots(system) - stored
                store.heal()
                healed = time.monotonic()
                if begin == store.refuse:
                    system.restart(_STARTED)
                    await asyncio.to_thread(system.wait_ready, _STARTED)
                outage.opened_after_seconds = await opening - asked
            await eventually(lambda: _is_saved(system), "all snapshots are made", 180)
            outage.snapshots_after_seconds = time.monotonic() - healed
    return found


async def _start_in_vain(system: System) -> None:
    """Check that a transformer that is started now ends, and says why: it must not work for another deployment."""
    process = system.processes[_STARTED]
    process.kill()
    system.restart(_STARTED)
    assert await asyncio.to_thread(process.ended) == 1
    assert "cannot start: " in process.tail()


async def _write_cold(system: System) -> None:
    async with connect(system.url, author="ada") as session:
        document = await session.open(_COLD)
        await document.insert(0, _COLD_TEXT)
        await document.settle()


async def _open_cold(system: System) -> float:
    """Open it, whenever that works; return when."""
    async with connect(system.url, author="bob", patience_seconds=600) as session:
        document = await session.open(_COLD)
        await document.until(lambda: document.text == _COLD_TEXT)
        return time.monotonic()


def _is_saved(system: System) -> bool:
    return "coedit_snapshotter_changed 0.0" in system.metrics("snapshotter-0")


def _snapshots(system: System) -> int:
    lines = system.metrics("snapshotter-0").splitlines()
    (line,) = [line for line in lines if line.startswith("coedit_snapshotter_snapshots_total ")]
    return int(float(line.split()[1]))


def _is_cold(system: System) -> bool:
    """Return whether Redis has nothing of the document that nobody has open."""
    name = DocumentId(_COLD)
    shard = shard_of(name, 8)
    with Redis.from_url(system.redis_url) as redis:
        return not redis.exists(shard.document(name))


@asynccontextmanager
async def _refusing() -> AsyncIterator[tuple[str, int]]:
    """Run a server that answers 503 to everything."""

    async def refuse(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=503, text="<Error><Code>ServiceUnavailable</Code></Error>")

    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield "127.0.0.1", port
    finally:
        await runner.cleanup()
