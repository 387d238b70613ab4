"""A document that is damaged is quarantined by itself: it is read on, refuses writes, and the others never notice."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import msgpack
import pytest
from redis.asyncio import Redis

from coedit.client import Document, connect
from coedit.client.connection import Session
from coedit.client.rest import fetch_text
from coedit.crdt.document import YjsDocument
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision, document_id, escape
from coedit.ot import Delta
from coedit.ot.commit import Submission
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.documents.quarantine import Quarantine
from coedit.store.keys import Shard, shard_of
from coedit.store.objects.archive import Archive
from coedit.store.objects.local_folder import LocalFolder
from coedit.store.objects.snapshots import Snapshots, encode_snapshot, snapshot_key
from coedit.store.redis.connection import connect as connect_redis
from coedit.store.redis.topology import Nodes
from coedit.store.streams.ops import Addressed, OpsStream
from tests.conftest import MakeSystem
from tests.system import System, eventually

SHARDS = 8
_HEALTHY = 16
"""So many documents are edited meanwhile that every shard has some of them."""
_NOTICED_SECONDS = 2.0


@dataclass
class Patient:
    """A document with a snapshot, an archived beginning, and some commits above the snapshot."""

    system: System
    redis: Redis
    name: DocumentId
    text: str = ""
    before: str = ""
    """The text at the newest snapshot."""

    @property
    def shard(self) -> Shard:
        return shard_of(self.name, SHARDS)

    @property
    def log(self) -> str:
        return self.shard.log(self.name)

    @property
    def place(self) -> str:
        return self.shard.document(self.name)

    @property
    def objects(self) -> LocalFolder:
        return LocalFolder(str(self.system.folder / "objects"))

    async def position(self) -> Position:
        position = await DocumentLog(Nodes(self.redis), SHARDS).position(self.name)
        assert position is not None
        return position

    async def rewrite(self, change: Callable[[int, bytes], bytes | None]) -> None:
        """Put the log's entries through ``change``; None leaves one out."""
        entries = cast("list[Any]", await self.redis.xrange(self.log))
        await self.redis.delete(self.log)
        for name, fields in entries:
            entry = change(int(name.split(b"-")[0]), fields[b"commit"])
            if entry is not None:
                await self.redis.xadd(self.log, {"commit": entry}, id=name)

    async def overwrite(self, key: str, body: bytes) -> None:
        await self.objects.delete(key)
        assert await self.objects.create(key, body)

    async def newest_key(self) -> str:
        return snapshot_key(self.name, (await Snapshots(self.objects).numbers(self.name))[-1])


Damage = Callable[[Patient], Awaitable[None]]


async def undecodable_entry(patient: Patient) -> None:
    head = (await patient.position()).head
    await patient.rewrite(lambda revision, entry: b"\xc1" if revision == head - 1 else entry)


async def altered_entry(patient: Patient) -> None:
    """Somebody else's words in an author's mouth: it decodes, and its mac does not hold."""
    head = (await patient.position()).head

    def alter(revision: int, entry: bytes) -> bytes:
        fields = msgpack.unpackb(entry)
        return msgpack.packb(fields | {"author": "eve"}) if revision == head - 1 else entry

    await patient.rewrite(alter)


async def gap_in_the_log(patient: Patient) -> None:
    await patient.redis.xdel(patient.log, f"{(await patient.position()).head - 1}-0")


async def log_deleted(patient: Patient) -> None:
    await patient.redis.delete(patient.log)


async def log_of_another_type(patient: Patient) -> None:
    await patient.redis.set(patient.log, "not a stream", get=False)


async def entry_without_a_commit(patient: Patient) -> None:
    head = (await patient.position()).head
    await patient.rewrite(lambda revision, entry: None if revision == head else entry)
    await patient.redis.xadd(patient.log, {"other": b""}, id=f"{head}-0")


async def position_deleted(patient: Patient) -> None:
    await patient.redis.delete(patient.place)


async def position_of_another_type(patient: Patient) -> None:
    await patient.redis.set(patient.place, "not a hash")


