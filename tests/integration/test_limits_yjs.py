"""Limits by Yjs clients, who cannot be told: they are read no more for a while, and nobody loops."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import aiohttp
import pytest

from coedit.protocol.yjs.lib0 import Reader, write_text
from tests.integration.limits_setup import counted, limited_system, somewhere
from tests.integration.test_access import token
from tests.integration.yjs_client import HocuspocusClient, YjsClient
from tests.system import System

UNAUTHORIZED, LIMITED = 4401, 4529
_LOOPS_SECONDS = 7.0


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = limited_system(tmp_path_factory.mktemp("limited"))
    system.start()
    yield system
    system.stop()


def _token(author: str) -> str:
    return token({"*": "write"}, sub=author)


def _client(system: System, name: str, author: str) -> YjsClient:
    client = YjsClient(system.url, name, token=_token(author))
    client.headers = somewhere()
    return client


async def test_who_says_too_much_is_slowed_down_and_not_closed(limited: System) -> None:
    before = counted(limited, "messages")
    async with _client(limited, "talk", "talker") as talker, _client(limited, "talk", "listener") as listener:
        await talker.until_synced()
        await listener.until_synced()
        for number in range(80):
            await talker.say({"user": {"name": f"talker {number}"}})
        await talker.edit(lambda text: text.insert(0, "said"))
        await listener.until_text("said")
        assert talker.close_code is None
    assert counted(limited, "messages") > before


async def test_provider_that_never_gives_up_is_upgraded_once_in_two_seconds(limited: System) -> None:
    """As y-websocket up to 3.0 comes again: its pauses begin anew with each upgrade that is answered."""
    began_at, here = time.monotonic(), somewhere()
    upgrades = attempts = failures = 0
    statuses: set[int] = set()
    url = limited.url.replace("http", "ws", 1) + "/yjs/denied?token=bad"
    async with aiohttp.ClientSession() as http:
        while time.monotonic() - began_at < _LOOPS_SECONDS:
            attempts += 1
            try:
                async with http.ws_connect(url, headers=here) as socket:
                    upgrades, failures = upgrades + 1, 0
                    while (await socket.receive()).type is aiohttp.WSMsgType.BINARY:
                        pass
                    assert socket.close_code == UNAUTHORIZED
            except aiohttp.WSServerHandshakeError as error:
                failures += 1
                statuses.add(error.status)
            await asyncio.sleep(min(2**failures * 0.1, 2.5))
    assert 1 <= upgrades <= (time.monotonic() - began_at) / 2 + 1
    assert attempts > upgrades
    assert statuses == {401}


async def test_who_comes_with_a_good_token_is_let_in_at_once(limited: System) -> None:
    async with YjsClient(limited.url, "denied", token="bad too") as eve:
        assert await eve.until_closed() == UNAUTHORIZED
    async with _client(limited, "denied", "good") as good:
        await good.until_synced()


async def test_an_author_has_so_many_connections(limited: System) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(3):
            client = await stack.enter_async_context(_client(limited, "everywhere", "everywhere"))
            await client.until_synced()
        async with _client(limited, "everywhere", "everywhere") as one_more:
            assert await one_more.until_closed() == LIMITED


class ManyDocuments(HocuspocusClient):
    """Counts the documents that are granted on its socket."""

    def __init__(self, url: str, name: str, token: str) -> None:
        super().__init__(url, name, token)
        self.granted: set[str] = set()

    async def on_frame(self, frame: bytes) -> None:
        reader = Reader(frame)
        key = reader.text()
        if reader.uint() == 2 and reader.uint() == 2:
            self.granted.add(key)
        await super().on_frame(frame)


async def test_documents_opened_too_fast_on_one_socket_open_later(limited: System) -> None:
    before = counted(limited, "opens")
    async with ManyDocuments(limited.url, "first", _token("opener")) as client:
        for number in range(4):
            message = b"\x02\x00" + write_text(client.token) + write_text("4.8.0")
            await client.socket.send_bytes(write_text(f"next {number}") + message)
        await client.until(lambda: len(client.granted) == 5, "all five are granted")
    assert counted(limited, "opens") > before
