"""What ends whoever does it outside the batches is given up at last, and all others go on."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

import coedit
from coedit.errors import TooCostlyError
from coedit.identifiers import DocumentId
from coedit.protocol.codec import Codec
from coedit.store.documents import tries as tries_module
from coedit.store.documents.tries import Tries
from coedit.store.keys import Shard
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshots
from coedit.store.redis.topology import Nodes
from tests.integration.raw_client import Message, RawClient
from tests.integration.yjs_client import YjsClient
from tests.poisoned import APPLIED, DECIDED, DECODED, FOLDED, REBASED, started_again
from tests.system import System, eventually

NOTES, OTHER = DocumentId("notes"), DocumentId("other")
_AT_LAST_SECONDS = 120.0
"""Four processes have to start and end, one after the other."""
_REFUSED = 4422
"""How a Yjs client is sent away that sent what it must not send again."""


def tries(redis: Redis, owner: str) -> Tries:
    return Tries(Nodes(redis), owner, lambda _: Shard(3), lambda _: None)


class _EndedError(Exception):
    """Stands for the end of a process."""


async def ends_at(redis: Redis, owner: str, document_id: DocumentId = NOTES) -> str:
    """Begin as a process that ends before it finished: what it noted stays. Return how it was begun."""
    key = Shard(3).tried("fold", document_id)
    noted: Any = {}
    with suppress(_EndedError):
        async with tries(redis, owner).noted("fold", document_id):
            noted, left_ms = await redis.hgetall(key), await redis.pttl(key)
            raise _EndedError
    await redis.hset(key, mapping=noted)
    await redis.pexpire(key, left_ms)
    return str(noted[owner.encode()].decode())


async def test_what_ended_four_is_refused_and_nothing_else(redis: Redis) -> None:
    modes = [await ends_at(redis, owner) for owner in "abcd"]
    assert modes == ["normal", "normal", "apart", "apart"]
    for owner in "def":
        if owner != "d":
            with pytest.raises(TooCostlyError):
                await ends_at(redis, owner)
        await ends_at(redis, owner, OTHER)
    async with tries(redis, "e").noted("evict", NOTES):
        pass


async def test_what_is_finished_counts_no_more(redis: Redis) -> None:
    """However often machines kill those who do it: what is finished once in four tries is well."""
    for round_ in range(3):
        for owner in "abc":
            await ends_at(redis, f"{owner}{round_}")
        async with tries(redis, f"d{round_}").noted("fold", NOTES):
            pass
        assert not await redis.keys("tried:*")


async def test_who_lives_on_is_no_witness(redis: Redis) -> None:
    """Trouble of a store, or being told to stop, says nothing about the work."""
    for owner in "abcdefgh":
        with pytest.raises(RuntimeError):
            async with tries(redis, owner).noted("fold", NOTES):
                raise RuntimeError
    for _ in range(8):
        assert await ends_at(redis, "i") == "normal"
    async with tries(redis, "j").noted("fold", NOTES):
        pass


async def test_what_failed_leaves_what_others_noted(redis: Redis) -> None:
    for owner in "abcd":
        await ends_at(redis, owner)
        with pytest.raises((RuntimeError, TooCostlyError)):
            async with tries(redis, owner + "'").noted("fold", NOTES):
                raise RuntimeError
    with pytest.raises(TooCostlyError):
        await ends_at(redis, "e")


async def test_what_ended_long_ago_is_forgotten(redis: Redis) -> None:
    for owner in "abcd":
        await ends_at(redis, owner)
    key = Shard(3).tried("fold", NOTES)
    assert 0 < await redis.pttl(key) <= 3_600_000
    with pytest.raises(TooCostlyError):
        await ends_at(redis, "e")
    await redis.pexpire(key, 1)
    await eventually(lambda: _is_gone(redis, key), "the notes expire")
    await ends_at(redis, "e")


async def _is_gone(redis: Redis, key: str) -> bool:
    return not await redis.exists(key)


async def test_what_ended_two_is_done_alone(redis: Redis) -> None:
    """What ends a process ends all that is done in it: only who was alone is to blame."""
    for owner in "ab":
        await ends_at(redis, owner)
    process = tries(redis, "c")
    at_work: list[str] = []

    async def do(document_id: DocumentId, until: asyncio.Event) -> None:
        async with process.noted("fold", document_id):
            at_work.append(document_id)
            await until.wait()
            at_work.remove(document_id)

    done, suspect_done = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for number in range(2):
            tasks.create_task(do(DocumentId(f"well {number}"), done))
        await eventually(lambda: len(at_work) == 2, "two are at work together")
        tasks.create_task(do(NOTES, suspect_done))
        done.set()
        await eventually(lambda: at_work == [NOTES], "the suspect is at work alone")
        late = tasks.create_task(do(OTHER, done))
        for _ in range(20):
            await redis.ping()
        assert not late.done()
        assert await redis.keys("tried:*") == [Shard(3).tried("fold", NOTES).encode()]
        suspect_done.set()


async def test_who_never_comes_back_is_waited_for_only_so_long(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries_module, "_PATIENCE_SECONDS", 0.05)
    for owner in "ab":
        await ends_at(redis, owner)
    process = tries(redis, "c")
    async with (
        process.noted("fold", OTHER),
        process.noted("fold", NOTES),
        process.noted("fold", DocumentId("well")),
    ):
        pass


async def test_what_makes_room_is_done_though_redis_is_full(redis: Redis) -> None:
    done = False
    await redis.config_set("maxmemory", "1")
    try:
        async with tries(redis, "a").noted("evict", NOTES):
            done = True
        assert done
        assert not await redis.keys("tried:*")
    finally:
        await redis.config_set("maxmemory", "0")


async def test_who_takes_no_turn_waits_for_nobody(redis: Redis) -> None:
    """What is decided among the batches, for which all shards of its process would wait."""
    for owner in "ab":
        await ends_at(redis, owner)
    process = tries(redis, "c")
    async with process.noted("fold", NOTES), process.noted("decide", OTHER, takes_turn=False):
        pass


async def test_document_whose_fold_ends_the_snapshotter_lies_and_the_others_have_their_snapshots(
    tmp_path: Path,
) -> None:
    system = poisoned(
        tmp_path,
        "snapshotter",
        {"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.1", "COEDIT_SNAPSHOTTER_LEASE_SECONDS": "0.5"},
    )
    system.start()
    snapshots = Snapshots(open_object_store(system.object_store_url))

    async def has(name: str) -> bool:
        return await snapshots.newest(DocumentId(name), 0) is not None

    async def has_given_up() -> bool:
        log = system.processes["snapshotter-0"].log
        return '"too-costly"' in await asyncio.to_thread(log.read_text)

    try:
        async with (
            started_again(system.processes["snapshotter-0"]) as deaths,
            coedit.connect(system.url, author="ada") as ada,
        ):
            # Several at once, so that well ones are at work while the deadly one is.
            for name in ("well", FOLDED, *(f"well {number}" for number in range(6))):
                document = await ada.open(f"of {name}")
                await document.insert(0, name)
                await document.settle()
            await eventually(has_given_up, "the snapshotter gives up", _AT_LAST_SECONDS)
            await eventually(lambda: has("of well"), "the first has its snapshot", _AT_LAST_SECONDS)
            for number in range(6):
                await eventually(lambda n=number: has(f"of well {n}"), "all have snapshots")
            assert len(deaths) == 4
            # It is read and written as before, and others that come have their snapshots.
            deadly = await ada.open(f"of {FOLDED}")
            await deadly.insert(0, "still ")
            await deadly.settle()
            late = await ada.open("late")
            await late.insert(0, "late")
            await late.settle()
            await eventually(lambda: has("late"), "who comes later has a snapshot")
            assert len(deaths) == 4
            uncounted = 'coedit_snapshotter_failures_total{reason="too-costly"} 0.0'
            assert uncounted not in system.metrics("snapshotter-0")
            assert not await has(f"of {FOLDED}")
            assert "is not begun again" in system.processes["snapshotter-0"].log.read_text()
    finally:
        system.stop()


def poisoned(folder: Path, service: str, settings: dict[str, str]) -> System:
    system = System(folder, settings=settings | {"COEDIT_SHARD_COUNT": "1"})
    system.processes[f"{service}-0"].command = [sys.executable, "-m", "tests.poisoned", service]
    return system


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose transformer ends at what it does aside; its snapshotter never gets there first."""
    settings = {
        "COEDIT_TRANSFORMER_LEASE_SECONDS": "0.5",
        "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "3600",
    }
    system = poisoned(tmp_path_factory.mktemp("system"), "transformer", settings)
    system.start()
    yield system
    system.stop()