async def position_unreadable(patient: Patient) -> None:
    await patient.redis.hset(patient.place, "head", "many")


async def position_of_another_history(patient: Patient) -> None:
    await patient.redis.hset(patient.place, "mac", "00" * 16)


async def snapshot_corrupt(patient: Patient) -> None:
    key = await patient.newest_key()
    body = await patient.objects.read(key)
    assert body is not None
    await patient.overwrite(key, body[:-9] + b"corrupted")


async def snapshot_missing(patient: Patient) -> None:
    await patient.objects.delete(await patient.newest_key())


REPAIRABLE: tuple[Damage, ...] = (
    position_deleted,
    position_of_another_type,
    position_unreadable,
    position_of_another_history,
    snapshot_corrupt,
    snapshot_missing,
)
LOSING: tuple[tuple[Damage, int], ...] = (
    (undecodable_entry, 2),
    (altered_entry, 2),
    (gap_in_the_log, 2),
    (entry_without_a_commit, 1),
)
"""With how many revisions nobody has another copy of."""
EMPTYING: tuple[Damage, ...] = (log_deleted, log_of_another_type)
"""Everything above the snapshot is gone."""


@pytest.fixture(scope="module")
def bad_apples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    settings = {
        "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "3600",
        "COEDIT_SNAPSHOTTER_COMMITS": "20",
        "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.1",
        "COEDIT_SNAPSHOTTER_TAIL": "8",
        "COEDIT_SNAPSHOTTER_SEGMENT_COMMITS": "4",
        "COEDIT_TRANSFORMER_RECHECK_SECONDS": "0.3",
        # What is stored is shown, not what a gateway still knows of documents that everybody has left.
        "COEDIT_GATEWAY_UNSAVED_BYTES": "0",
    }
    system = System(tmp_path_factory.mktemp("bad-apples"), settings=settings)
    system.start()
    yield system
    system.stop()


@pytest.fixture
async def redis(bad_apples: System) -> AsyncIterator[Redis]:
    client = connect_redis(bad_apples.redis_url)
    yield client
    await client.aclose()


async def admit(system: System, redis: Redis, name: str) -> Patient:
    """Write a document that has all that can be damaged."""
    patient = Patient(system, redis, document_id(name))
    async with connect(system.url, author="ada") as session:
        document = await session.open(name)
        for number in range(20):
            await document.insert(0, f"{number} ")
            await document.settle()
        await eventually(lambda: _is_archived(patient), "a snapshot, and a trimmed log")
        patient.before = document.text
        for number in range(20, 25):
            await document.insert(0, f"{number} ")
            await document.settle()
        patient.text = document.text
    await _until_left(system)
    return patient


async def _is_archived(patient: Patient) -> bool:
    position = await patient.position()
    return (position.snapshot, position.floor) == (20, 12)


async def _until_left(system: System) -> None:
    """Wait until the gateway has forgotten the document, so that it is read anew."""

    def has_none() -> bool:
        lines = system.metrics("gateway-0").splitlines()
        return "coedit_gateway_documents 0.0" in lines

    await eventually(has_none, "the gateway has no document open")


@asynccontextmanager
async def others_edit(system: System) -> AsyncIterator[None]:
    """Edit other documents, in every shard, all the while; fail if anybody there had to wait."""
    is_over = False
    slowest = 0.0

    async def type_on(document: Document) -> None:
        nonlocal slowest
        while not is_over:
            begun_at = time.monotonic()
            await document.insert(0, "x")
            await document.settle()
            slowest = max(slowest, time.monotonic() - begun_at)
            await asyncio.sleep(0.05)

    names = [f"healthy {number}" for number in range(_HEALTHY)]
    assert {shard_of(DocumentId(name), SHARDS) for name in names} == set(map(Shard, range(SHARDS)))
    async with connect(system.url, author="bob") as session:
        documents = [await session.open(name) for name in names]
        async with asyncio.TaskGroup() as tasks:
            for document in documents:
                tasks.create_task(type_on(document))
            yield
            is_over = True
    assert not any(document.rejections for document in documents)
    print(f"the slowest edit of another document took {slowest:.2f} s")
    assert slowest < _NOTICED_SECONDS


