"""Yjs and OT clients type into one document while processes die; all end with the same text, and nothing is lost."""

import asyncio
import random
from contextlib import AsyncExitStack

from coedit.client import Document, connect
from coedit.client.rest import fetch_text
from tests.conftest import MakeSystem
from tests.integration.yjs_client import HocuspocusClient, YjsClient
from tests.system import System, eventually

_ROUNDS = 40
_WORDS = ["a", "漢", "😀", "word ", "é\n", "👍🏽"]


async def test_all_end_alike_though_processes_die(make_system: MakeSystem, seed: int) -> None:
    system = make_system(gateways=2, settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "1"})
    chance = random.Random(seed)
    first, second = system.gateways
    async with AsyncExitStack() as stack:
        yjs: list[YjsClient] = [
            await stack.enter_async_context(client)
            for client in (YjsClient(first, "doc"), YjsClient(second, "doc"), HocuspocusClient(second, "doc"))
        ]
        sessions = [await stack.enter_async_context(connect(url, author="otto")) for url in (first, second)]
        documents = [await session.open("doc") for session in sessions]
        written: list[str] = []
        deaths = asyncio.create_task(_deaths(system))
        typing = [
            asyncio.create_task(_type(client, number, chance, written)) for number, client in enumerate(yjs)
        ]
        typing += [
            asyncio.create_task(_type_ot(document, number + 3, chance, written))
            for number, document in enumerate(documents)
        ]
        await asyncio.gather(deaths, *typing)
        for document in documents:
            await document.settle()
        await eventually(lambda: _are_alike(yjs, documents), "all have the same text", 60)
        text = documents[0].text
        assert [document.rejections for document in documents] == [[], []]
    assert (await fetch_text(first, "doc")).text == text
    for word in written:
        assert text.count(word) == 1, word
    async with YjsClient(first, "doc") as late:
        await late.until_text(text)


async def _deaths(system: System) -> None:
    for name in ("transformer-0", "gateway-1", "transformer-0"):
        await asyncio.sleep(0.7)
        await asyncio.to_thread(system.processes[name].kill)
        system.restart(name)
        await asyncio.to_thread(system.wait_ready, name)


async def _type(client: YjsClient, number: int, chance: random.Random, written: list[str]) -> None:
    for round_ in range(_ROUNDS):
        word = f"<{number}.{round_}{chance.choice(_WORDS)}>"
        written.append(word)
        await _connected(client)
        try:
            await client.edit(lambda text, word=word: text.insert(_place(str(text), chance), word))  # type: ignore[misc]
        except (ConnectionError, RuntimeError):
            continue  # it is in the document, and goes out with the next step 2
        await asyncio.sleep(chance.random() * 0.08)
    await _connected(client)


def _place(text: str, chance: random.Random) -> int:
    """Return a place between two words, in bytes."""
    places = [0, *(index + 1 for index, letter in enumerate(text) if letter == ">")]
    return len(text[: chance.choice(places)].encode())


async def _connected(client: YjsClient) -> None:
    if client.close_code is not None or client.socket.closed:
        await client.reconnect()


async def _type_ot(document: Document, number: int, chance: random.Random, written: list[str]) -> None:
    for round_ in range(_ROUNDS):
        word = f"<{number}.{round_}{chance.choice(_WORDS)}>"
        written.append(word)
        text = document.text
        places = [0, *(index + 1 for index, letter in enumerate(text) if letter == ">")]
        place = len(text[: chance.choice(places)].encode("utf-16-le")) // 2
        await document.insert(place, word)
        await asyncio.sleep(chance.random() * 0.08)


def _are_alike(yjs: list[YjsClient], documents: list[Document]) -> bool:
    return len({str(client.text) for client in yjs} | {document.text for document in documents}) == 1