@pytest.mark.parametrize(("deadly", "work"), [(DECODED, "update"), (APPLIED, "decide")])
async def test_large_update_that_ends_its_transformer_is_refused(
    system: System, deadly: str, work: str
) -> None:
    """Also where it is decoded well, aside, and then ends the batch in which it comes again."""
    name = f"with a large update, {work}"
    async with AsyncExitStack() as stack:
        deaths = await stack.enter_async_context(started_again(system.processes["transformer-0"]))
        other = await stack.enter_async_context(YjsClient(system.url, name))
        eve = await stack.enter_async_context(YjsClient(system.url, name))
        await eve.until_synced()
        await eve.edit(lambda text: text.insert(0, deadly + "x" * 100_000))
        await _sent_away(eve)
        assert len(deaths) == 4
        # She comes back with all she has, as somebody new, and nobody ends again.
        await _sent_away(eve)
        assert len(deaths) == 4
        await other.edit(lambda text: text.insert(0, "mine"))
        await _reads(system, name, "mine")
    uncounted = f'coedit_transformer_given_up_total{{work="{work}"}} 0.0'
    assert uncounted not in system.metrics("transformer-0")


async def _sent_away(client: YjsClient) -> None:
    """Send all that a client has, until it is refused for it; as a new one, since what it sent waits ever longer."""
    async with asyncio.timeout(_AT_LAST_SECONDS):
        while True:
            await client.socket.close()
            await client.reconnect()
            with suppress(AssertionError):
                assert await client.until_closed() == _REFUSED
                return


