"""One keystroke, all the way: gateway, Redis Streams, transformer, log, fan-out; and what is told on the way."""

import asyncio
import json
import urllib.request

import pytest

from coedit.client import connect
from coedit.identifiers import document_id, escape
from coedit.protocol.codec import Codec
from tests.conftest import MakeSystem
from tests.system import ServerKind, System


@pytest.mark.parametrize("name", ["room a/b?x", "é%2F", "..", "😀", "a#b", "{1}", "x" * 255])
@pytest.mark.parametrize("codec", list(Codec))
async def test_edit_in_one_client_shows_in_the_other(system: System, name: str, codec: Codec) -> None:
    name = name if codec is Codec.JSON or len(name) == 255 else f"{name} packed"
    async with (
        connect(system.url, author="ada", codec=codec) as ada,
        connect(system.url, author="bob") as bob,
    ):
        mine, theirs = await ada.open(name), await bob.open(name)
        before = len(theirs.text)
        changes = theirs.changes()
        await mine.insert(0, "hé😀", {"bold": True})
        await mine.settle()
        change = await asyncio.wait_for(anext(changes), 10)
        assert (change.author, change.delta.to_json()) == (
            "ada",
            [{"insert": "hé😀", "attributes": {"bold": True}}],
        )
        assert len(theirs.text) == before + 3
    assert _get(system, name, "text/plain").decode().startswith("hé😀")
    answer = json.loads(_get(system, name, "application/json"))
    assert (answer["document"], answer["revision"]) == (name, mine.revision)


@pytest.mark.parametrize("server", ["valkey", "redis7"])
async def test_documents_survive_a_restart_of_everything(make_system: MakeSystem, server: ServerKind) -> None:
    system = make_system(server=server)
    async with connect(system.url) as session:
        document = await session.open("kept")
        await document.insert(0, "still here")
        await document.settle()
    await asyncio.to_thread(system.stop)
    await asyncio.to_thread(system.start)
    async with connect(system.url) as session:
        document = await session.open("kept")
        assert (document.text, document.revision) == ("still here", 1)


async def test_large_document_comes_in_parts(system: System) -> None:
    text = "".join(f"line {number} é😀\n" for number in range(40_000))
    async with connect(system.url) as session:
        document = await session.open("large")
        for start in range(0, len(text), 100_000):
            await document.insert(document.content.document_length, text[start : start + 100_000])
        await document.settle()
    for codec in Codec:
        async with connect(system.url, codec=codec) as session:
            assert (await session.open("large")).text == text


async def test_edit_that_was_made_offline_is_kept(make_system: MakeSystem) -> None:
    system = make_system(gateways=2)
    async with connect(system.gateways[0]) as one, connect(system.gateways[1]) as other:
        mine, theirs = await one.open("offline"), await other.open("offline")
        await mine.insert(0, "a")
        await mine.settle()
        await asyncio.to_thread(system.processes["gateway-0"].kill)
        await mine.insert(1, "b")
        await theirs.until(lambda: theirs.text == "a")
        await theirs.insert(0, "c")
        await theirs.settle()
        assert not mine.saved
        system.restart("gateway-0")
        await asyncio.wait_for(mine.settle(), 20)
        await asyncio.wait_for(theirs.until(lambda: theirs.text == "cab"), 10)
        assert mine.text == "cab"


def _get(system: System, name: str, accept: str) -> bytes:
    url = f"{system.url}/v1/documents/{escape(document_id(name))}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=5) as answer:
        body: bytes = answer.read()
        return body


async def test_document_beyond_the_bounds_of_a_submission_is_open_to_everybody(system: System) -> None:
    """Formatted twice, its text has more attributes than any one edit may set."""
    first, second = ({f"{name}{number}": number for number in range(200)} for name in "ab")
    async with connect(system.url) as writing, connect(system.url) as reading:
        written = await writing.open("formatted twice")
        live = await reading.open("formatted twice")
        await written.insert(0, "text", first)
        await written.format(0, 4, second)
        await written.settle()
        await live.until(lambda: live.revision == written.revision)
        async with connect(system.url) as later, asyncio.timeout(10):
            opened = await later.open("formatted twice")
    expected = [{"insert": "text", "attributes": first | second}]
    assert live.content.to_json() == opened.content.to_json() == expected
