"""What one client sends must not stop what others write: heavy edits, and edits that end whoever decides them."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

import coedit
from coedit.identifiers import DocumentId
from coedit.ot import Delta, Insert
from coedit.protocol.codec import Codec
from coedit.store.documents.tries import Care
from coedit.store.keys import Shard
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshots
from coedit.store.redis.connection import connect
from services.transformer.loop.attempts import Attempts
from tests.integration.raw_client import Message, RawClient
from tests.integration.yjs_client import YjsClient
from tests.poisoned import DECIDED, started_again
from tests.system import System, eventually

_ANSWER_SECONDS = 60.0


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("system"), transformers=2)
    system.start()
    yield system
    system.stop()


@asynccontextmanager
async def bystander(url: str, document: str) -> AsyncIterator[list[int]]:
    """Type into a document of one's own, one edit after the other's ack; yields the revisions that were acked."""
    acked: list[int] = []

    async def type_on() -> None:
        async with coedit.connect(url, author="bystander") as session:
            notes = await session.open(document)
            while True:
                await notes.insert(0, "x")
                await notes.settle()
                acked.append(notes.revision)

    typing = asyncio.create_task(type_on())
    try:
        await eventually(lambda: bool(acked), "the bystander has its first ack")
        yield acked
    finally:
        typing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await typing


async def _submit_one(url: str, document: str, ops: list[Message]) -> Message:
    """Submit one edit to a document as somebody new; return the ack, or the error."""
    async with RawClient(url, Codec.MSGPACK) as client:
        await client.hello()
        opened = await client.open(document)
        await client.send(
            {
                "type": "submit",
                "document": document,
                "epoch": opened["epoch"],
                "client_sequence": 1,
                "base_revision": opened["revision"],
                "delta": ops,
            }
        )
        while True:
            message = await client.receive(_ANSWER_SECONDS)
            assert isinstance(message, dict), f"closed with {message}"
            if message["type"] in ("ack", "error"):
                return message


@pytest.mark.parametrize("letter", ["😀", "é", "a\U0001f600"])
async def test_long_inserts_stop_nobody(system: System, letter: str) -> None:
    text = letter * (900_000 // len(letter))
    async with bystander(system.url, f"beside long inserts of {letter}") as acked:
        answers = await asyncio.gather(
            *(_submit_one(system.url, f"long {letter} {n}", [{"insert": text}]) for n in range(4))
        )
        assert [answer["type"] for answer in answers] == ["ack"] * 4
        await _goes_on(acked)


async def test_most_ops_that_a_delta_may_have_stop_nobody(system: System) -> None:
    ops = [{"insert": "ab", "attributes": {"bold": True} if n % 2 else {"italic": n}} for n in range(20_000)]
    async with bystander(system.url, "beside many ops") as acked:
        answers = await asyncio.gather(*(_submit_one(system.url, f"many ops {n}", ops) for n in range(3)))
        assert [answer["type"] for answer in answers] == ["ack"] * 3
        await _goes_on(acked)


async def _goes_on(acked: list[int]) -> None:
    before = len(acked)
    await eventually(lambda: len(acked) > before + 3, "the bystander goes on")


async def test_edit_that_ends_its_transformer_is_refused_at_last(tmp_path: Path) -> None:
    """A batch that is begun again the same way ends every owner: nobody's edits would be written any more.

    What others submit in the same moment shares the entry, and is not to blame.
    """
    settings = {
        "COEDIT_TRANSFORMER_LEASE_SECONDS": "0.5",
        "COEDIT_SHARD_COUNT": "1",
        "COEDIT_GATEWAY_GATHER_SECONDS": "0.3",
    }
    system = System(tmp_path, settings=settings)
    transformer = system.processes["transformer-0"]
    transformer.command = [sys.executable, "-m", "tests.poisoned", "transformer"]
    system.start()
    try:
        async with (
            bystander(system.url, "beside poison") as acked,
            bystander(system.url, "beside poison too"),
            bystander(system.url, "poison"),
            started_again(transformer) as deaths,
        ):
            answer = await _submit_one(system.url, "poison", [{"insert": DECIDED}])
            assert answer["code"] == "too-costly"
            assert deaths
            await _goes_on(acked)
        redis = connect(system.redis_url)
        # Where the others in its document were quicker, it was far behind by then, and is refused as such.
        given_up = 'coedit_transformer_given_up_total{work="decide"} 1.0' in system.metrics("transformer-0")
        assert await redis.xlen(Shard(0).refused) + given_up == 1
        await redis.aclose()
        assert (await _submit_one(system.url, "poison", [{"insert": "harmless"}]))["type"] == "ack"
    finally:
        system.stop()


async def test_what_two_owners_did_not_finish_is_decided_one_by_one(redis: Redis) -> None:
    shard = Shard(3)
    cares = []
    for owner in "abcdef":
        attempts = Attempts(redis, owner)
        attempts.gained(shard)
        cares.append(await attempts.begin(shard, "5-0", "9-0"))
    assert cares == [
        Care(),
        Care(),
        Care(is_apart=True),
        Care(is_apart=True),
        Care(is_apart=True, is_refused=True),
        Care(is_apart=True, is_refused=True, is_blind=True),
    ]


async def test_owner_that_met_trouble_itself_is_no_witness(redis: Redis) -> None:
    """A Redis that goes away again and again says nothing about the edits."""
    attempts = Attempts(redis, "a")
    for _ in range(5):
        attempts.gained(Shard(3))
        assert await attempts.begin(Shard(3), "5-0", "9-0") == Care()


async def test_owner_that_is_fenced_while_it_is_busy_deciding_is_one(redis: Redis) -> None:
    attempts = Attempts(redis, "a")
    for expected in (Care(), Care(), Care(is_apart=True)):
        attempts.gained(Shard(3))
        assert await attempts.begin(Shard(3), "5-0", "9-0") == expected
        until = time.process_time() + 1.1
        while time.process_time() < until:
            pass
        await attempts.lost(Shard(3), is_fenced=True)


async def test_owner_that_is_fenced_for_want_of_time_is_none(redis: Redis) -> None:
    """On a machine that is too busy, or after a pause, leases are lost by whoever decides about a letter."""
    attempts = Attempts(redis, "a")
    for _ in range(5):
        attempts.gained(Shard(3))
        assert await attempts.begin(Shard(3), "5-0", "9-0") == Care()
        await attempts.lost(Shard(3), is_fenced=True)


async def test_owner_that_lives_on_takes_its_note_back(redis: Redis) -> None:
    """Shards go from one to the other while nothing can be written: that says nothing about the edits."""
    for owner in "abcd":
        attempts = Attempts(redis, owner)
        attempts.gained(Shard(3))
        assert await attempts.begin(Shard(3), "5-0", "9-0") == Care()
        assert attempts.unfinished == {Shard(3)}
        await attempts.lost(Shard(3))
    assert not await redis.exists(Shard(3).begun)


async def test_what_is_finished_counts_no_more(redis: Redis) -> None:
    for owner in "abc":
        attempts = Attempts(redis, owner)
        attempts.gained(Shard(3))
        assert await attempts.begin(Shard(3), "5-0", "6-0") == Care()
        await attempts.finish(Shard(3), "6-0")
        assert await attempts.begin(Shard(3), "6-0", "7-0") == Care()  # proved: it is not noted any more
    assert not await redis.exists(Shard(3).begun)


async def test_entries_stay_apart_until_the_one_that_is_to_blame(redis: Redis) -> None:
    """Several in one batch again, the next owners would have to find out anew how far it is to it."""
    for owner in "ab":
        attempts = Attempts(redis, owner)
        attempts.gained(Shard(3))
        await attempts.begin(Shard(3), "5-0", "9-0")
    attempts = Attempts(redis, "c")
    attempts.gained(Shard(3))
    for place, behind in (("5-0", "6-0"), ("6-0", "7-0"), ("7-0", "8-0")):
        assert (await attempts.begin(Shard(3), place, "20-0")).is_apart
        await attempts.finish(Shard(3), behind)
    assert (await attempts.begin(Shard(3), "8-0", "20-0")).is_apart
    successor = Attempts(redis, "d")
    successor.gained(Shard(3))
    assert (await successor.begin(Shard(3), "8-0", "20-0")).is_apart


async def test_what_has_to_be_apart_stays_so_through_trouble_and_for_the_next_owner(redis: Redis) -> None:
    """In front of the one that is to blame; who has come so far gives the shard away, or loses the connection."""
    for owner in "ab":
        attempts = Attempts(redis, owner)
        attempts.gained(Shard(3))
        await attempts.begin(Shard(3), "5-0", "9-0")
    attempts = Attempts(redis, "c")
    attempts.gained(Shard(3))
    assert (await attempts.begin(Shard(3), "5-0", "20-0")).is_apart
    await attempts.finish(Shard(3), "6-0")
    attempts.gained(Shard(3))
    assert (await attempts.begin(Shard(3), "6-0", "20-0")).is_apart
    await attempts.lost(Shard(3))
    successor = Attempts(redis, "d")
    successor.gained(Shard(3))
    assert await successor.begin(Shard(3), "6-0", "20-0") == Care(is_apart=True)
    await successor.finish(Shard(3), "9-0")
    assert await successor.begin(Shard(3), "9-0", "20-0") == Care()


async def test_what_was_part_of_an_entry_that_ended_several_is_noted_wherever_it_comes(redis: Redis) -> None:
    shard, cares = Shard(3), []
    for owner in "abcd":
        attempts = Attempts(redis, owner)
        attempts.gained(shard)
        cares.append(await attempts.begin(shard, "6-0", "7-0", is_suspect=True))
    apart, refused = Care(is_apart=True), Care(is_apart=True, is_refused=True)
    assert cares == [apart, apart, refused, Care(is_apart=True, is_refused=True, is_blind=True)]


async def test_only_what_had_been_read_by_who_ended_is_decided_apart(redis: Redis) -> None:
    """One by one costs a shard most of its speed; what came later ended nobody."""
    for owner, last in (("a", "7-0"), ("b", "8-0")):
        attempts = Attempts(redis, owner)
        attempts.gained(Shard(3))
        await attempts.begin(Shard(3), "5-0", last)
    attempts = Attempts(redis, "c")
    attempts.gained(Shard(3))
    cares = []
    for place in range(5, 10):
        cares.append(await attempts.begin(Shard(3), f"{place}-0", "20-0"))
        await attempts.finish(Shard(3), f"{place + 1}-0")
    assert [care.is_apart for care in cares] == [True, True, True, False, False]
    assert not await redis.exists(Shard(3).begun)


async def test_many_runs_in_a_bridged_document_stop_nobody(system: System) -> None:
    """A paste of alternating formats, and a format of each of its runs in one turn of a Yjs client."""
    name = "many runs"
    async with bystander(system.url, "beside many runs") as acked, YjsClient(system.url, name) as yjs:
        await yjs.until_synced()
        await yjs.edit(lambda text: text.insert(0, "."))
        ops = [
            {"insert": "ab", "attributes": {"bold": True} if n % 2 else {"italic": n}} for n in range(5000)
        ]
        assert (await _submit_one(system.url, name, ops))["type"] == "ack"
        await yjs.until(lambda: len(str(yjs.text)) == 10_001, "the paste has come")
        async with coedit.connect(system.url, author="reader") as session:
            document = await session.open(name)
            for start in range(0, 600, 2):
                yjs.text.format(start, start + 2, {"colour": f"#{start:06x}"})
            await yjs.edit(lambda _: None)
            await eventually(lambda: _coloured_count(document.content) >= 300, "the formats have come")
        await _goes_on(acked)


def _coloured_count(content: Delta) -> int:
    return sum("colour" in (op.attributes or {}) for op in content.ops if isinstance(op, Insert))


async def test_text_of_very_many_runs_has_its_snapshot(system: System) -> None:
    ops = [{"insert": "ab", "attributes": {"bold": True} if n % 2 else {"italic": n}} for n in range(19_000)]
    assert (await _submit_one(system.url, "very many runs", ops))["type"] == "ack"
    snapshots = Snapshots(open_object_store(system.object_store_url))

    async def is_stored() -> bool:
        return await snapshots.newest(DocumentId("very many runs"), 0) is not None

    await eventually(is_stored, "the snapshot is stored", _ANSWER_SECONDS)