async def _reads(system: System, name: str, text: str) -> None:
    async with coedit.connect(system.url, author="reader") as session:
        document = await session.open(name)
        async with asyncio.timeout(_AT_LAST_SECONDS):
            await document.until(lambda: document.text == text)


@pytest.mark.parametrize("deadly", [REBASED, DECIDED])
async def test_submission_from_far_behind_that_ends_its_transformer_is_refused(
    system: System, deadly: str
) -> None:
    """Also where it is rebased well, aside, and then ends the batch in which it comes again."""
    name = f"far ahead of {deadly}"
    ops: list[Message] = [
        {"insert": "ab", "attributes": {"bold": True} if n % 2 else {"italic": n}} for n in range(4000)
    ]
    async with started_again(system.processes["transformer-0"]) as deaths:
        async with coedit.connect(system.url, author="ada") as ada:
            document = await ada.open(name)
            await document.insert(0, "x")
            await document.settle()
        for _ in range(8):
            assert (await _submitted(system.url, name, ops))["type"] == "ack"
        answer = await _submitted(system.url, name, [{"insert": deadly}], base_revision=1)
        assert (answer["type"], answer.get("code")) == ("error", "too-costly")
        assert len(deaths) == 4
        answer = await _submitted(system.url, name, [{"insert": "harmless"}], base_revision=1)
        assert answer["type"] == "ack"
        assert len(deaths) == 4


async def _submitted(
    url: str, document: str, ops: list[Message], base_revision: int | None = None
) -> Message:
    """Submit one edit as somebody new, again and again until it is answered; return the ack, or the error."""
    async with RawClient(url, Codec.MSGPACK) as client, asyncio.timeout(_AT_LAST_SECONDS):
        await client.hello()
        opened = await client.open(document)
        base = opened["revision"] if base_revision is None else base_revision
        message = {
            "type": "submit",
            "document": document,
            "epoch": opened["epoch"],
            "client_sequence": 1,
            "base_revision": base,
            "delta": ops,
        }
        answer: Message | int = 0
        await client.send(message)
        while True:
            try:
                answer = await client.receive(2)
            except TimeoutError:
                await client.send(message)
                continue
            assert isinstance(answer, dict), f"closed with {answer}"
            if answer["type"] == "ack" or (answer["type"] == "error" and answer["code"] == "too-costly"):
                return answer


async def test_document_that_ends_who_makes_it_ready_for_yjs_stays_with_those_who_write_it(
    system: System,
) -> None:
    """It cannot be declared away any more: OT clients wait, and lose nothing."""
    async with AsyncExitStack() as stack:
        deaths = await stack.enter_async_context(started_again(system.processes["transformer-0"]))
        ada = await stack.enter_async_context(coedit.connect(system.url, author="ada"))
        document = await ada.open("bridged")
        await document.insert(0, FOLDED)
        await document.settle()
        eve = await stack.enter_async_context(YjsClient(system.url, "bridged"))
        await _sent_away(eve)
        assert len(deaths) == 4
        await document.insert(0, "mine ")
        other = await ada.open("beside it")
        await other.insert(0, "other")
        await other.settle()
        assert len(deaths) == 4
        assert not document.saved
        assert document.rejections == []
