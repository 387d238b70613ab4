"""Redis has no room, in memory or on its disk: nothing is acked, clients say why, and with room all goes on."""

import asyncio
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from redis import Redis

from coedit.client import Document, connect
from coedit.client.rest import fetch_text
from coedit.identifiers import DocumentId
from coedit.store.keys import shard_of
from tests.conftest import MakeSystem
from tests.system import System, eventually
from tests.writers import settle_all

pytestmark = pytest.mark.timeout(240)

_DISK_BYTES = 32 * 1024 * 1024
_MORE = "more " * 4000
"""More than what is left of the last page of a file on a full disk."""
_QUICK = {
    "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "1",
    "COEDIT_SNAPSHOTTER_TAIL": "10",
    "COEDIT_SNAPSHOTTER_SEGMENT_COMMITS": "5",
    "COEDIT_TRANSFORMER_RESTART_GRACE_SECONDS": "0.5",
}


@asynccontextmanager
async def _opened(system: System) -> AsyncIterator[tuple[Document, Document]]:
    """One who writes and one who reads."""
    async with AsyncExitStack() as stack:
        writer, reader = [
            await (await stack.enter_async_context(connect(system.url, author=author))).open("notes")
            for author in ("ada", "bob")
        ]
        yield writer, reader


async def _write(writer: Document, reader: Document, count: int) -> None:
    for number in range(count):
        await writer.insert(len(writer.text), f"{number} ")
        await writer.settle()
    await reader.until(lambda: reader.text == writer.text)


def _pids(system: System) -> dict[str, int]:
    assert all(process.is_running for process in system.processes.values())
    return {name: process.pid for name, process in system.processes.items()}


def _memory_share(system: System) -> float:
    lines = system.metrics("snapshotter-0").splitlines()
    (line,) = [line for line in lines if line.startswith("coedit_snapshotter_redis_memory_share ")]
    return float(line.split()[1])


async def test_edits_wait_while_memory_is_short_and_logs_are_cut_all_the_same(
    make_system: MakeSystem,
) -> None:
    system = make_system(settings=_QUICK, acl=True)
    shard, name = shard_of(DocumentId("notes"), 8), DocumentId("notes")
    with Redis.from_url(system.redis_url) as redis:
        async with _opened(system) as (writer, reader):
            await _write(writer, reader, 40)
            kept, before = writer.text, _pids(system)
            redis.config_set("maxmemory", "1")
            await writer.insert(0, "more ")
            await eventually(lambda: "full" in writer.trouble, "the writer says why nothing is saved")
            assert (writer.saved, writer.revision) == (False, 40)
            assert reader.text == kept
            assert (await fetch_text(system.url, "notes")).text == kept, "who comes now can read"
            await eventually(
                lambda: int(redis.hget(shard.document(name), "floor") or 0) >= 25,
                "what the object store has leaves Redis, to make room",
            )
            await eventually(lambda: _memory_share(system) > 1, "the metric of the alert says so")
            assert _pids(system) == before, "no process ended for it"
            redis.config_set("maxmemory", "0")
            await settle_all([writer, reader], 60)
            assert writer.text == reader.text == f"more {kept}"
            assert writer.trouble == ""


def test_service_that_starts_while_memory_is_short_says_why_it_does_not(make_system: MakeSystem) -> None:
    system = make_system()
    with Redis.from_url(system.redis_url) as redis:
        redis.config_set("maxmemory", "1")
        transformer = system.processes["transformer-0"]
        transformer.kill()
        redis.flushall()
        (system.folder / "objects/!deployment/marker").unlink()
        system.restart("transformer-0")
        assert transformer.ended() == 1
        assert "cannot start: the deployment cannot be begun in Redis now" in transformer.tail()
        assert "Traceback" not in transformer.tail()


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class _Restarts:
    """Starts Redis whenever it ends, as Docker and the kubelet do."""

    def __init__(self, system: System) -> None:
        self._redis = system.processes["redis"]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.count = 0

    def __enter__(self) -> "_Restarts":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(0.2):
            if not self._redis.is_running:
                self.count += 1
                self._redis.start()


@pytest.fixture
def on_small_disk(tmp_path: Path) -> Iterator[Callable[[str], System]]:
    """A function that starts a system whose Redis has a small disk, and syncs it so."""
    started: list[System] = []
    with _small_disk(tmp_path / "system/redis"):

        def start(fsync: str) -> System:
            system = System(tmp_path / "system", settings=_QUICK, acl=True)
            started.append(system)
            command = system.processes["redis"].command
            command[command.index("--appendfsync") + 1] = fsync
            system.start()
            return system

        yield start
        for system in started:
            system.stop()


@pytest.mark.parametrize(
    ("fsync", "why"),
    [
        pytest.param("always", "cannot be reached", id="Redis ends, again and again"),
        pytest.param("everysec", "cannot write to its disk", id="Redis refuses writes"),
    ],
)
async def test_what_was_acked_is_there_once_a_full_disk_has_room(
    on_small_disk: Callable[[str], System], fsync: str, why: str
) -> None:
    system = await asyncio.to_thread(on_small_disk, fsync)
    async with _opened(system) as (writer, reader):
        await _write(writer, reader, 40)
        kept = writer.text
        with _Restarts(system) as restarts:
            ballast = system.folder / "redis/ballast"
            _fill(ballast)
            await writer.insert(0, _MORE)
            await eventually(lambda: why in writer.trouble, "the writer says why nothing is saved")
            if fsync == "always":
                await eventually(lambda: restarts.count >= 3, "Redis is started in a circle")
            assert (writer.saved, writer.revision, reader.text) == (False, 40, kept)
            ended = {name for name, process in system.processes.items() if not process.is_running}
            assert ended <= {"redis"}
            ballast.unlink()
            await settle_all([writer, reader], 90)
        assert writer.text == reader.text == _MORE + kept
        assert (writer.losses, writer.rejections, writer.state.epoch) == ([], [], 1)
    assert (await fetch_text(system.url, "notes")).text == _MORE + kept


def _fill(ballast: Path) -> None:
    """Take all the room there is."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            while True:
                try:
                    if file.write(b"\0" * size) < size:
                        break
                except OSError:
                    break