def doctor(system: System, *arguments: str) -> tuple[int, str]:
    """Run ``coedit doctor``; return its exit code and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "coedit.commands.cli", "doctor", *arguments],
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    print(done.stdout, done.stderr)
    return done.returncode, done.stdout + done.stderr


async def examine(patient: Patient, *arguments: str) -> tuple[int, str]:
    return await asyncio.to_thread(doctor, patient.system, patient.name, *arguments)


async def assert_quarantined(patient: Patient, text: str) -> None:
    """The document shows ``text``, says that it is damaged, and refuses to be written."""
    over_http = await fetch_text(patient.system.url, patient.name)
    assert (over_http.text, over_http.is_damaged) == (text, True)
    async with connect(patient.system.url, author="eve") as session:
        document = await session.open(patient.name)
        assert (document.text, document.damaged, document.state.access) == (text, True, "read")
        await document.insert(0, "mine ")
        assert not document.saved
    assert "quarantined" in await _answer_of_the_owner(patient)


async def _answer_of_the_owner(patient: Patient) -> str:
    """Submit past the gateway; return the message of the document's channel."""
    pubsub = patient.redis.pubsub()
    await pubsub.ssubscribe(patient.shard.events(patient.name))
    await pubsub.get_message(timeout=5)
    delta = Delta().insert("past the gateway")
    submission = Submission(ClientId("raw"), ClientSequence(1), AuthorId("eve"), 1, Revision(0), delta)
    await OpsStream(Nodes(patient.redis)).add({patient.shard: [Addressed(patient.name, submission)]})
    answers = []

    async def answered() -> bool:
        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.1)
        answers.extend([] if message is None else [str(message["data"])])
        return any("rejected" in answer or "committed" in answer for answer in answers)

    await eventually(answered, "the owner answers")
    await pubsub.aclose()  # type: ignore[no-untyped-call]
    return answers[-1]


async def assert_well(patient: Patient, text: str) -> None:
    """The document shows ``text`` and takes an edit, without a restart of anything."""
    async with connect(patient.system.url, author="eve") as session:
        document = await session.open(patient.name)
        assert (document.text, document.damaged) == (text, False)
        await document.insert(0, "after ")
        await document.settle()
        assert document.rejections == []
    over_http = await fetch_text(patient.system.url, patient.name)
    assert (over_http.text, over_http.is_damaged) == (f"after {text}", False)
    assert (await examine(patient))[0] == 0


@pytest.mark.parametrize("damage", REPAIRABLE, ids=lambda damage: damage.__name__)
async def test_damage_of_which_nothing_is_lost_is_repaired(
    bad_apples: System, redis: Redis, damage: Damage
) -> None:
    patient = await admit(bad_apples, redis, damage.__name__)
    async with others_edit(bad_apples):
        await damage(patient)
        await assert_quarantined(patient, patient.text)
        code, said = await examine(patient)
        assert (code, "WRONG" in said) == (1, True)
        assert (await examine(patient, "--repair"))[0] == 0
        await assert_well(patient, patient.text)


@pytest.mark.parametrize(("damage", "lost"), LOSING, ids=lambda value: getattr(value, "__name__", value))
async def test_damage_that_loses_revisions_is_cut_back_only_where_that_is_accepted(
    bad_apples: System, redis: Redis, damage: Damage, lost: int
) -> None:
    patient = await admit(bad_apples, redis, damage.__name__)
    sound = " ".join(patient.text.split(" ")[lost:])
    async with others_edit(bad_apples):
        await damage(patient)
        await assert_quarantined(patient, sound)
        assert (await examine(patient, "--repair"))[0] == 5
        await assert_quarantined(patient, sound)
        code, said = await examine(patient, "--repair", "--accept-loss")
        assert code == 0
        named = "revision 25" if lost == 1 else "revisions 24-25"
        assert f"LOST        {named}; epoch 2 began" in said
        await assert_well(patient, sound)
    assert (await patient.position()).epoch == 2


