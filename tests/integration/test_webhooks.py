"""What applications are told over HTTP: a snapshotter as a process, a real Redis, receivers that check signatures."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from redis.asyncio import Redis

from coedit.errors import DamagedError
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.events import EpochBegun
from coedit.store.documents.log import Position
from coedit.store.documents.quarantine import Quarantine
from coedit.store.keys import Shard
from coedit.store.redis.topology import Nodes
from coedit.store.webhooks.failures import Failure, Failures
from coedit.store.webhooks.states import EndpointStates
from coedit.store.writes.restore import RestoreScript
from tests.snapshotter_setup import SHARDS, Author, Process, Store, snapshotter_with
from tests.system import eventually
from tests.webhook_receiver import OTHER_SECRET, SECRET, Receiver, Told, receiver, settings_of


class World:
    """A Redis, an object store and two receivers; ``tells`` runs a snapshotter that tells them."""

    def __init__(self, redis: Redis, redis_url: str, folder: Path, app: Receiver, other: Receiver) -> None:
        self.redis, self.redis_url, self.objects_url = redis, redis_url, folder.as_uri()
        self.app, self.other = app, other
        self.failures = Failures(Nodes(redis), SHARDS)
        self.states = EndpointStates(Nodes(redis))

    @asynccontextmanager
    async def tells(self, *events: str, both: bool = False, **settings: object) -> AsyncIterator[Process]:
        """Run it until every shard is held; of ``events``, or else of edits alone; ``both``: the other one, too."""
        endpoints = {"app": self.app.setting(events=events or ["document.changed"])}
        if both:
            endpoints["other"] = self.other.setting(events=events or ["document.changed"])
        async with self.runs(settings_of(endpoints, **settings)) as process:
            yield process

    @asynccontextmanager
    async def runs(self, variables: dict[str, str]) -> AsyncIterator[Process]:
        async with snapshotter_with(self.redis_url, self.objects_url, variables) as process:
            if variables:
                await eventually(self._is_gathered, "what happens is gathered")
            yield process

    async def _is_gathered(self) -> bool:
        return await self.redis.exists(*(Shard(number).happened for number in range(SHARDS))) == SHARDS

    async def failed(self) -> list[Failure]:
        return await self.failures.list("", 100)

    def author(self, name: str = "notes") -> Author:
        return Author(self.redis, DocumentId(name))


@pytest.fixture
async def world(redis: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with receiver() as app, receiver() as other:
        yield World(redis, redis_url, tmp_path, app, other)


def answering(*answers: web.Response | int) -> Callable[[Told], Awaitable[web.Response]]:
    """Return an answer that is the next of these each time, and at last 204."""
    left = list(answers)

    async def answer(_: Told) -> web.Response:
        following = left.pop(0) if left else 204
        return web.Response(status=following) if isinstance(following, int) else following

    return answer


async def test_edits_are_told_with_their_revisions_and_authors(world: World) -> None:
    """In ranges that follow on each other, whatever snapshots come between."""
    ada = world.author()
    async with world.tells("document.changed", "document.snapshotted"):
        for count in (7, 1, 30):
            await ada.type(count)
            await eventually(lambda: _told_up_to(world.app) == ada.head, f"it is told of revision {ada.head}")
        await eventually(lambda: len(world.app.of("document.snapshotted")) > 0, "a snapshot is told of")
    changed = [told.data for told in world.app.of("document.changed")]
    assert changed[0]["first_revision"] == 1
    assert all(after["first_revision"] == before["last_revision"] + 1 for before, after in pairwise(changed))
    assert all(data["authors"] == ["ada"] and data["document"] == "notes" for data in changed)
    stored = [told.data["revision"] for told in world.app.of("document.snapshotted")]
    assert stored == sorted(set(stored))


def _told_up_to(app: Receiver) -> int:
    return max((told.data["last_revision"] for told in app.of("document.changed")), default=0)


async def test_nothing_is_told_twice_or_forgotten_when_the_snapshot_comes_first(world: World) -> None:
    """A document is not settled before what changed in it was told, though its snapshot is there already."""
    ada, store = world.author(), Store(world.redis, world.objects_url)
    async with world.tells(quiet_seconds=3600, latest_seconds=3600):
        await ada.type(5)
        await eventually(lambda: _told_up_to(world.app) == 5, "it is told with the snapshot")
        await eventually(partial(_is_covered, store, ada), "the document is settled")
        await ada.type(2)
        await eventually(lambda: _told_up_to(world.app) == 7, "it is told with the next snapshot")
    ranges = [(told.data["first_revision"], told.data["last_revision"]) for told in world.app.told]
    assert ranges == [(1, 5), (6, 7)]


async def _is_covered(store: Store, author: Author) -> bool:
    return await store.covered(author) is not None


async def test_nothing_is_gathered_where_nobody_wants_to_be_told(world: World) -> None:
    """And what was gathered for endpoints that are none any more is dropped."""
    ada, store = world.author(), Store(world.redis, world.objects_url)
    world.app.answer = answering(*[500] * 100)
    async with world.tells(retry_seconds=3600):
        await ada.type(1)
        await eventually(lambda: bool(world.app.told), "it was tried")
    async with world.runs({}):
        await ada.type(3)
        await eventually(partial(_is_covered, store, ada), "the document is settled")
        await eventually(partial(_is_gone, world.redis), "nothing is gathered any more")


async def _is_gone(redis: Redis) -> bool:
    patterns = ("happened:*", "deliveries:*", "due:*", "taken:*", "endpoints:*")
    return not [key for pattern in patterns for key in await redis.keys(pattern)]


async def test_both_secrets_sign_while_one_takes_over(world: World) -> None:
    world.app.secrets = (OTHER_SECRET, SECRET)
    async with world.tells():
        await world.author().type(1)
        await eventually(lambda: len(world.app.told) == 1, "it is told, and both secrets vouch for it")


async def test_what_fails_comes_again_under_its_id(world: World) -> None:
    world.app.answer = answering(500, 503)
    async with world.tells():
        await world.author().type(1)
        await eventually(lambda: len(world.app.told) == 3, "it is told the third time")
        await eventually(partial(_waits, world.redis, 0), "and waits no more")
    assert len({told.webhook_id for told in world.app.told}) == 1
    assert len({json.dumps(told.event) for told in world.app.told}) == 1
    assert await world.failed() == []


async def _waits(redis: Redis, count: int) -> bool:
    waiting = [await redis.xlen(key) for key in await redis.keys("deliveries:*")]
    due = [await redis.zcard(key) for key in await redis.keys("due:*")]
    return sum(waiting) == sum(due) == count


async def test_what_failed_to_the_last_is_listed_and_sent_again(world: World) -> None:
    world.app.answer = answering(500, 500, 500)
    async with world.tells():
        await world.author().type(2)
        await eventually(lambda: len(world.app.told) == 3, "it was tried as often as it is tried")

        async def failed() -> bool:
            return len(await world.failed()) == 1

        await eventually(failed, "it is among the failures")
        (failure,) = await world.failed()
        assert (failure.endpoint, failure.kind, failure.attempts) == ("app", "document.changed", 3)
        assert (failure.reason, failure.message_id) == ("answered with 500", world.app.told[0].webhook_id)
        assert failure.body == world.app.told[0].event
        assert await world.failures.send_again(failure.id, "app")
        await eventually(lambda: len(world.app.told) == 4, "it is sent again")
        assert not await world.failures.send_again(failure.id, "app")
    assert world.app.told[3].webhook_id == failure.message_id
    assert await world.failed() == []


async def test_receiver_says_when_to_come_again(world: World) -> None:
    """Also for what else is due: it wants to be told less."""
    world.app.answer = answering(web.Response(status=429, headers={"Retry-After": "2"}))
    async with world.tells():
        await world.author().type(1)
        await eventually(lambda: len(world.app.told) == 1, "it is told")
        await world.author("plan").type(1)
        await eventually(lambda: len(world.app.told) == 3, "it is told again, and of the other")
    first, *later = (told.at for told in world.app.told)
    assert min(later) - first >= 2


async def test_endpoint_that_is_gone_is_told_nothing_until_it_is_enabled(world: World) -> None:
    world.app.answer = answering(410)
    async with world.tells():
        await world.author().type(1)

        async def disabled() -> bool:
            return (await world.states.all())["app"].is_disabled

        await eventually(disabled, "it is disabled")
        await world.author("plan").type(1)
        await eventually(partial(_is_told_of, world.redis, "plan"), "what happens goes on")
        assert await world.states.enable("app")
        await world.author("tea").type(1)
        await eventually(lambda: "tea" in _documents(world.app), "it is told of what happens then")
    assert _documents(world.app) - {"plan"} == {"notes", "tea"}
    assert [failure.reason for failure in await world.failed()] == ["answered with 410"]


def _documents(app: Receiver) -> set[str]:
    return {told.data["document"] for told in app.told}


async def _is_told_of(redis: Redis, name: str) -> bool:
    author = Author(redis, DocumentId(name))
    return bool(await redis.hexists(author.shard.document(author.document_id), "told"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_address_that_is_not_public_is_not_connected_to(world: World, host: str) -> None:
    """Whatever name leads there; not a byte is sent, and the reason says no more than that."""
    connections: list[object] = []
    server = await asyncio.start_server(lambda *_: connections.append(1), host="127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    world.app.url = f"https://{host}:{port}/hooks"
    async with world.tells(private=0, retry_seconds="0.1"):
        await world.author().type(1)

        async def failed() -> bool:
            return len(await world.failed()) == 1

        await eventually(failed, "it is among the failures")
    server.close()
    (failure,) = await world.failed()
    assert (failure.reason, failure.attempts) == ("the address is not public", 2)
    assert connections == []


async def test_redirect_is_a_failure_and_is_not_followed(world: World) -> None:
    world.app.answer = answering(web.Response(status=302, headers={"Location": world.other.url}))
    async with world.tells(retry_seconds=""):
        await world.author().type(1)

        async def failed() -> bool:
            return [failure.reason for failure in await world.failed()] == ["answered with 302"]

        await eventually(failed, "it is among the failures")
    assert world.other.told == []


async def test_dead_endpoint_holds_up_no_other(world: World) -> None:
    """One that takes requests and never answers, beside one that does: each has a queue and a loop of its own."""

    async def never(_: Told) -> web.Response:
        await asyncio.sleep(3600)
        return web.Response()

    world.other.answer = never
    async with world.tells(both=True, seconds=20):
        await world.author().type(1)
        await eventually(lambda: bool(world.other.told), "the dead one is being told")
        for number in range(15):
            await world.author(f"plan-{number}").type(1)
        await eventually(lambda: len(world.app.told) == 16, "the living one is told all")
        assert len(world.other.told) < 16


async def test_what_waits_is_bounded_and_the_oldest_is_put_aside(world: World) -> None:
    world.app.answer = answering(*[500] * 1000)
    ada = world.author()
    async with world.tells(retry_seconds=3600, waiting=2):
        for number in range(1, 6):
            await ada.type(1)
            await eventually(partial(_is_at, world.redis, ada, number), "it is told of")

        async def failed() -> bool:
            return len(await world.failed()) == 3

        await eventually(failed, "the oldest are among the failures")
    failures = await world.failed()
    assert {failure.reason for failure in failures} == {"too much was waiting"}
    assert sorted(failure.body["data"]["last_revision"] for failure in failures) == [1, 2, 3]
    assert await _waits(world.redis, 2)


async def _is_at(redis: Redis, author: Author, revision: int) -> bool:
    return await redis.hget(author.shard.document(author.document_id), "told") == str(revision).encode()


async def test_snapshotter_that_is_killed_tells_at_least_once(world: World) -> None:
    """With the request under way, and with more behind it: the next one sends it again under the same id."""
    reached, names = asyncio.Event(), {f"plan-{number}" for number in range(12)}

    async def hold(_: Told) -> web.Response:
        reached.set()
        await asyncio.sleep(3600)
        return web.Response()

    world.app.answer = hold
    async with world.tells() as process:
        for name in names:
            await world.author(name).type(1)
        await asyncio.wait_for(reached.wait(), 30)
        process.kill()
    before = {told.webhook_id for told in world.app.told}
    world.app.answer = answering()
    world.app.told.clear()
    async with world.tells():
        await eventually(lambda: _documents(world.app) == names, "all are told of")
        await eventually(partial(_waits, world.redis, 0), "and wait no more")
    assert before <= {told.webhook_id for told in world.app.told}


async def test_damage_and_loss_are_told_of(world: World) -> None:
    """Where they are published to whoever has the document open."""
    nodes, ada = Nodes(world.redis), world.author()
    async with world.tells("document.quarantined", "document.lost"):
        await ada.type(3)
        await world.redis.set(ada.shard.owner, "mine")
        position = Position(2, Revision(2), "", Revision(0), Revision(0), 0)
        lost = EpochBegun(2, Revision(2), "", Revision(3))
        script = RestoreScript(nodes, "mine")
        assert await script.begin_epoch(ada.shard, ada.document_id, 1, position, lost) == "begun"
        assert await Quarantine(nodes, SHARDS, "doctor").enter(
            ada.document_id, DamagedError("a gap", "log", 2)
        )
        await eventually(lambda: len(world.app.told) == 2, "both are told of")
    assert [told.data for told in world.app.of("document.lost")] == [
        {"document": "notes", "epoch": 2, "first_revision": 3, "last_revision": 3}
    ]
    assert [told.data for told in world.app.of("document.quarantined")] == [
        {"document": "notes", "reason": "log", "message": "a gap"}
    ]


async def test_what_was_dropped_before_it_was_taken_is_counted(world: World) -> None:
    """The streams are bounded: what is added while no snapshotter runs goes in the end."""
    shard = world.author().shard
    async with world.tells():
        pass
    for _ in range(5):
        await world.redis.xadd(shard.happened, {"event": "[]"})
    await world.redis.xtrim(shard.happened, maxlen=2, approximate=False)
    async with world.tells() as process:

        async def counted() -> bool:
            return 'webhook_dropped_total{reason="happened"} 3.0' in await _metrics(process)

        await eventually(counted, "three are counted")
        assert 'webhook_events_total{type="unknown"} 2.0' in await _metrics(process)


async def _metrics(process: Process) -> str:
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{process.health_url}/metrics") as answer:
            return await answer.text()
    except aiohttp.ClientError:
        return ""  # it does not listen yet
