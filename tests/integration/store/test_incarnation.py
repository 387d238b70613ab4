"""Whether a Redis that lost its data is told from one that is new, on a real server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.store.deployment.deployment import MARKER, ShardCountError
from coedit.store.deployment.incarnation import Grace, Incarnations
from coedit.store.keys import Shard
from coedit.store.objects.object_store import ObjectStore, open_object_store
from coedit.store.redis.connection import connect
from coedit.store.redis.server_pin import Pins, Server, ServerChangedError
from coedit.store.redis.topology import Nodes
from tests.redis_server import redis_server

_GRACE = Grace(loss_seconds=5, restart_seconds=3)
_SERVER = Server("run:history", is_promoted=False)
_SHARD = Shard(2)


class Deployment:
    """A shard's owner, its Redis, and the object store beside it."""

    def __init__(self, redis: Redis, objects: ObjectStore) -> None:
        self.redis = redis
        self.objects = objects

    def incarnations(self, shard_count: int = 4, token: str = "mine") -> Incarnations:
        return Incarnations(Nodes(self.redis), self.objects, token, shard_count, _GRACE)


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    with redis_server(tmp_path) as url:
        async with Redis.from_url(url) as redis:
            await redis.set(_SHARD.owner, "mine")
            yield Deployment(redis, open_object_store("memory://"))


async def test_deployment_begins_once_and_keeps_its_number_of_shards(deployment: Deployment) -> None:
    for _ in range(2):
        await deployment.incarnations().begin_deployment()
    ids = {await deployment.redis.hget(Shard(number).incarnation, "id") for number in range(4)}
    assert len(ids) == 4
    assert await deployment.objects.read(MARKER) is not None
    with pytest.raises(ShardCountError, match="begun with 4 shards"):
        await deployment.incarnations(8).begin_deployment()


async def test_shard_of_a_new_deployment_is_sound_and_stays_so(deployment: Deployment) -> None:
    incarnations = deployment.incarnations()
    await incarnations.begin_deployment()
    first = await incarnations.examine(_SHARD, _SERVER)
    again = await incarnations.examine(_SHARD, _SERVER)
    assert first is not None
    assert (first, first.suspect_until_ms, first.reason) == (again, 0, "")


@pytest.mark.parametrize(
    ("server", "is_wiped", "reason", "grace_ms"),
    [
        (_SERVER, True, "wiped", 5000),
        (Server("another run:history", is_promoted=False), False, "restarted", 3000),
        (Server("another run:another history", is_promoted=True), False, "promoted", 5000),
    ],
)
async def test_shard_that_may_have_lost_something_is_suspect_for_a_while(
    deployment: Deployment, server: Server, is_wiped: bool, reason: str, grace_ms: int
) -> None:
    incarnations = deployment.incarnations()
    await incarnations.begin_deployment()
    before = await incarnations.examine(_SHARD, _SERVER)
    if is_wiped:
        await deployment.redis.flushall()
        await deployment.redis.set(_SHARD.owner, "mine")
        await incarnations.begin_deployment()  # as at another start
    found = await incarnations.examine(_SHARD, server)
    assert before is not None
    assert found is not None
    seconds, microseconds = await deployment.redis.time()
    assert 0 < found.suspect_until_ms - (seconds * 1000 + microseconds // 1000) <= grace_ms
    assert (found.reason, found.id == before.id) == (reason, False)
    # Whoever takes the shard over goes on waiting, no longer than that.
    again = await incarnations.examine(_SHARD, server)
    assert again is not None
    assert (again.id, again.suspect_until_ms) == (found.id, found.suspect_until_ms)
    assert await incarnations.clear(_SHARD, found, "")
    cleared = await incarnations.examine(_SHARD, server)
    assert cleared is not None
    assert cleared.suspect_until_ms == 0


async def test_restart_does_not_shorten_the_wait_for_what_a_wipe_lost(deployment: Deployment) -> None:
    incarnations = deployment.incarnations()
    await incarnations.begin_deployment()
    await deployment.redis.flushall()
    await deployment.redis.set(_SHARD.owner, "mine")
    wiped = await incarnations.examine(_SHARD, _SERVER)
    restarted = await incarnations.examine(_SHARD, Server("another run:history", is_promoted=False))
    assert wiped is not None
    assert restarted is not None
    assert (wiped.reason, restarted.reason) == ("wiped", "restarted")
    assert restarted.suspect_until_ms >= wiped.suspect_until_ms
    assert await incarnations.clear(_SHARD, restarted, "")
    later = await incarnations.examine(_SHARD, Server("a third run:history", is_promoted=False))
    assert later is not None
    seconds, microseconds = await deployment.redis.time()
    # Once the suspicion has ended, the next one is as long as its own reason asks for.
    assert later.suspect_until_ms - (seconds * 1000 + microseconds // 1000) <= 3000


async def test_shard_of_somebody_else_is_left_alone(deployment: Deployment) -> None:
    await deployment.incarnations().begin_deployment()
    other = deployment.incarnations(token="not mine")
    before = await deployment.redis.hgetall(_SHARD.incarnation)
    assert await other.examine(_SHARD, _SERVER) is None
    assert await deployment.redis.hgetall(_SHARD.incarnation) == before


async def test_pinned_client_does_not_pass_over_a_restart(tmp_path: Path) -> None:
    pins = Pins()
    with redis_server(tmp_path) as url:
        redis = connect(url, pins=pins)
        await redis.ping()
        pin = pins.of(redis)
        assert pin.server.identity
        pin.server = Server("the server before the restart", is_promoted=False)
        await redis.connection_pool.disconnect()
        with pytest.raises(ServerChangedError):
            await redis.ping()
        assert pin.has_changed
        pin.release()
        await redis.ping()
        await redis.aclose()


async def test_pinned_client_refuses_a_replica(tmp_path: Path) -> None:
    with redis_server(tmp_path / "one") as master, redis_server(tmp_path / "two") as url:
        async with Redis.from_url(url) as plain:
            await plain.replicaof("127.0.0.1", master.rpartition(":")[2].partition("/")[0])
        redis = connect(url, pins=Pins())
        with pytest.raises(RedisConnectionError, match="not the master"):
            await redis.ping()
        await redis.aclose()
