"""Idle documents leave Redis and come back: whoever opens or edits one notices nothing."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from coedit.client import DocumentHistory, connect
from coedit.client.rest import fetch_text
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Commit
from coedit.ot.delta import Delta
from coedit.protocol.log_entry import ChainKey, encode_commit
from coedit.store.keys import Shard, shard_of
from coedit.store.objects.archive import Archive
from coedit.store.objects.folding import Fold
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshots
from coedit.store.redis.connection import connect as connect_redis
from tests.integration.raw_client import RawClient
from tests.integration.test_verify import coedit
from tests.integration.yjs_client import YjsClient
from tests.system import SECRET, System, eventually

_SETTINGS = {
    "COEDIT_SNAPSHOTTER_IDLE_SECONDS": "0.4",
    "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.05",
    "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.05",
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system in which documents are idle after a moment."""
    system = System(tmp_path_factory.mktemp("system"), settings=_SETTINGS)
    system.start()
    yield system
    system.stop()


@pytest.fixture
async def redis(system: System) -> AsyncIterator[Redis]:
    client = connect_redis(system.redis_url)
    yield client
    await client.aclose()


def shard(name: str) -> Shard:
    return shard_of(DocumentId(name), 8)


async def is_gone(redis: Redis, name: str) -> bool:
    kept = await redis.exists(shard(name).document(DocumentId(name)), shard(name).log(DocumentId(name)))
    listed = await redis.zscore(shard(name).idle, name)
    return not kept and listed is None


async def until_gone(redis: Redis, name: str) -> None:
    await eventually(lambda: is_gone(redis, name), f"{name} has left Redis")


async def test_idle_document_leaves_redis_and_comes_back(system: System, redis: Redis) -> None:
    async with connect(system.url, author="ada") as session:
        document = await session.open("notes")
        for text in ("one ", "two ", "three"):
            await document.insert(len(document.text), text)
            await document.settle()
        await until_gone(redis, "notes")
        past = DocumentHistory(system.url, "notes", author="ada")
        changes, _ = await past.changes(gap_seconds=0)
        assert [(change.first, change.author) for change in changes] == [(3, "ada"), (2, "ada"), (1, "ada")]
        assert (await past.at(2)).content.text == "one two "
        assert [run.length for run in await past.blame()] == [4, 4, 5]
        assert (await fetch_text(system.url, "notes"))[:2] == ("one two three", 3)
        async with connect(system.url, author="bob") as second:
            opened = await second.open("notes")
            assert (opened.text, opened.revision) == ("one two three", 3)
            assert await is_gone(redis, "notes"), "opening writes nothing"
            await opened.insert(0, "> ")
            await opened.settle()
            await document.until(lambda: document.text == "> one two three")
        assert document.revision == 4
        await until_gone(redis, "notes")
        assert (await past.restore(1)).revision == 5
        await document.until(lambda: document.text == "one ")
    await until_gone(redis, "notes")
    code, printed = await coedit(system, "verify", "notes")
    assert code == 0, printed


async def test_edits_that_come_at_the_moment_of_eviction_are_kept(
    system: System, redis: Redis, seed: int
) -> None:
    """Two people type at once, each time about when the document has become idle."""
    chance, before, edits = random.Random(seed), evictions(system), 0
    async with (
        connect(system.url, author="ada") as ada,
        connect(system.url, author="bob") as bob,
        asyncio.timeout(60),
    ):
        documents = [await session.open("busy") for session in (ada, bob)]
        while edits < 12 or evictions(system) - before < 3:
            await asyncio.sleep(0.3 + chance.random() * 0.4)
            for document in documents:
                await document.insert(chance.randrange(len(document.text) + 1), f"[{edits % 10}]")
                edits += 1
            for document in documents:
                await document.settle()
    await until_gone(redis, "busy")
    text, revision, _ = await fetch_text(system.url, "busy")
    assert (revision, len(text)) == (edits, 3 * edits)
    code, printed = await coedit(system, "verify", "busy")
    assert code == 0, printed


def evictions(system: System) -> int:
    lines = system.metrics("snapshotter-0").splitlines()
    name = 'coedit_snapshotter_evictions_total{outcome="evicted"}'
    return next((int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(name)), 0)