@pytest.mark.parametrize("damage", EMPTYING, ids=lambda damage: damage.__name__)
async def test_log_that_is_gone_leaves_the_newest_snapshot(
    bad_apples: System, redis: Redis, damage: Damage
) -> None:
    patient = await admit(bad_apples, redis, damage.__name__)
    async with others_edit(bad_apples):
        await damage(patient)
        await assert_quarantined(patient, patient.before)
        code, said = await examine(patient, "--repair", "--accept-loss")
        assert code == 0
        assert "revisions 21-25; epoch 2 began" in said
        await assert_well(patient, patient.before)


async def test_log_that_is_gone_costs_nothing_where_the_snapshot_has_it_all(
    bad_apples: System, redis: Redis
) -> None:
    patient = await admit(bad_apples, redis, "covered")
    async with connect(bad_apples.url, author="ada") as session:
        document = await session.open(patient.name)
        for number in range(15):
            await document.insert(0, f"more {number} ")
            await document.settle()
        text = document.text
        await eventually(lambda: _is_covered(patient), "a snapshot of all of it")
    await _until_left(bad_apples)
    await log_deleted(patient)
    await assert_quarantined_by_the_owner(patient)
    code, said = await examine(patient)
    assert (code, "quarantine  yes" in said) == (1, True), "it must not end by itself while nobody can commit"
    code, said = await examine(patient, "--repair")
    assert (code, "the log was written again, from revision 33 on" in said) == (0, True)
    await assert_well(patient, text)


async def _is_covered(patient: Patient) -> bool:
    position = await patient.position()
    return (position.snapshot, position.floor) == (40, 32)


async def assert_quarantined_by_the_owner(patient: Patient) -> None:
    """The owner, which had the document in memory, is refused by the script, and refuses in turn."""
    assert "quarantined" in await _answer_of_the_owner(patient)


async def test_damage_to_the_log_that_the_archive_has_as_well_is_repaired_from_there(
    bad_apples: System, redis: Redis
) -> None:
    """As if a trim had stored its segment, and died before it cut the log."""
    patient = await admit(bad_apples, redis, "archived")
    entries = await DocumentLog(Nodes(redis), SHARDS).read(patient.name, 13, 25)

    await Archive(patient.objects).store(patient.name, Revision(13), entries)
    await undecodable_entry(patient)
    assert (await examine(patient, "--repair"))[0] == 0
    await assert_well(patient, patient.text)


async def test_fold_that_fails_quarantines_its_document(bad_apples: System, redis: Redis) -> None:
    """The snapshot holds two documents; whoever reads takes the rendered one, and the snapshotter finds it out."""
    patient = await admit(bad_apples, redis, "two documents")
    snapshots = Snapshots(patient.objects)
    snapshot = await snapshots.newest(patient.name)
    assert snapshot is not None
    other = YjsDocument(patient.name)
    other.fold(Delta().insert("another document"))
    forged = replace(snapshot, update=other.update(), state_vector=other.state_vector())
    await patient.overwrite(await patient.newest_key(), encode_snapshot(forged))
    async with others_edit(bad_apples), connect(bad_apples.url, author="ada") as session:
        document = await session.open(patient.name)
        while not document.damaged:  # until there are enough commits for the next snapshot, and then a moment
            await document.insert(0, "y")
            await asyncio.sleep(0.01)
        text = (await fetch_text(bad_apples.url, patient.name)).text
        assert text.endswith(patient.text)
        assert not document.saved
        assert (await examine(patient))[0] == 1
        assert (await examine(patient, "--repair"))[0] == 0
        # Whoever had it open goes on by itself, and what was not saved goes out.
        async with asyncio.timeout(20):
            await document.until(lambda: document.saved)
        assert (await fetch_text(bad_apples.url, patient.name)).text == document.text


