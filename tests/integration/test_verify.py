"""``coedit verify`` finds what does not agree, and ``coedit recover`` brings documents back into an empty Redis."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from coedit.client import DocumentError, DocumentHistory, connect
from coedit.client.rest import fetch_text
from coedit.identifiers import AuthorId, DocumentId, Revision, VersionName
from coedit.ot import Delta
from coedit.protocol.log_entry import ChainKey
from coedit.store.keys import shard_of
from coedit.store.objects.archive import Archive
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.rendered import Rendered
from coedit.store.objects.snapshots import Snapshots, encode_snapshot
from coedit.store.objects.versions import Version, Versions
from tests.conftest import MakeSystem
from tests.system import SECRET, System, eventually
from tests.unit.commands.test_cli import run

SHARDS = 8


async def coedit(system: System, *words: str, secret: str = SECRET) -> tuple[int, str]:
    """Run the command as an operator does; return its exit code and what it printed."""
    redis: dict[str, Any] = {
        name: value for name, value in system.environment.items() if name.startswith("COEDIT_REDIS_")
    }
    done = await asyncio.to_thread(
        run,
        *words,
        COEDIT_SECRET=secret,
        COEDIT_OBJECT_STORE_URL=system.object_store_url,
        COEDIT_SHARD_COUNT=str(SHARDS),
        **redis,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, done.stdout.decode()


async def write(system: System, name: str, *, below: int = 20, above: int = 3) -> None:
    """Write a document that has a snapshot, an archived beginning, and commits above it; then leave it."""
    async with connect(system.url, author="ada") as session:
        document = await session.open(name)
        for number in range(below):
            await document.insert(0, f"{number} 😀", {"bold": True} if number % 2 else None)
            await document.settle()
        await eventually(lambda: document.state.snapshot_revision >= below, "a snapshot covers it")
        for number in range(above):
            await document.insert(0, f"{number} ")
            await document.settle()


@asynccontextmanager
async def redis_of(system: System) -> AsyncIterator[Redis]:
    redis = Redis.from_url(system.redis_url)
    try:
        yield redis
    finally:
        await redis.aclose()


def _quick(make_system: MakeSystem, **more: str) -> System:
    settings = {"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.2", "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.05"} | more
    return make_system(settings=settings, acl=True)


def _files(system: System, kind: str, name: str) -> list[Path]:
    return sorted((system.folder / "objects" / name / kind).iterdir())


async def test_what_agrees_is_said_to_agree(make_system: MakeSystem) -> None:
    system = _quick(make_system)
    for name in ("notes", "a/b.c?"):
        await write(system, name)
    await DocumentHistory(system.url, "notes").save_version("first", 5)
    code, printed = await coedit(system, "verify", "--all")
    lines = printed.splitlines()
    assert code == 0, printed
    assert [line.split("\t")[:2] for line in lines[:-1]] == [["agrees", "a/b.c?"], ["agrees", "notes"]]
    assert "1 versions" in lines[1]
    assert lines[-1].startswith("2 documents, 0 wrong")
    code, printed = await coedit(system, "verify", "a/b.c?", "--json")
    verdict, summary = map(json.loads, printed.splitlines())
    assert (code, verdict["agrees"], verdict["revision"], verdict["findings"]) == (0, True, 23, [])
    assert (summary["documents"], summary["wrong"]) == (1, 0)


async def test_document_that_is_edited_meanwhile_agrees(make_system: MakeSystem) -> None:
    system = _quick(make_system)
    async with connect(system.url, author="ada") as session:
        document = await session.open("busy")
        is_done = False

        async def type_on() -> None:
            while not is_done:
                await document.insert(0, "x")
                await document.settle()

        typing = asyncio.create_task(type_on())
        await document.until(lambda: document.revision > 20)
        answers = [await coedit(system, "verify", "busy") for _ in range(3)]
        is_done = True
        await typing
    assert [code for code, _ in answers] == [0, 0, 0], answers


async def _alter_segment(system: System, _: Redis) -> None:
    (segment, *_rest) = _files(system, "history", "notes")
    body = bytearray(segment.read_bytes())
    body[-3] ^= 1
    segment.write_bytes(bytes(body))


async def _alter_commit_in_segment(system: System, _: Redis) -> None:
    """With a checksum that holds: only the chain of macs shows it."""
    archive = Archive(objects := open_object_store(system.object_store_url))
    (segment, *_rest) = await archive.segments(DocumentId("notes"))
    entries = await archive.read(DocumentId("notes"), segment.first, segment.last)
    await objects.delete(f"notes/history/{segment.first:016d}-{segment.last:016d}")
    altered = [
        entry.replace(b"ada", b"eve") if number == 1 else entry for number, entry in enumerate(entries)
    ]
    await archive.store(DocumentId("notes"), Revision(segment.first), altered)


async def _alter_snapshot(system: System, _: Redis) -> None:
    """Text and Yjs update differ, and every checksum holds."""
    snapshot = await Snapshots(open_object_store(system.object_store_url)).newest(DocumentId("notes"))
    assert snapshot is not None
    altered = replace(snapshot, rendered=Rendered(Delta().insert("something else")))
    _files(system, "snapshot", "notes")[-1].write_bytes(encode_snapshot(altered))


async def _alter_log(_: System, redis: Redis) -> None:
    log = shard_of(DocumentId("notes"), SHARDS).log(DocumentId("notes"))
    entries: Any = await redis.xrange(log)
    await redis.delete(log)
    for entry_id, fields in entries:
        await redis.xadd(log, {"commit": fields[b"commit"].replace(b"ada", b"eve")}, id=entry_id)


async def _alter_position(_: System, redis: Redis) -> None:
    await redis.hset(shard_of(DocumentId("notes"), SHARDS).document(DocumentId("notes")), "mac", "00")


async def _other_version(system: System, _: Redis) -> None:
    version = Version("v", Revision(3), 1, "00", "eve", 1)  # type: ignore[arg-type]
    await Versions(open_object_store(system.object_store_url)).create(DocumentId("notes"), version)


@pytest.mark.parametrize(
    ("alter", "where"),
    [
        (_alter_segment, "segment"),
        (_alter_commit_in_segment, "segment"),
        (_alter_snapshot, "snapshot"),
        (_alter_log, "log"),
        (_alter_position, "position"),
        (_other_version, "version v"),
    ],
)
async def test_what_does_not_agree_is_named(
    make_system: MakeSystem, alter: Callable[[System, Redis], Any], where: str
) -> None:
    system = _quick(make_system)
    await write(system, "notes", above=0)
    await write(system, "healthy")
    for name in ("snapshotter-0", "transformer-0"):
        system.processes[name].stop()  # it is what is stored that is verified
    async with redis_of(system) as redis:
        if alter is _alter_log:
            await _above_the_snapshot(system)
        await alter(system, redis)
    code, printed = await coedit(system, "verify", "--all", "--json")
    verdicts = {line["document"]: line for line in map(json.loads, printed.splitlines()[:-1])}
    assert code == 1, printed
    assert verdicts["healthy"]["agrees"]
    assert not verdicts["notes"]["agrees"]
    assert any(finding["where"].startswith(where) for finding in verdicts["notes"]["findings"]), printed


async def _above_the_snapshot(system: System) -> None:
    system.restart("transformer-0")
    system.wait_ready("transformer-0")
    async with connect(system.url, author="ada") as session:
        document = await session.open("notes")
        await document.insert(0, "above")
        await document.settle()
    system.processes["transformer-0"].stop()


async def test_what_another_secret_cannot_check_is_counted_and_fails(make_system: MakeSystem) -> None:
    system = _quick(make_system)
    await write(system, "notes")
    secret = "another secret of thirty-two bytes"
    for words in (("verify", "notes"), ("verify", "--all"), ("doctor", "notes")):
        code, printed = await coedit(system, *words, secret=secret)
        assert code == 1, printed
        assert "23 revisions could not be checked" in printed
    code, printed = await coedit(system, "verify", "notes", "--json", secret=secret)
    assert (code, json.loads(printed.splitlines()[-1])["unchecked"]) == (1, 23)
    code, _ = await coedit(system, "doctor", "notes", "--repair", secret=secret)
    assert code == 1
    assert (await coedit(system, "doctor", "notes"))[0] == 0


async def _forge(redis: Redis, revision: int, **fields: Any) -> None:
    """Put an entry of the log in the place of another, with its mac."""
    log = shard_of(DocumentId("notes"), SHARDS).log(DocumentId("notes"))
    entries: Any = await redis.xrange(log)
    await redis.delete(log)
    for entry_id, found in entries:
        entry = found[b"commit"]
        if int(entry_id.partition(b"-")[0]) == revision:
            entry = msgpack.packb(msgpack.unpackb(entry) | fields)
        await redis.xadd(log, {"commit": entry}, id=entry_id)


async def test_forged_entry_is_not_shown_without_a_word(make_system: MakeSystem) -> None:
    system = make_system(settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "3600"})
    async with connect(system.url, author="ada") as session:
        document = await session.open("notes")
        for number in range(6):
            await document.insert(0, f"{number} ")
            await document.settle()
    async with redis_of(system) as redis:
        await _forge(redis, 3, author="eve", key_id="00000000")
        past = DocumentHistory(system.url, "notes")
        assert "eve" in {run.author for run in await past.blame()}
        assert past.unchecked == 1
        for words in (("blame",), ("history",), ("show",), ("diff",)):
            more = {"show": ("head",), "diff": ("0",)}.get(words[0], ())
            done = await asyncio.to_thread(run, *words, "notes", *more, "--url", system.url)
            assert done.returncode == 0, done.stderr
            assert b"1 revisions could not be checked" in done.stderr
        code, printed = await coedit(system, "verify", "notes")
        assert (code, "UNCHECKED" in printed) == (1, True), printed
        assert "coedit_gateway_unchecked_total" in system.metrics("gateway-0")
        await _forge(redis, 3, author="eve", key_id=ChainKey.derive(SECRET.encode()).key_id)
    for ask in (past.blame, past.changes, past.at):
        with pytest.raises(DocumentError, match="revision 3"):
            await ask()


async def test_documents_come_back_into_an_empty_redis(make_system: MakeSystem) -> None:
    system = _quick(make_system)
    names = [f"room/{number}" for number in range(12)]
    for name in names:
        await write(system, name, below=4, above=0)
    texts = {name: (await fetch_text(system.url, name)).text for name in names}
    system.wipe_redis()
    async with redis_of(system) as redis:
        await eventually(lambda: _answers(redis), "Redis is back")
        code, printed = await coedit(system, "recover", "--all")
        assert code == 0, printed
        # A transformer that lives may be quicker with those that it remembers.
        counts = re.match(
            r"12 documents: (\d+) brought back, (\d+) were there, 0 without a snapshot, 0 failed", printed
        )
        assert counts is not None, printed
        assert int(counts[1]) + int(counts[2]) == 12
        for name in map(DocumentId, names):
            assert await redis.hget(shard_of(name, SHARDS).document(name), "head") == b"4"
    assert {name: (await fetch_text(system.url, name)).text for name in names} == texts
    assert (await coedit(system, "verify", "--all"))[0] == 0
    code, printed = await coedit(system, "recover", names[0])
    assert (code, "1 were there" in printed) == (0, True)
    await write(system, names[0], below=5, above=0)


async def test_document_without_the_snapshot_that_it_should_have_had_is_not_called_whole(
    make_system: MakeSystem,
) -> None:
    system = _quick(make_system)
    await write(system, "notes", below=3, above=0)
    system.processes["snapshotter-0"].kill()
    async with connect(system.url, author="ada") as session:
        document = await session.open("notes")
        await document.insert(0, "above")
        await document.settle()
    assert (await coedit(system, "verify", "notes"))[0] == 0, "it may get one yet"
    async with redis_of(system) as redis:
        await redis.zadd(shard_of(DocumentId("notes"), SHARDS).changed, {"notes": 1})
    code, printed = await coedit(system, "verify", "notes")
    assert (code, "revisions 4 to 4 have no snapshot" in printed) == (1, True), printed


async def test_recovery_is_not_green_where_nothing_can_be_brought_back(make_system: MakeSystem) -> None:
    """Of one document there is a name and nothing else; of the other the history, and the snapshot is to come."""
    system = _quick(make_system)
    await write(system, "history", below=3, above=0)
    await Versions(open_object_store(system.object_store_url)).create(
        DocumentId("named"), Version(VersionName("v1"), Revision(1), 1, "mac", AuthorId("ada"), 1)
    )
    for name in ("snapshotter-0", "transformer-0", "gateway-0"):
        system.processes[name].kill()
    shutil.rmtree(system.folder / "objects" / "history" / "snapshot")
    system.wipe_redis()
    system.restart("transformer-0")
    system.wait_ready("transformer-0")
    code, printed = await coedit(system, "recover", "--all")
    assert code == 1, printed
    assert "NOTHING\tnamed" in printed
    assert "2 documents: 1 brought back, 0 were there, 1 without a snapshot, 0 failed" in printed


async def test_recovery_without_transformers_says_so(make_system: MakeSystem) -> None:
    system = _quick(make_system)
    await write(system, "notes", below=2, above=0)
    system.processes["transformer-0"].stop()
    system.wipe_redis()
    async with redis_of(system) as redis:
        await eventually(lambda: _answers(redis), "Redis is back")
    code, printed = await coedit(system, "recover", "notes", "--patience", "0.3")
    assert code == 1
    assert "FAILED\tnotes\t" in printed
    assert "do transformers run" in printed


async def _answers(redis: Redis) -> bool:
    try:
        return bool(await redis.ping())
    except (OSError, RedisError):
        return False