async def test_submission_is_committed_once_though_the_document_left_in_between(
    system: System, redis: Redis
) -> None:
    async with RawClient(system.url) as client:
        await client.hello(author="ada")
        opened = await client.open("once")
        submission = {
            "type": "submit",
            "document": "once",
            "client_sequence": 1,
            "epoch": 1,
            "base_revision": 0,
            "delta": [{"insert": "mine"}],
        }
        await client.send(submission)
        first = await client.expect("ack")
        assert opened["revision"] == 0
        await until_gone(redis, "once")
        await client.send(submission)
        again = await client.expect("ack")
    assert (first["revision"], again["revision"]) == (1, 1)
    assert (await fetch_text(system.url, "once"))[:2] == ("mine", 1)


async def test_owner_does_not_go_by_what_it_read_before_another_wrote(system: System, redis: Redis) -> None:
    """That Redis holds no position says nothing about the head: it was read, moved on and evicted anew since."""
    async with RawClient(system.url) as ada, RawClient(system.url) as bob:
        for client, author in ((ada, "ada"), (bob, "bob")):
            await client.hello(author=author)
            await client.open("moved")
        await ada.send(_submission("moved", 0, [{"insert": "one"}]))
        await ada.expect("ack")
        await bob.expect("commit")
        await until_gone(redis, "moved")
        await asyncio.to_thread(system.processes["transformer-0"].stop)
        system.restart("transformer-0")  # it knows nothing of the document, and reads where it is now
        await ada.send(_submission("moved", 1, [{"delete": 9}], sequence=2))
        assert (await ada.expect("error"))["code"] == "length-mismatch"
        await _write_as_another_owner(system, "moved")
        await bob.send(_submission("moved", 1, [{"retain": 3}, {"insert": "three"}]))
        answer = await bob.expect("ack")
    assert answer["revision"] == 3
    assert (await fetch_text(system.url, "moved")).text == "one two three"


def _submission(name: str, base: int, delta: list[object], sequence: int = 1) -> dict[str, object]:
    return {
        "type": "submit",
        "document": name,
        "client_sequence": sequence,
        "epoch": 1,
        "base_revision": base,
        "delta": delta,
    }


async def _write_as_another_owner(system: System, name: str) -> None:
    """Leave revision 2 in the object store, as an owner and a snapshotter would that had it and gave it up."""
    document_id, chain_key = DocumentId(name), ChainKey.derive(SECRET.encode())
    objects = open_object_store(system.object_store_url)
    newest = await Snapshots(objects).newest(document_id)
    assert newest is not None
    commit = Commit(
        revision=Revision(2),
        delta=Delta().retain(3).insert(" two "),
        author=AuthorId("eve"),
        client_id=ClientId("another"),
        client_sequence=ClientSequence(1),
        at=1,
        epoch=1,
    )
    entry = encode_commit(chain_key.seal(document_id, commit, newest.mac))
    fold = Fold.begin(document_id, newest)
    fold.add(entry, chain_key)
    await Archive(objects).store(document_id, Revision(2), [entry])
    assert await Snapshots(objects).create(fold.finish(1))


async def test_document_of_yjs_clients_leaves_and_comes_back_as_one(system: System, redis: Redis) -> None:
    """Who had it open goes on with the items that they hold; nothing is made twice."""
    async with (
        connect(system.url, author="otto") as session,
        YjsClient(system.url, "yjs", author="yara") as yara,
    ):
        otto = await session.open("yjs")
        await yara.until_synced()
        await otto.insert(0, "one")
        await yara.until_text("one")
        await yara.edit(lambda text: text.insert(3, " two"))
        await otto.until(lambda: otto.text == "one two")
        for author in ("otto", "yara"):
            await until_gone(redis, "yjs")
            if author == "otto":
                await otto.insert(len(otto.text), " otto")
            else:
                await yara.edit(lambda text: text.insert(0, "yara "))
            expected = "one two otto" if author == "otto" else "yara one two otto"
            await otto.until(lambda expected=expected: otto.text == expected)  # type: ignore[misc]
            await yara.until_text(expected)
        await until_gone(redis, "yjs")
        async with YjsClient(system.url, "yjs", author="late") as late:
            await late.until_text("yara one two otto")
    code, printed = await coedit(system, "verify", "yjs")
    assert code == 0, printed


async def test_memory_of_redis_is_what_is_edited(system: System, redis: Redis) -> None:
    """However many documents there are; of those that left nothing stays but what expires."""
    names = [f"one of many {number}" for number in range(40)]
    async with connect(system.url, author="ada") as session:
        for name in names:
            document = await session.open(name)
            await document.insert(0, "x" * 100)
            await document.settle()
        for name in names:
            await until_gone(redis, name)
    keys = [key async for key in redis.scan_iter("*one of many*")]
    assert [key for key in keys if not key.startswith((b"presence", b"roster"))] == []