async def test_quarantine_is_found_out_again_after_a_restart_even_if_the_note_of_it_is_lost(
    bad_apples: System, redis: Redis
) -> None:
    patient = await admit(bad_apples, redis, "found again")
    await undecodable_entry(patient)
    for is_forgotten in (False, True):
        await asyncio.to_thread(bad_apples.processes["transformer-0"].stop)
        if is_forgotten:
            await redis.hdel(patient.shard.damaged, patient.name)
        bad_apples.restart("transformer-0")
        await asyncio.to_thread(bad_apples.wait_ready, "transformer-0")
        assert "quarantined" in await _answer_of_the_owner(patient)
        assert await Quarantine(Nodes(redis), SHARDS, "doctor").of(patient.name) is not None
    assert (await examine(patient, "--repair", "--accept-loss"))[0] == 0
    await assert_well(patient, " ".join(patient.text.split(" ")[2:]))


async def test_quarantine_ends_by_itself_when_what_was_out_of_reach_is_back(
    bad_apples: System, redis: Redis
) -> None:
    """Say, a folder of objects that was not mounted."""
    patient = await admit(bad_apples, redis, "out of reach")
    folder, elsewhere = bad_apples.folder / "objects" / escape(patient.name), bad_apples.folder / "elsewhere"
    await asyncio.to_thread(folder.rename, elsewhere)
    async with connect(bad_apples.url, author="ada") as session:
        document = await session.open(patient.name)
        assert document.damaged
        await asyncio.to_thread(elsewhere.rename, folder)
        async with asyncio.timeout(30):
            await document.until(lambda: not document.damaged and document.text == patient.text)
        assert document.state.access == "write"
        await _edits_through(session, patient)
    await assert_well(patient, f"again {patient.text}")


async def _edits_through(session: Session, patient: Patient) -> None:
    document = await session.open(patient.name)
    await document.insert(0, "again ")
    await document.settle()


async def test_quarantined_documents_are_listed(bad_apples: System, redis: Redis) -> None:
    patient = await admit(bad_apples, redis, "listed")
    await undecodable_entry(patient)
    await assert_quarantined(patient, " ".join(patient.text.split(" ")[2:]))
    code, said = await asyncio.to_thread(doctor, bad_apples)
    assert (code, "listed\t" in said) == (1, True)
    assert (await examine(patient, "--repair", "--accept-loss"))[0] == 0


async def test_doctor_finds_nothing_wrong_with_a_healthy_document(bad_apples: System, redis: Redis) -> None:
    patient = await admit(bad_apples, redis, "healthy")
    before = {key: await redis.dump(key) for key in await redis.keys("*healthy")}
    code, said = await examine(patient, "--repair")
    assert (code, "healthy at revision 25" in said) == (0, True)
    assert {key: await redis.dump(key) for key in await redis.keys("*healthy")} == before


def test_doctor_without_its_settings_says_so() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COEDIT_")}
    command = [sys.executable, "-m", "coedit.commands.cli", "doctor", "notes"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "secret" in done.stderr


async def test_live_clients_go_on_in_the_new_epoch_after_a_loss(make_system: MakeSystem) -> None:
    """Two who have the document open when it is found damaged, and cut back: they end up with one document."""
    system = make_system(settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "3600"})
    redis = connect_redis(system.redis_url)
    patient = Patient(system, redis, document_id("live"))
    async with connect(system.url, author="ada") as ada, connect(system.url, author="bob") as bob:
        one, two = await ada.open("live"), await bob.open("live")
        for number in range(10):
            await one.insert(0, f"{number} ")
            await one.settle()
        await two.until(lambda: two.revision == 10)
        await undecodable_entry(patient)
        system.processes["transformer-0"].kill()
        system.restart("transformer-0")
        await asyncio.to_thread(system.wait_ready, "transformer-0")
        await one.insert(0, "pending ")
        async with asyncio.timeout(20):
            await one.until(lambda: one.damaged)
            await two.until(lambda: two.damaged)
        assert not one.saved
        assert (await examine(patient, "--repair", "--accept-loss"))[0] == 0
        async with asyncio.timeout(20):
            await one.until(lambda: one.saved)
            await two.until(lambda: not two.damaged and two.revision >= one.revision)
        stored = await fetch_text(system.url, "live")
        assert one.text == two.text == stored.text
        assert "pending " in stored.text
        assert one.rejections == two.rejections == []
    await redis.aclose()
