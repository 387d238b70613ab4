"""A gateway's subscriptions, through a network that falls silent or fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.runtime.lanes import Lanes
from coedit.store.redis.connection import connect
from coedit.store.redis.topology import Nodes
from coedit.testing.fault_proxy import FaultProxy
from services.gateway.redis import channels as channels_module
from services.gateway.redis.channels import Channels, Line
from tests.redis_server import redis_server
from tests.system import eventually


async def test_connection_that_answers_no_ping_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word from a peer that is gone, TCP alone would wait for a quarter of an hour."""
    async with _proxied(tmp_path) as (proxy, nodes):
        line = Line(nodes.masters()[0], lambda *_: None)
        await line.add([b"notes"])
        monkeypatch.setattr(channels_module, "_PING_SECONDS", 0.1)
        await _steps(line, 10)  # what answers its pings stays
        proxy.hold()
        with pytest.raises(RedisConnectionError):
            await _steps(line, 10)
        line.close()


async def test_channels_come_back_after_a_lost_connection_and_say_so(tmp_path: Path) -> None:
    async with _proxied(tmp_path) as (proxy, nodes), _running(nodes) as channels:
        heard: list[bytes] = []
        again: list[str] = []
        for name in ("one", "two"):
            await channels.subscribe(name, heard.append, lambda name=name: again.append(name))  # type: ignore[misc]
        await channels.subscribe("left", heard.append, lambda: again.append("left"))
        channels.unsubscribe("left")
        proxy.cut()
        await eventually(lambda: sorted(again) == ["one", "two"], "both are subscribed again")
        for name in ("one", "two", "left"):
            await nodes.of(name).spublish(name, name)
        await eventually(lambda: heard == [b"one", b"two"], "messages come again")


async def test_channel_that_cannot_be_subscribed_to_is_refused_and_forgotten(tmp_path: Path) -> None:
    async with _proxied(tmp_path) as (proxy, nodes), _running(nodes) as channels:
        proxy.refuses = True
        with pytest.raises((RedisConnectionError, OSError)):
            await channels.subscribe("one", lambda _: None, lambda: None)
        proxy.refuses = False
        heard: list[bytes] = []
        await channels.subscribe("one", heard.append, lambda: None)
        await nodes.of("one").spublish("one", "told")
        await eventually(lambda: heard == [b"told"], "the second attempt gets messages")


async def test_message_that_meets_a_defect_ends_the_line_and_not_the_loop(tmp_path: Path) -> None:
    """Whoever missed something is told so by the subscription that follows."""

    def fail(_: bytes) -> None:
        raise LookupError("a defect")

    async with _proxied(tmp_path) as (_, nodes), _running(nodes) as channels:
        again: list[str] = []
        await channels.subscribe("bad", fail, lambda: again.append("bad"))
        await channels.subscribe("good", lambda _: None, lambda: again.append("good"))
        await nodes.of("bad").spublish("bad", "told")
        await eventually(lambda: sorted(again) == ["bad", "good"], "both are subscribed again")


async def test_what_is_heard_is_no_part_of_the_request_that_subscribed_first(tmp_path: Path) -> None:
    """The line, and the loop over it, outlive the request, and are everybody's."""
    request = ContextVar("request", default="none")
    heard: list[str] = []

    async with _proxied(tmp_path) as (proxy, nodes), _running(nodes) as channels:
        request.set("the first")
        await channels.subscribe("one", lambda _: heard.append(request.get()), lambda: None)
        await nodes.of("one").spublish("one", "told")
        await eventually(lambda: len(heard) == 1, "it is told")
        again: list[str] = []
        await channels.subscribe("two", lambda _: None, lambda: again.append(request.get()))
        proxy.cut()
        await eventually(lambda: len(again) == 1, "it is subscribed again")
        assert (heard, again) == (["none"], ["none"])


@asynccontextmanager
async def _proxied(folder: Path) -> AsyncIterator[tuple[FaultProxy, Nodes]]:
    with redis_server(folder) as url:
        port = int(connect(url).connection_pool.connection_kwargs["port"])
        async with FaultProxy("127.0.0.1", port) as proxy:
            nodes = Nodes(connect(f"redis://127.0.0.1:{proxy.port}/0"))
            yield proxy, nodes
            await nodes.aclose()


@asynccontextmanager
async def _running(nodes: Nodes) -> AsyncIterator[Channels]:
    channels = Channels(nodes)
    async with asyncio.TaskGroup() as tasks:
        lanes: Lanes[object] = Lanes(tasks, "channels", asyncio.Event(), lambda: None)
        channels.run_on(lanes)  # type: ignore[arg-type]
        yield channels
        lanes.end_all()
    channels.close()


async def _steps(line: Line, count: int) -> None:
    for _ in range(count):
        await line.step()
