"""Sockets of which too much came: they are read no more for a while, and lose nothing."""

import asyncio
import os

import pytest

from coedit.protocol.server_session import CloseCode
from tests.integration.test_server_socket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Client,
    connected,
    frame,
    serving,
)
from tests.system import eventually

_FEW = {"gateway_messages_at_once": 5.0, "gateway_messages_per_second": 10.0}


async def test_all_that_was_sent_too_fast_is_heard_in_its_order() -> None:
    async with serving(**_FEW) as server, connected(server) as client:
        sent = [str(number) for number in range(20)]
        client.writer.write(b"".join(frame(TEXT, text.encode()) for text in sent))
        assert [(await client.receive()).payload.decode() for _ in sent] == sent
        assert server.told == sent


async def test_nothing_is_taken_in_of_whoever_is_held_up() -> None:
    """What is sent stays with its client once the ways to here are full."""
    few = {"gateway_bytes_at_once": 1024.0, "gateway_bytes_per_second": 1024.0}
    async with serving(**few) as server, connected(server) as client:
        client.send(BINARY, bytes(4096))
        await client.receive()
        written = await client.until_stuck(frame(BINARY, bytes(32_768)))
        assert len(server.told) < written


@pytest.mark.parametrize("kind", ["pings", "parts"])
async def test_pings_and_parts_count(kind: str) -> None:
    async with serving(**_FEW) as server, connected(server) as client:
        flood = frame(PING) * 20 if kind == "pings" else frame(TEXT, first=0) + frame(0, first=0) * 20
        client.writer.write(flood)
        await eventually(lambda: server.wires[0]._socket.is_held, "it is held up")
        if kind == "pings":
            assert [(await client.receive()).kind for _ in range(20)] == [PONG] * 20
        client.send(0 if kind == "parts" else TEXT, b"heard")
        assert (await client.receive()).payload == b"heard"


async def test_who_is_held_up_is_closed_all_the_same() -> None:
    async with serving(**_FEW) as server, connected(server) as client:
        client.writer.write(frame(TEXT, b"a") * 20)
        await eventually(lambda: server.wires[0]._socket.is_held, "it is held up")
        server.wires[0].close(CloseCode.SHUTTING_DOWN, "enough")
        await _until_closed(client, CloseCode.SHUTTING_DOWN)
        client.send(CLOSE, CloseCode.SHUTTING_DOWN.to_bytes(2))
        assert await client.at_end()
        await eventually(lambda: server.ended == 1, "nobody serves it any more")


async def test_who_is_held_up_and_goes_is_forgotten() -> None:
    async with serving(**_FEW) as server:
        async with connected(server) as client:
            client.writer.write(frame(TEXT, b"a") * 20)
            await eventually(lambda: server.wires[0]._socket.is_held, "it is held up")
            client.writer.transport.abort()
        await eventually(lambda: server.ended == 1, "nobody serves it any more")
        assert server.sockets.wires() == []
        assert not server.sockets._addresses._connections


async def test_who_is_held_up_for_longer_than_its_pings_may_take_is_kept() -> None:
    async with (
        serving(0.2, **(_FEW | {"gateway_messages_per_second": 2.0})) as server,
        connected(server) as client,
    ):
        client.writer.write(frame(TEXT, os.urandom(4).hex().encode()) * 9)
        heard = 0
        while heard < 9:
            came = await client.receive()
            if came.kind == PING:
                client.send(PONG)
            heard += came.kind == TEXT


async def _until_closed(client: Client, code: int) -> None:
    while (came := await client.receive()).kind != CLOSE:
        await asyncio.sleep(0)
    assert came.close_code == code
