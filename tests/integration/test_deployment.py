"""A process that is configured for another deployment refuses to run, and says what to do about it."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.client import connect
from coedit.store.keys import DEPLOYMENT
from tests.conftest import MakeSystem
from tests.system import SECRET, System, eventually

_SERVICES = ("gateway-0", "snapshotter-0", "presence-0", "transformer-0")
_OTHER_SECRET = "another secret of thirty-two bytes"


def _refused(system: System, name: str, expected: str, **settings: str) -> None:
    """Start a process anew with other settings, and expect it to end with a reason."""
    process = system.processes[name]
    process.stop()
    before, process.environment = process.environment, process.environment | settings
    said = process.log.stat().st_size
    process.start()
    assert process.ended() == 1
    assert "cannot start" in (tail := process.log.read_text()[said:]), tail
    assert expected in tail, tail
    process.environment = before


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A deployment whose services are started with other settings, one after the other."""
    system = System(tmp_path_factory.mktemp("system"))
    system.start()
    yield system
    system.stop()


@pytest.mark.parametrize("name", _SERVICES)
def test_service_of_another_deployment_refuses_to_start(begun: System, name: str) -> None:
    _refused(begun, name, "begun with 8 shards", COEDIT_SHARD_COUNT="16")
    _refused(begun, name, "COEDIT_OLD_SECRETS", COEDIT_SECRET=_OTHER_SECRET)
    if name != "presence-0":  # which reads no objects
        elsewhere = begun.folder / "elsewhere"
        _refused(begun, name, "COEDIT_OBJECT_STORE_URL", COEDIT_OBJECT_STORE_URL=elsewhere.as_uri())
        assert not list(elsewhere.rglob("marker"))
    of_the_future = _folder(begun) / "format-000002"
    with SyncRedis.from_url(begun.redis_url) as redis:
        of_the_future.write_bytes(b"")
        redis.hset(DEPLOYMENT, "format", "2")
        _refused(begun, name, "format 2")
        of_the_future.unlink()
        redis.hset(DEPLOYMENT, "format", "1")
    begun.restart(name)
    begun.wait_ready(name)


def _folder(system: System) -> Path:
    return next((system.folder / "objects").rglob("marker")).parent


@pytest.mark.parametrize("name", _SERVICES[:3])
def test_service_that_was_there_before_the_transformers_ends_as_soon_as_they_begin(
    make_system: MakeSystem, name: str
) -> None:
    system = make_system(gateways=1, transformers=1)
    for process in system.processes.values():
        process.stop()
    shutil.rmtree(system.folder / "redis")
    shutil.rmtree(system.folder / "objects")
    (system.folder / "redis").mkdir()
    system.restart("redis")
    process = system.processes[name]
    process.environment |= {"COEDIT_SHARD_COUNT": "16"}
    process.start()
    system.wait_ready(name)
    system.restart("transformer-0")
    assert process.ended() == 1
    assert "begun with 8 shards" in process.tail()


async def test_deployment_of_an_earlier_version_is_noted_when_it_first_starts(
    make_system: MakeSystem,
) -> None:
    system = make_system(gateways=1, transformers=1)
    async with connect(system.url) as session:
        document = await session.open("notes")
        await document.insert(0, "before")
        await document.settle()
    await asyncio.to_thread(_stop_services, system)
    for file in _folder(system).iterdir():
        if file.name != "marker":
            file.unlink()
    async with Redis.from_url(system.redis_url) as redis:
        await redis.delete(DEPLOYMENT)
    await asyncio.to_thread(_refused, system, "gateway-0", "begun with 8 shards", COEDIT_SHARD_COUNT="16")
    for name in _SERVICES:  # the transformer last: an upgrade may begin anywhere
        system.restart(name)
        await asyncio.to_thread(system.wait_ready, name)
    names = {file.name.partition("-")[0] for file in _folder(system).iterdir()}
    assert names == {"marker", "identity", "format", "key"}
    async with connect(system.url) as session:
        assert (await session.open("notes")).text == "before"


async def test_redis_that_was_emptied_is_told_again_of_what_deployment_it_is(make_system: MakeSystem) -> None:
    system = make_system(gateways=1, transformers=1)
    async with Redis.from_url(system.redis_url) as redis:
        before = await redis.hgetall(DEPLOYMENT)
        assert before.keys() == {b"id", b"shard_count", b"format", b"key_id"}
    await asyncio.to_thread(system.wipe_redis)

    async def is_told() -> bool:
        with suppress(RedisConnectionError):  # it starts
            async with Redis.from_url(system.redis_url) as redis:
                told: bool = await redis.hgetall(DEPLOYMENT) == before
                return told
        return False

    await eventually(is_told, "Redis is told again")
    await asyncio.to_thread(_refused, system, "presence-0", "begun with 8 shards", COEDIT_SHARD_COUNT="16")


async def test_secret_is_changed_while_all_runs_and_changed_again(make_system: MakeSystem) -> None:
    """One process after the other, in either order; whoever comes with the first alone is refused in the end."""
    system = make_system(gateways=1, transformers=1)
    third = "a third secret, of thirty-two byte"
    for secret, old in ((_OTHER_SECRET, SECRET), (third, f'["{_OTHER_SECRET}", "{SECRET}"]')):
        for name in _SERVICES if secret == third else _SERVICES[::-1]:
            process = system.processes[name]
            await asyncio.to_thread(process.stop)
            process.environment |= {"COEDIT_SECRET": secret, "COEDIT_OLD_SECRETS": old}
            system.restart(name)
            await asyncio.to_thread(system.wait_ready, name)
        async with connect(system.url) as session:
            document = await session.open("notes")
            await document.insert(0, "x")
            await document.settle()
    for name in _SERVICES:
        refused = {"COEDIT_SECRET": SECRET, "COEDIT_OLD_SECRETS": ""}
        await asyncio.to_thread(_refused, system, name, "COEDIT_OLD_SECRETS", **refused)


def _stop_services(system: System) -> None:
    for name in _SERVICES:
        system.processes[name].stop()
