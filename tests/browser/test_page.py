"""The page in a real browser, on the real system."""

import asyncio
import json
import re
import time
import urllib.error
import urllib.request
from contextlib import AsyncExitStack
from itertools import combinations
from typing import Any

import pytest
from playwright.async_api import expect

from coedit.client import connect
from coedit.identifiers import AuthorId, escape
from coedit.protocol.grants import Grants
from coedit.protocol.tokens import Identity, make_access_token
from tests.browser.conftest import DEADLINE_MS, PAGE_SETTINGS, OpenPage
from tests.conftest import MakeSystem
from tests.system import SECRET, System, eventually

pytestmark = pytest.mark.browser


async def test_typing_in_one_shows_in_the_other(page_system: System, open_page: OpenPage) -> None:
    ada, bob = await open_page("Ada"), await open_page("Bob")
    await ada.go(page_system.url, "two writers/é")
    await bob.go(page_system.url, "two writers/é")
    await ada.type_at_end("Hello Bob 😀")
    await bob.sees("Hello Bob 😀")
    await asyncio.gather(ada.type_at_end(" from Ada"), bob.type_at_start("> "))
    await asyncio.gather(ada.sees("> Hello Bob 😀 from Ada"), bob.sees("> Hello Bob 😀 from Ada"))
    await asyncio.gather(ada.saved(), bob.saved())
    assert await _text(page_system, "two writers/é") == "> Hello Bob 😀 from Ada"


async def test_people_and_their_carets_are_shown_and_move(page_system: System, open_page: OpenPage) -> None:
    ada, bob = await open_page("Ada Lovelace"), await open_page("Bob", "#047857")
    await ada.go(page_system.url, "carets")
    await bob.go(page_system.url, "carets")
    await ada.type_at_end("0123456789")
    await bob.sees("0123456789")
    await expect(bob.page.locator(".avatars .avatar")).to_have_attribute("title", "Ada Lovelace")
    caret = bob.page.locator(".remote-caret")
    await expect(caret).to_have_attribute("data-name", "Ada Lovelace", timeout=DEADLINE_MS)
    at_end = await caret.bounding_box()
    await ada.text.press("Home")
    await ada.text.press("Shift+ArrowRight")
    await expect(bob.page.locator(".remote-selection")).to_have_text("0", timeout=DEADLINE_MS)
    moved = await caret.bounding_box()
    assert at_end is not None
    assert moved is not None
    assert moved["x"] < at_end["x"]
    await ada.page.close()
    await expect(caret).to_have_count(0, timeout=DEADLINE_MS)


async def test_phone_counts_everyone_and_keeps_its_buttons_on_the_screen(
    page_system: System, open_page: OpenPage
) -> None:
    ada = await open_page("Ada")
    await ada.page.set_viewport_size({"width": 390, "height": 844})
    await ada.go(page_system.url, "a name that is longer than a phone is wide")
    async with AsyncExitStack() as stack:
        for number in range(5):
            session = await stack.enter_async_context(connect(page_system.url, author=f"guest {number}"))
            await (await session.open("a name that is longer than a phone is wide")).move_caret(0)
        await expect(ada.page.locator(".avatars .avatar:visible")).to_have_text(
            [re.compile("G"), re.compile("G"), "+3"], timeout=DEADLINE_MS
        )
        await ada.page.context.set_offline(True)
        await ada.type_at_end("0123456789" * 12)
        await expect(ada.sign).to_contain_text("120 unsaved", timeout=DEADLINE_MS)
        assert await ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


_FLAGS = """() => [...document.querySelectorAll(".remote-caret")].map((caret) => {
    const [{ left, bottom }, flag] = [caret.getBoundingClientRect(), getComputedStyle(caret, "::after")];
    const [x, y] = [left + parseFloat(flag.left) + 2, bottom - parseFloat(flag.bottom)];
    return [x, y - parseFloat(flag.height), x + parseFloat(flag.width), y];
})"""


async def test_flags_of_carets_at_one_place_can_all_be_read_on_a_phone(
    page_system: System, open_page: OpenPage
) -> None:
    ada = await open_page("Ada")
    await ada.page.set_viewport_size({"width": 390, "height": 844})
    await ada.go(page_system.url, "flags")
    await ada.type_at_end("first line\nwords up to the edge of a phone")
    await ada.saved()
    async with AsyncExitStack() as stack:
        for number in range(3):
            name = f"guest {number} with a long name"
            session = await stack.enter_async_context(connect(page_system.url, author=name))
            document = await session.open("flags")
            await document.move_caret(len(document.text) - 1 - number)
        await expect(ada.page.locator(".remote-caret")).to_have_count(3, timeout=DEADLINE_MS)

        async def can_be_read() -> bool:
            flags = await ada.page.evaluate(_FLAGS)
            inside = all(left >= 0 and right <= 390 for left, _, right, _ in flags)
            apart = all(
                one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] + 1 or other[3] <= one[1] + 1
                for one, other in combinations(flags, 2)
            )
            return inside and apart

        await eventually(can_be_read, "the flags are on the screen, and none on another", 5)


