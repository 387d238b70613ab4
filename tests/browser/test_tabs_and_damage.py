"""The page in a real browser: a tab that was duplicated, and a document that is damaged."""

import asyncio
import json
from typing import Any

import msgpack
import pytest
from playwright.async_api import Page, WebSocket, expect

from coedit.client.rest import fetch_text
from coedit.identifiers import DocumentId, Revision
from coedit.store.keys import shard_of
from coedit.store.objects.archive import Archive
from coedit.store.objects.local_folder import LocalFolder
from coedit.store.redis.connection import connect as connect_redis
from tests.browser.conftest import DEADLINE_MS, PAGE_SETTINGS, OpenPage, Writer
from tests.conftest import MakeSystem
from tests.integration.test_one_bad_apple import doctor
from tests.system import System

pytestmark = pytest.mark.browser


def _client_ids(page: Page) -> set[str]:
    """Return a set that fills with the client ids that the page gets, or brings."""
    found: set[str] = set()

    def note(frame: str | bytes) -> None:
        fields = json.loads(frame)
        if "client_id" in fields and fields["type"] in ("hello", "welcome", "open", "opened"):
            found.add(fields["client_id"])

    def watch(socket: WebSocket) -> None:
        socket.on("framereceived", note)
        socket.on("framesent", note)

    page.on("websocket", watch)
    return found


async def test_duplicated_tab_is_a_client_of_its_own(page_system: System, open_page: OpenPage) -> None:
    """A browser gives a duplicate a copy of sessionStorage, as it does with a window that a page opens."""
    ada = await open_page("Ada")
    ids, twins = _client_ids(ada.page), list[set[str]]()
    await ada.go(page_system.url, "duplicated")
    await ada.type_at_end("one ")
    await ada.saved()
    await ada.page.evaluate("sessionStorage.setItem('copied', 'yes')")
    ada.page.context.on("page", lambda page: twins.append(_client_ids(page)))
    async with ada.page.context.expect_page() as opened:
        await ada.page.evaluate("window.open(location.href)")
    twin = Writer(await opened.value)
    assert await twin.page.evaluate("sessionStorage.getItem('copied')") == "yes", "then this shows nothing"
    await twin.sees("one ")
    await asyncio.gather(ada.type_at_end("from ada "), twin.type_at_start("from the twin "))
    await asyncio.gather(ada.saved(), twin.saved())
    text = (await fetch_text(page_system.url, "duplicated")).text
    assert sorted(text.split()) == sorted(["one", "from", "ada", "from", "the", "twin"])
    (twin_ids,) = twins
    assert ids
    assert twin_ids
    assert not ids & twin_ids
    assert twin.errors == []


async def test_damaged_document_is_shown_read_only_and_written_again_when_it_is_repaired(
    built_page: None, make_system: MakeSystem, open_page: OpenPage
) -> None:
    system = make_system(settings=PAGE_SETTINGS | {"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "3600"})
    ada = await open_page("Ada")
    await ada.go(system.url, "damaged")
    for word in ("one ", "two ", "three "):
        await ada.type_at_end(word)
        await ada.saved()
    good = await _spoil_the_last(system, "damaged")
    bob = await open_page("Bob")
    await bob.page.goto(f"{system.url}/d/damaged")
    for writer in (ada, bob):
        await expect(writer.sign).to_contain_text("Damaged", timeout=DEADLINE_MS)
        await expect(writer.text).to_have_attribute("contenteditable", "false")
    await bob.sees("one two")
    code, _ = await asyncio.to_thread(doctor, system, "damaged")
    assert code == 1
    await _put_back(system, "damaged", good)
    assert (await asyncio.to_thread(doctor, system, "damaged", "--repair"))[0] == 0
    for writer in (ada, bob):
        await writer.saved()
        await writer.sees("one two three")
    await bob.type_at_end("four")
    await ada.sees("one two three four")


async def _spoil_the_last(system: System, name: str) -> bytes:
    """Make the newest commit unreadable; return it."""
    redis, shard = connect_redis(system.redis_url), shard_of(DocumentId(name), 8)
    newest: Any = await redis.xrevrange(shard.log(DocumentId(name)), count=1)
    ((entry_id, fields),) = newest
    await redis.xdel(shard.log(DocumentId(name)), entry_id)
    await redis.aclose()
    assert msgpack.unpackb(fields[b"commit"])["revision"] == int(entry_id.split(b"-")[0])
    entry: bytes = fields[b"commit"]
    return entry


async def _put_back(system: System, name: str, entry: bytes) -> None:
    """Give the archive what a backup of it would have."""
    revision = msgpack.unpackb(entry)["revision"]
    archive = Archive(LocalFolder(str(system.folder / "objects")))
    await archive.store(DocumentId(name), Revision(revision), [entry])
