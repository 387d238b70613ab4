"""A gateway's subscriptions, through a network that falls silent."""

from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.store.redis_connection import connect
from coedit.testing.fault_proxy import FaultProxy
from services.gateway import channels as channels_module
from services.gateway.channels import Channels
from tests.redis_server import redis_server


async def test_connection_that_answers_no_ping_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word from a peer that is gone, TCP alone would wait for a quarter of an hour."""
    with redis_server(tmp_path) as url:
        port = int(connect(url).connection_pool.connection_kwargs["port"])
        async with FaultProxy("127.0.0.1", port) as proxy:
            redis = connect(f"redis://127.0.0.1:{proxy.port}/0")
            channels = Channels(redis)
            await redis.ping()
            monkeypatch.setattr(channels_module, "_PING_SECONDS", 0.1)
            await channels._pubsub.ssubscribe("notes")
            channels._listeners[b"notes"] = (lambda _: None, lambda: None)
            await _steps(channels, 10)  # what answers its pings stays
            proxy.hold()
            with pytest.raises(RedisConnectionError):
                await _steps(channels, 10)
            await channels.close()
            await redis.aclose()


async def _steps(channels: Channels, count: int) -> None:
    for _ in range(count):
        await channels.step()
