"""Presence in a real Valkey: what gateways write and read, and what only the lease's holder may write."""

from typing import Any

import msgpack
import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from coedit.errors import ProtocolError
from coedit.identifiers import ClientId, DocumentId
from coedit.presence.roster import Changes, Presence, Stay
from coedit.store.keys import shard_of
from coedit.store.presence.keeper import PresenceKeeper, Work
from coedit.store.presence.reports import (
    MAX_PLACES,
    REPORT_FIELD,
    Alive,
    Left,
    Report,
    Seen,
    decode_report,
    encode_report,
)
from coedit.store.presence.store import PresenceStore
from coedit.store.redis.stream_reader import StreamReader
from coedit.store.redis.topology import Nodes
from tests.presence_setup import ODD_IDS, SHARD_COUNT, presence

NOTES = DocumentId("notes")
SHARD = shard_of(NOTES, SHARD_COUNT)
A, B = ClientId("a"), ClientId("b")


@pytest.fixture
def store(redis: Redis) -> PresenceStore:
    return PresenceStore(Nodes(redis), SHARD_COUNT, "g1")


async def keeper_of(redis: Redis, document_id: DocumentId = NOTES) -> PresenceKeeper:
    await redis.set(shard_of(document_id, SHARD_COUNT).keeper, "token")
    return PresenceKeeper(StreamReader(redis), "token")


async def stay(keeper: PresenceKeeper, one: Presence, ttl_ms: int = 30_000) -> Stay:
    return Stay(one, await keeper.now_ms() + ttl_ms)


def work(
    document_id: DocumentId, position: str = "", **changes: tuple[Stay, ...] | tuple[ClientId, ...]
) -> Work:
    return Work(shard_of(document_id, SHARD_COUNT), position, document_id, Changes(**changes))  # type: ignore[arg-type]


async def reports(redis: Redis, document_id: DocumentId = NOTES) -> list[Report]:
    entries: Any = await redis.xrange(shard_of(document_id, SHARD_COUNT).reports)
    return [decode_report(fields[REPORT_FIELD]) for _, fields in entries]


async def test_reports_reach_the_stream_of_the_shard_in_order(redis: Redis, store: PresenceStore) -> None:
    await store.report(NOTES, presence("a", 3))
    await store.left([(A, NOTES)])
    seen, left = await reports(redis)
    assert seen == Seen(NOTES, presence("a", 3))
    assert isinstance(seen, Seen)
    assert seen.presence.gateway == "g1"
    assert left == Left("g1", ((A, NOTES),))


async def test_signs_of_life_are_batched(redis: Redis, store: PresenceStore) -> None:
    places = [(ClientId(f"c{number}"), NOTES) for number in range(2 * MAX_PLACES + 1)]
    assert await store.alive(places) == places
    found = await reports(redis)
    assert [len(report.places) for report in found if isinstance(report, Alive)] == [
        MAX_PLACES,
        MAX_PLACES,
        1,
    ]


async def test_longest_ids_fit_a_batch(redis: Redis, store: PresenceStore) -> None:
    longest = DocumentId("x" * 255)
    await store.alive([(ClientId(f"{number:064}"), longest) for number in range(MAX_PLACES)])
    (batch,) = await reports(redis, longest)
    assert isinstance(batch, Alive)
    assert len(batch.places) == MAX_PLACES


async def test_sign_of_life_renews_the_known_and_names_the_unknown(
    redis: Redis, store: PresenceStore
) -> None:
    keeper = await keeper_of(redis)
    await keeper.keep([work(NOTES, present=(await stay(keeper, presence("a"), 5_000),))])
    assert await store.alive([(A, NOTES), (B, NOTES)]) == [(B, NOTES)]
    assert await redis.pttl(SHARD.presence(A, NOTES)) > 20_000


@pytest.mark.parametrize("name", ODD_IDS)
async def test_roster_of_any_document_is_read_as_it_was_kept(
    redis: Redis, store: PresenceStore, name: str
) -> None:
    document_id = DocumentId(name)
    keeper = await keeper_of(redis, document_id)
    kept = [presence("b", None), presence("a", 7)]
    stays = tuple([await stay(keeper, one) for one in kept])
    assert await keeper.keep([work(document_id, present=stays)]) == [True]
    assert await store.read_roster(document_id) == kept[::-1]
    loaded = await keeper.load(shard_of(document_id, SHARD_COUNT))
    assert loaded.stays == {document_id: {one.presence.client_id: one for one in stays}}


async def test_roster_drops_whoever_expired_though_no_service_runs(
    redis: Redis, store: PresenceStore
) -> None:
    keeper = await keeper_of(redis)
    stays = (await stay(keeper, presence("a")), await stay(keeper, presence("b")))
    await keeper.keep([work(NOTES, present=stays)])
    await redis.delete(SHARD.presence(A, NOTES))
    assert await store.read_roster(NOTES) == [presence("b")]
    assert (await keeper.load(SHARD)).stays == {NOTES: {A: None, B: stays[1]}}


