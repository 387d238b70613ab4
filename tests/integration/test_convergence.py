"""Many clients on several gateways and transformers: all end with the same document, and nothing is lost."""

import asyncio
import json
import random
import urllib.request
from contextlib import AsyncExitStack

import pytest

from coedit.client import Document, connect
from coedit.identifiers import escape
from coedit.ot import Delta
from coedit.protocol.codec import Codec
from coedit.testing.fault_proxy import FaultProxy
from tests.conftest import MakeSystem
from tests.system import System
from tests.writers import Ledger, Writer, settle_all

_CLIENTS = 9
_STEPS = 60
_NAMES = ("plan", "minutes 😀")


@pytest.mark.parametrize("server", ["valkey", "redis7"])
async def test_random_writers_converge_through_disconnects(
    make_system: MakeSystem, server: str, seed: int
) -> None:
    system = make_system(gateways=2, transformers=2, server=server)
    rng = random.Random(seed)
    ledgers = {name: Ledger(seed) for name in _NAMES}
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(_proxy_to(url)) for url in system.gateways * 2]
        writers: list[Writer] = []
        for number in range(_CLIENTS):
            proxy = proxies[number % len(proxies)]
            session = await stack.enter_async_context(
                connect(
                    f"http://127.0.0.1:{proxy.port}", author=f"author {number}", codec=list(Codec)[number % 2]
                )
            )
            for name, ledger in ledgers.items():
                document = await session.open(name)
                writers.append(Writer(document, ledger, random.Random(rng.random())))
        cutting = asyncio.create_task(_cut_now_and_then(proxies, random.Random(rng.random())))
        await asyncio.gather(*(_write(writer, random.Random(rng.random())) for writer in writers))
        cutting.cancel()
        for name, ledger in ledgers.items():
            documents = [writer.document for writer in writers if writer.ledger is ledger]
            await settle_all(documents)
            _check(system, name, documents, ledger)


def _check(system: System, name: str, documents: list[Document], ledger: Ledger) -> None:
    stored = _stored(system, name)
    assert all(document.content == stored for document in documents)
    assert not [rejection for document in documents for rejection in document.rejections]
    ledger.check(stored.text)


async def _write(writer: Writer, rng: random.Random) -> None:
    for _ in range(_STEPS):
        await writer.step()
        await asyncio.sleep(rng.uniform(0, 0.02))


async def _cut_now_and_then(proxies: list[FaultProxy], rng: random.Random) -> None:
    while True:
        await asyncio.sleep(rng.uniform(0.02, 0.15))
        rng.choice(proxies).cut()


def _proxy_to(url: str) -> FaultProxy:
    host, port = url.removeprefix("http://").split(":")
    return FaultProxy(host, int(port))


def _stored(system: System, name: str) -> Delta:
    with urllib.request.urlopen(f"{system.gateways[1]}/v1/documents/{escape(name)}", timeout=5) as answer:
        return Delta.from_json(json.loads(answer.read())["content"])