async def test_address_of_nothing_is_no_download(page_system: System, open_page: OpenPage) -> None:
    ada = await open_page("Ada")
    answer = await ada.page.goto(f"{page_system.url}/nothing")
    assert answer is not None
    assert (answer.status, "not-found" in await ada.page.content()) == (404, True)


async def test_whoever_comes_later_sees_where_the_writer_is(page_system: System, open_page: OpenPage) -> None:
    ada, bob = await open_page("Ada"), await open_page("Bob")
    await ada.go(page_system.url, "late")
    await ada.type_at_end("written before")
    await ada.saved()
    await bob.go(page_system.url, "late")
    await expect(bob.page.locator(".remote-caret")).to_have_attribute("data-name", "Ada", timeout=DEADLINE_MS)


@pytest.mark.parametrize("name", ["reloaded", "room a/b?x", "é%2F", "..", "😀#&="])
async def test_reload_keeps_the_text(page_system: System, open_page: OpenPage, name: str) -> None:
    ada = await open_page("Ada")
    await ada.go(page_system.url, name)
    await ada.type_at_end("still here")
    await ada.saved()
    await ada.page.reload()
    await ada.sees("still here")


async def test_nothing_is_lost_when_the_gateway_dies_under_two_writers(
    built_page: None, make_system: MakeSystem, open_page: OpenPage
) -> None:
    system = make_system(settings=PAGE_SETTINGS)
    ada, bob = await open_page("Ada"), await open_page("Bob")
    await ada.go(system.url, "restarted")
    await bob.go(system.url, "restarted")
    await ada.type_at_end("- ")
    await bob.sees("-")

    async def write_on() -> None:
        for number in range(25):
            await ada.type_at_end(f"a{number} ")

    async def write_before() -> None:
        for number in range(25):
            await bob.type_at_start(f"b{number} ")

    async def restart() -> None:
        await asyncio.gather(ada.sees("b2"), bob.sees("a2"))
        await asyncio.to_thread(system.processes["gateway-0"].kill)
        await expect(ada.sign).to_have_attribute("data-kind", "offline", timeout=DEADLINE_MS)
        await expect(ada.sign).to_contain_text("not saved yet", timeout=DEADLINE_MS)
        await asyncio.to_thread(system.restart, "gateway-0")

    await asyncio.gather(write_on(), write_before(), restart())
    await asyncio.gather(ada.saved(), bob.saved())
    text = " ".join(
        [*(f"b{number}" for number in reversed(range(25))), "-", *(f"a{number}" for number in range(25))]
    )
    assert await _text(system, "restarted") == text + " "
    await asyncio.gather(ada.sees(text), bob.sees(text))