async def test_unreadable_presence_is_left_out(redis: Redis, store: PresenceStore) -> None:
    keeper = await keeper_of(redis)
    await keeper.keep([work(NOTES, present=(await stay(keeper, presence("a")),))])
    await redis.sadd(SHARD.roster(NOTES), "b")
    await redis.set(SHARD.presence(B, NOTES), b"\xc1")
    assert await store.read_roster(NOTES) == [presence("a")]


async def test_who_left_leaves_nothing_behind(redis: Redis, store: PresenceStore) -> None:
    keeper = await keeper_of(redis)
    await keeper.keep([work(NOTES, present=(await stay(keeper, presence("a")),))])
    await keeper.keep([work(NOTES, left=(A,))])
    assert await store.read_roster(NOTES) == []
    assert await redis.keys("*") == [SHARD.keeper.encode()]


@pytest.mark.parametrize("doubt", ["lease", "position"])
async def test_service_that_lost_its_shard_writes_nothing(redis: Redis, doubt: str) -> None:
    keeper = await keeper_of(redis)
    await redis.set(*((SHARD.keeper, "other") if doubt == "lease" else (SHARD.position, "5-0")))
    before = await redis.keys("*")
    assert await keeper.keep([work(NOTES, present=(await stay(keeper, presence("a")),))]) == [False]
    assert await keeper.advance({SHARD: ("", "7-0")}) == {SHARD}
    assert sorted(await redis.keys("*")) == sorted(before)


async def test_position_moves_and_drops_what_was_read(redis: Redis, store: PresenceStore) -> None:
    keeper = await keeper_of(redis)
    for at in range(1000):
        await store.report(NOTES, presence("a", at))
    entries = (await keeper.read({SHARD: ""}, None))[SHARD]
    last = entries[-1].entry_id
    assert await keeper.advance({SHARD: ("", last)}) == set()
    assert await keeper.read({SHARD: last}, None) == {}
    assert (await keeper.load(SHARD)).position == last
    # Redis drops whole nodes of a stream, of a hundred entries by default.
    assert await redis.xlen(SHARD.reports) <= 100


async def test_document_that_fails_leaves_the_others_be(redis: Redis, store: PresenceStore) -> None:
    other = next(
        name for name in map(DocumentId, map(str, range(99))) if shard_of(name, SHARD_COUNT) == SHARD
    )
    keeper = await keeper_of(redis)
    await redis.set(SHARD.roster(NOTES), "not a set")
    stays = (await stay(keeper, presence("a")),)
    failed, kept = await keeper.keep([work(NOTES, present=stays), work(other, present=stays)])
    assert isinstance(failed, ResponseError)
    assert kept is True
    assert await store.read_roster(other) == [presence("a")]


async def test_deadlines_say_who_is_overdue(redis: Redis) -> None:
    keeper = await keeper_of(redis)
    now_ms = await keeper.now_ms()
    odd = next(
        name
        for name in map(DocumentId, (f"a:{n}" for n in range(99)))
        if shard_of(name, SHARD_COUNT) == SHARD
    )
    soon, later = Stay(presence("a"), now_ms + 5_000), Stay(presence("b"), now_ms + 5_001)
    await keeper.keep([work(odd, present=(soon, later))])
    assert await keeper.overdue([SHARD], now_ms + 4_999) == {}
    assert await keeper.overdue([SHARD], now_ms + 5_000) == {SHARD: [(A, odd)]}


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xc1",
        b"\x91" * 60_000,
        msgpack.packb(7),
        msgpack.packb([]),
        msgpack.packb(["who"]),
        msgpack.packb(["seen", "notes", {}]),
        msgpack.packb(["seen", "", {"client_id": "a"}]),
        msgpack.packb(["alive", [["a"]]]),
        msgpack.packb(["alive", [[1, 2]]]),
        msgpack.packb(["alive", ["ab"]]),
        msgpack.packb(["alive", [["a", 2]]]),
        msgpack.packb(["alive", [["a", "\x00"]]]),
        msgpack.packb(["left", 5, []]),
        msgpack.packb(["alive", [["a", "x" * 200]] * 1000]),
    ],
)
def test_what_is_no_report_is_refused(garbage: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_report(garbage)


def test_reports_survive_the_stream() -> None:
    for report in (
        Seen(NOTES, presence("a", None, gateway="g")),
        Alive(((A, NOTES), (B, DocumentId("a:b")))),
        Left("g", ((A, NOTES),)),
    ):
        assert decode_report(encode_report(report)) == report
