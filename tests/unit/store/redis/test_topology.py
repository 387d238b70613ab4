"""Where a shard lies, when what is known of it changes or is not known yet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE, OnDoubt, connect
from coedit.store.redis.discovery import UnknownTopologyError, connect_nodes
from coedit.store.redis.topology import SLOT_COUNT, Address, FollowedNodes, Nodes, NowhereError, Places

ONE: Address = ("one", 1)
OTHER: Address = ("other", 2)
WHOLE = range(SLOT_COUNT)
HALVES: Places = {ONE: [range(8192)], OTHER: [range(8192, SLOT_COUNT)]}
SHARDS = [Shard(number) for number in range(64)]


class World:
    """What a look finds: places, or an error."""

    def __init__(self, found: Places | Exception) -> None:
        self.found = found
        self.looks = 0
        self.nodes = FollowedNodes(self.look, self.open)

    async def look(self) -> Places:
        self.looks += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def open(self, address: Address, on_doubt: OnDoubt) -> Redis:
        return connect(f"redis://{address[0]}:{address[1]}/0", on_doubt=on_doubt)

    def hosts(self) -> list[str]:
        """The host of each shard's master."""
        return [str(self.nodes.at(shard).connection_pool.connection_kwargs["host"]) for shard in SHARDS]


@asynccontextmanager
async def world(found: Places | Exception) -> AsyncIterator[World]:
    made = World(found)
    yield made
    await made.nodes.aclose()


async def test_shards_are_found_by_their_slots() -> None:
    async with world(HALVES) as here:
        await here.nodes.refresh()
        placed = here.nodes.by_node(SHARDS)
        assert set(here.hosts()) == {"one", "other"}
        assert sorted(map(len, placed.values())) == sorted(
            here.hosts().count(host) for host in ("one", "other")
        )


async def test_shard_without_a_master_is_nowhere_and_looked_up() -> None:
    async with world({ONE: [range(0)]}) as here:
        with pytest.raises(NowhereError):
            here.nodes.at(SHARDS[0])
        assert here.nodes.by_node(SHARDS) == {}
        here.found = {ONE: [WHOLE]}
        async with asyncio.timeout(5):
            while not here.nodes.by_node(SHARDS):
                await asyncio.sleep(0.01)


async def test_change_is_told_once_and_a_master_that_stays_keeps_its_client() -> None:
    told: list[int] = []
    async with world(HALVES) as here:
        await here.nodes.refresh()
        stays = here.nodes.at(SHARDS[0])
        here.nodes.on_change(lambda: told.append(1))
        await here.nodes.refresh()
        assert told == []
        host = here.hosts()[0]
        here.found = {ONE if host == "one" else OTHER: [WHOLE]}
        await here.nodes.refresh()
        assert told == [1]
        assert set(here.hosts()) == {host}
        assert here.nodes.masters() == [stays]


async def test_look_that_fails_changes_nothing_and_is_tried_again() -> None:
    async with world(HALVES) as here:
        await here.nodes.refresh()
        before = here.hosts()
        here.found = RedisConnectionError("nobody answers")
        with pytest.raises(RedisConnectionError):
            await here.nodes.refresh()
        assert here.hosts() == before
        here.nodes.doubt()
        here.found = {OTHER: [WHOLE]}
        async with asyncio.timeout(5):
            while set(here.hosts()) != {"other"}:
                here.nodes.doubt()
                await asyncio.sleep(0.01)


async def test_many_doubts_make_few_looks() -> None:
    async with world(HALVES) as here:
        for _ in range(100):
            here.nodes.doubt()
            await asyncio.sleep(0)
        assert here.looks <= 2


class FakeNode:
    """A client whose pipelines answer with its name, or fail."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name, self.error, self.asked = name, error, 0

    def pipeline(self, **_: Any) -> "FakeNode":
        self.asked = 0
        return self

    async def __aenter__(self) -> "FakeNode":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def ask(self) -> None:
        self.asked += 1

    async def execute(self, **_: Any) -> list[str]:
        if self.error is not None:
            raise self.error
        return [self.name] * self.asked


class Placed(Nodes):
    """Even shards on one node, odd ones on another, and shard 9 nowhere."""

    def __init__(self, even: FakeNode, odd: FakeNode) -> None:
        self._places = cast("list[Redis]", [even, odd])

    def _find(self, key: str) -> Redis | None:
        number = int(key.strip("{}"))
        return None if number == 9 else self._places[number % 2]


async def test_replies_come_in_the_order_of_what_was_asked() -> None:
    nodes = Placed(FakeNode("even"), FakeNode("odd"))
    replies = await nodes.each([0, 1, 2, 4, 3], Shard, lambda pipe, _: cast("FakeNode", pipe).ask())
    assert replies == ["even", "odd", "even", "even", "odd"]


async def test_trouble_with_a_node_is_the_reply_for_its_shards_alone() -> None:
    nodes = Placed(FakeNode("even", RedisConnectionError("gone")), FakeNode("odd"))
    ask = lambda pipe, _: cast("FakeNode", pipe).ask()  # noqa: E731
    replies = await nodes.each([0, 1, 9, 3], Shard, ask, raise_on_error=False)
    assert [type(reply) for reply in replies] == [RedisConnectionError, str, NowhereError, str]
    with pytest.raises(RedisConnectionError):
        await nodes.each([1, 0], Shard, ask)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:6379", "begins with 'http'"),
        ("127.0.0.1:6379", "no scheme|begins with"),
        ("redis+sentinel://127.0.0.1:26379", "no service"),
        ("redis+sentinel://127.0.0.1/mymaster", "not HOST:PORT"),
        ("redis+cluster://", "no host"),
        ("redis+cluster://a:1,b:http", "b:http"),
    ],
)
def test_url_that_names_no_topology_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(UnknownTopologyError, match=reason):
        connect_nodes(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        "rediss://user:word@127.0.0.1:6379/0",
        "unix:///run/redis.sock",
        "redis+sentinel://user:w%40rd@a:1,b:2/mymaster/1",
        "rediss+sentinel://a:1/mymaster",
        "redis+cluster://:word@a:1,[::1]:2",
        "rediss+cluster://a:1?ssl_ca_certs=ca.pem",
    ],
)
async def test_known_urls(url: str) -> None:
    await connect_nodes(url).aclose()


async def test_options_of_a_url_are_for_each_of_the_masters(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def open_node(url: str, **options: Any) -> Redis:
        opened.append(url)
        return connect(url, **options)

    monkeypatch.setattr("coedit.store.redis.discovery.connect", open_node)
    nodes = connect_nodes("rediss+cluster://:word@127.0.0.1:1?ssl_ca_certs=ca.pem")
    with pytest.raises(TROUBLE):
        await nodes.refresh()
    await nodes.aclose()
    assert opened == ["rediss://:word@127.0.0.1:1/0?ssl_ca_certs=ca.pem"]