async def test_page_gives_back_what_every_server_forgot(
    built_page: None, make_system: MakeSystem, open_page: OpenPage
) -> None:
    """Nothing is in a snapshot yet, and Redis and all services are gone: what the page holds is all there is."""
    system = make_system(settings=PAGE_SETTINGS | {"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "3600"})
    ada = await open_page("Ada")
    await ada.go(system.url, "given back")
    await ada.type_at_end("é😀 one")
    await ada.saved()
    async with connect(system.url, author="Bob") as session:
        bob = await session.open("given back")
        await bob.insert(0, "> ", {"bold": True})
        await bob.settle()
    await ada.sees("> é😀 one")
    await ada.saved()
    services = [name for name in system.processes if name != "redis"]
    for name in services:
        await asyncio.to_thread(system.processes[name].kill)
    await asyncio.to_thread(system.wipe_redis)
    for name in services:
        system.restart(name)
    await ada.type_at_end(" two")
    await ada.saved()
    async with connect(system.url, author="Carol") as session:
        carol = await session.open("given back")
        assert carol.text == "> é😀 one two"
        assert (carol.state.epoch, carol.losses) == (1, [])
        assert carol.content.to_json()[0] == {"insert": "> ", "attributes": {"bold": True}}


async def test_edits_made_offline_are_counted_and_saved_later(
    page_system: System, open_page: OpenPage
) -> None:
    ada, bob = await open_page("Ada"), await open_page("Bob")
    await ada.go(page_system.url, "offline")
    await bob.go(page_system.url, "offline")
    await ada.page.context.set_offline(True)
    await ada.type_at_end("abc")
    await expect(ada.sign).to_contain_text("Offline – 3 edits not saved yet", timeout=DEADLINE_MS)
    await bob.type_at_end("xyz ")
    await bob.saved()
    await ada.page.context.set_offline(False)
    await ada.saved()
    await asyncio.gather(ada.sees("xyz"), bob.sees("abc"))
    assert sorted(await _text(page_system, "offline")) == sorted("abcxyz ")


async def test_formatting_embeds_and_line_ends_of_others_survive_editing(
    page_system: System, open_page: OpenPage
) -> None:
    async with connect(page_system.url, author="rich") as session:
        document = await session.open("rich")
        await document.insert(0, "a\r\nb\rc ")
        await document.insert(7, "bold", {"bold": True})
        await document.insert(11, {"image": "x.png"})
        await document.settle()
    ada = await open_page("Ada")
    await ada.go(page_system.url, "rich")
    await expect(ada.page.locator(".embed")).to_have_text("image", timeout=DEADLINE_MS)
    await ada.type_at_end("!")
    await ada.type_at_start("# ")
    await ada.saved()
    written = [
        {"insert": "# a\r\nb\rc "},
        {"insert": "bold", "attributes": {"bold": True}},
        {"insert": {"image": "x.png"}},
        {"insert": "!"},
    ]
    assert (await _get(page_system, "rich"))["content"] == written
    await ada.text.press("Control+a")
    await ada.text.press("Backspace")
    await ada.saved()
    assert (await _get(page_system, "rich"))["content"] == []
    await ada.text.press("Control+z")
    await ada.saved()
    assert (await _get(page_system, "rich"))["content"] == written
    await expect(ada.page.locator(".embed")).to_have_text("image", timeout=DEADLINE_MS)


async def test_undo_takes_back_only_what_was_typed_here(page_system: System, open_page: OpenPage) -> None:
    ada, bob = await open_page("Ada"), await open_page("Bob")
    await ada.go(page_system.url, "undone")
    await bob.go(page_system.url, "undone")
    await ada.type_at_end("mine")
    await bob.sees("mine")
    await bob.type_at_start("theirs ")
    await ada.sees("theirs mine")
    await ada.text.press("Control+z")
    await ada.saved()
    assert await _text(page_system, "undone") == "theirs "
    await ada.text.press("Control+y")
    await bob.sees("theirs mine")
    await ada.saved()
    assert await _text(page_system, "undone") == "theirs mine"


async def test_whoever_has_no_access_is_asked_for_a_link(
    built_page: None, make_system: MakeSystem, open_page: OpenPage
) -> None:
    system = make_system(settings=PAGE_SETTINGS | {"COEDIT_GATEWAY_OPEN": "0"})
    ada = await open_page("Ada")
    await ada.page.goto(f"{system.url}/d/secret")
    panel = ada.page.get_by_role("alertdialog")
    await expect(panel).to_contain_text("needs an access link", timeout=DEADLINE_MS)
    token = make_access_token(
        SECRET, Identity(AuthorId("ada"), Grants.of({"secret": "write"})), int(time.time()) + 600
    )
    await panel.get_by_label("Access link").fill(f"{system.url}/d/secret#token={token}")
    await panel.get_by_role("button", name="Open").click()
    await ada.saved()
    await ada.type_at_end("let in")
    await ada.saved()
    await ada.page.goto(f"{system.url}/d/another#token={token}")
    await expect(panel).to_contain_text("no access to this document", timeout=DEADLINE_MS)


async def test_start_page_makes_a_document_with_a_name_of_its_own(
    page_system: System, open_page: OpenPage
) -> None:
    ada = await open_page("Ada")
    await ada.page.goto(page_system.url)
    await ada.page.get_by_role("button", name="New document").click()
    await ada.saved()
    path = ada.page.url.removeprefix(page_system.url)
    assert path.startswith("/d/")
    await ada.page.goto(page_system.url)
    await expect(ada.page.locator(".recent a")).to_have_attribute("href", path)


async def _get(system: System, document: str) -> dict[str, Any]:
    def ask() -> dict[str, Any]:
        with urllib.request.urlopen(f"{system.url}/v1/documents/{escape(document)}", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    return await asyncio.to_thread(ask)


async def _text(system: System, document: str) -> str:
    return "".join(op["insert"] for op in (await _get(system, document))["content"])
