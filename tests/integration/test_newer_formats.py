"""A version that meets what a newer one stored refuses it, says why, and takes nothing of it for damage."""

import asyncio
from pathlib import Path
from typing import Any

import msgpack
from redis.asyncio import Redis

from coedit.client import connect
from coedit.client.rest import fetch_text
from coedit.identifiers import document_id
from coedit.store.keys import shard_of
from tests.conftest import MakeSystem
from tests.integration.raw_client import RawClient
from tests.system import System, eventually

_READERS = ("gateway-0", "transformer-0", "snapshotter-0")
_SHARD = shard_of(document_id("notes"), 8)


async def test_snapshot_of_a_newer_format_is_refused_and_read_by_who_knows_it(
    make_system: MakeSystem,
) -> None:
    system = make_system(settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.2"})
    await _write(system)
    snapshots = await _snapshots(system)

    def stored(of_format: int) -> None:
        for file in snapshots:
            file.write_bytes(msgpack.packb(msgpack.unpackb(file.read_bytes()) | {"format": of_format}))

    await _restarted(system, lambda: stored(2))
    await _is_refused(system, "a snapshot is stored in format 2")
    await _restarted(system, lambda: stored(1))
    assert (await fetch_text(system.url, "notes")).text == "before"


async def test_log_of_a_newer_format_is_refused_and_read_by_who_knows_it(make_system: MakeSystem) -> None:
    system = make_system(settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "600"})
    await _write(system)
    log = _SHARD.log(document_id("notes"))
    async with Redis.from_url(system.redis_url) as redis:
        entries: Any = await redis.xrange(log)

        async def stored(**more: int) -> None:
            await redis.delete(log)
            for entry_id, fields in entries:
                packed = msgpack.packb(msgpack.unpackb(fields[b"commit"]) | more)
                await redis.xadd(log, fields | {b"commit": packed}, id=entry_id)

        await _stopped(system)
        await stored(format=2)
        await _started(system)
        await _is_refused(system, "a commit is stored in format 2")
        await _stopped(system)
        await stored()
        await _started(system)
    assert (await fetch_text(system.url, "notes")).text == "before"


async def _write(system: System) -> None:
    async with connect(system.url) as session:
        document = await session.open("notes")
        await document.insert(0, "before")
        await document.settle()


async def _snapshots(system: System) -> list[Path]:
    """Return the files of the snapshots, once Redis knows of one."""
    async with Redis.from_url(system.redis_url) as redis:

        async def is_known() -> bool:
            known: Any = await redis.hget(_SHARD.document(document_id("notes")), "snapshot")
            return int(known or 0) > 0

        await eventually(is_known, "there is a snapshot")
    return [file for file in (system.folder / "objects").rglob("snapshot/*") if file.name.isdigit()]


async def _is_refused(system: System, why: str) -> None:
    """Open it, by which gateway and transformer read it; nobody quarantines it."""
    async with RawClient(system.url) as client:
        await client.hello()
        await client.send({"type": "open", "document": "notes"})
        error = await client.expect("error")
        assert (error["code"], why in error["message"]) == ("unavailable", True), error
    async with connect(system.url) as session:
        other = await session.open("other")
        await other.insert(0, "others go on")
        await other.settle()
    async with Redis.from_url(system.redis_url) as redis:
        assert await redis.exists(_SHARD.damaged) == 0


async def _restarted(system: System, between: Any) -> None:
    await _stopped(system)
    between()
    await _started(system)


async def _stopped(system: System) -> None:
    for name in _READERS:
        await asyncio.to_thread(system.processes[name].stop)


async def _started(system: System) -> None:
    for name in _READERS:
        system.restart(name)
    for name in _READERS:
        await asyncio.to_thread(system.wait_ready, name)
