"""All documents, in order: those that only Redis has, and those that only the object store has."""

import random

import pytest
from redis.asyncio import Redis

from coedit.identifiers import DocumentId, escape
from coedit.store.documents.listing import Listed, Listing, merged
from coedit.store.keys import shard_of
from coedit.store.objects.object_store import ObjectStore, open_object_store
from coedit.store.objects.spans import Span, beginning_with, folder
from coedit.store.redis.topology import Nodes

SHARDS = 4


async def fill(redis: Redis, objects: ObjectStore, names: list[DocumentId], chance: random.Random) -> None:
    for name in names:
        where = chance.choice(["redis", "objects", "both"])
        if where != "objects":
            await redis.zadd(shard_of(name, SHARDS).fresh, {folder(name): 0})
        if where != "redis":
            await objects.create(f"{escape(name)}/snapshot/000000000001", b"x")


async def all_of(listing: Listing, span: Span, count: int) -> list[str]:
    found: list[str] = []
    place = span.first
    while place < span.end:
        names, after = await listing.some(Span(place, span.end), count)
        assert len(names) <= count
        assert after > place
        found += names
        place = after
    return found


@pytest.mark.parametrize("count", [1, 7, 1000])
async def test_pages_are_all_documents_once_and_in_order(redis: Redis, count: int) -> None:
    chance = random.Random(count)
    objects = open_object_store("memory://")
    names = [DocumentId(f"{team}/{number}") for team in ("a", "a-b", "é", "~") for number in range(40)]
    await fill(redis, objects, [*names, DocumentId("a"), DocumentId("a-b")], chance)
    await objects.create("!deployment/marker", b"x")
    listing = Listing(Nodes(redis), objects, SHARDS)
    in_order = sorted([*names, DocumentId("a"), DocumentId("a-b")], key=folder)
    assert await all_of(listing, beginning_with(""), count) == in_order
    expected = [name for name in in_order if name.startswith("a-b/")]
    assert await all_of(listing, beginning_with("a-b/"), count) == expected
    single = Span(folder(DocumentId("a")), folder(DocumentId("a")) + "\u00ff")
    assert await all_of(listing, single, count) == ["a"]
    assert await all_of(listing, beginning_with("b"), count) == []


class CountingObjects:
    """Counts the keys that were looked at; everything else is the store's."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self.asked = 0

    async def first_keys(self, begin: str, count: int) -> list[str]:
        self.asked += count
        return list(await self._objects.first_keys(begin, count))


async def test_page_costs_what_is_on_it_however_many_there_are(redis: Redis) -> None:
    objects = open_object_store("memory://")
    for number in range(2000):
        name = DocumentId(f"{number:05d}")
        await redis.zadd(shard_of(name, SHARDS).fresh, {folder(name): 0})
    counting = CountingObjects(objects)
    listing = Listing(Nodes(redis), counting, SHARDS)  # type: ignore[arg-type]
    before = (await redis.info("commandstats"))["cmdstat_zrange"]["calls"] if await _was_asked(redis) else 0
    names, place = await listing.some(Span("01000", "\u00ff"), 10)
    calls = (await redis.info("commandstats"))["cmdstat_zrange"]["calls"] - before
    assert (names, place) == ([f"{number:05d}" for number in range(1000, 1010)], "01009/\u00ff")
    assert (calls, counting.asked) == (SHARDS, 10)


async def _was_asked(redis: Redis) -> bool:
    return "cmdstat_zrange" in await redis.info("commandstats")


def test_list_that_stops_early_has_the_others_stop_there() -> None:
    parts = [Listed(["a/", "d/"], "z"), Listed(["b/"], "b/\u00ff"), Listed(["c/"], "z")]
    assert merged(parts, "z") == (["a/", "b/"], "b/\u00ff")
    assert merged(parts[::2], "z") == (["a/", "c/", "d/"], "z")
    assert merged([], "z") == ([], "z")
