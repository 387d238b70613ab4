"""A page of somebody else's, with Yjs, beside coedit's own page, in Chromium."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from aiohttp import web
from playwright.async_api import Locator, expect

from coedit.client import connect
from tests.browser.conftest import DEADLINE_MS, PAGE_SETTINGS, OpenPage
from tests.conftest import MakeSystem
from tests.requirements import node, require
from tests.system import eventually
from tests.yjs.convergence import stored
from tests.yjs.node_clients import FOLDER

pytestmark = pytest.mark.browser

_BUNDLER = FOLDER / "node_modules/esbuild/bin/esbuild"


@pytest.fixture
async def yjs_page(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a page with y-codemirror.next, which another server than coedit's serves."""
    require("node", _BUNDLER.exists(), "scripts/page.sh yjs installs the Yjs clients")
    options = ["--bundle", "--format=esm", "--log-level=warning", f"--outfile={tmp_path}/main.js"]
    command = [node(), str(_BUNDLER), "page/main.mjs", *options]
    await asyncio.to_thread(subprocess.run, command, cwd=FOLDER, check=True, timeout=60)
    (tmp_path / "index.html").write_text((FOLDER / "page/index.html").read_text())
    application = web.Application()
    application.router.add_static("/", tmp_path)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/index.html"
    await runner.cleanup()


async def test_yjs_page_and_our_page_show_each_other(
    built_page: None, make_system: MakeSystem, open_page: OpenPage, yjs_page: str
) -> None:
    system = make_system(settings=PAGE_SETTINGS | {"COEDIT_GATEWAY_ORIGINS": "*"})
    ada, bob = await open_page("Ada Lovelace"), await open_page("unused")
    await ada.go(system.url, "shared é")
    await ada.type_at_end("Hello from our page 😀")
    server = system.url.replace("http", "ws", 1) + "/yjs"
    query = {"server": server, "document": "shared é", "user": "Bob by Yjs", "color": "#b45309"}
    await bob.page.goto(f"{yjs_page}?{urlencode(query)}")
    await bob.sees("Hello from our page 😀")
    await bob.type_at_start("Yjs: ")
    await ada.sees("Yjs: Hello from our page 😀")
    await bob.page.keyboard.press("Shift+ArrowRight")
    await expect(ada.page.locator(".remote-caret")).to_have_attribute(
        "data-name", "Bob by Yjs", timeout=DEADLINE_MS
    )
    await expect(ada.page.locator(".remote-selection")).to_have_text("H", timeout=DEADLINE_MS)
    caret = bob.page.locator(".cm-ySelectionInfo")
    await expect(caret).to_have_text("Ada Lovelace", timeout=DEADLINE_MS)
    at_end = await _left(caret)
    await ada.text.press("Control+Home")

    async def has_moved() -> bool:
        return await _left(caret) < at_end

    await eventually(has_moved, "the caret has moved to the start")
    async with connect(system.url, author="cyd") as session:
        document = await session.open("shared é")
        await document.format(0, 3, {"bold": True})
        await document.settle()
    await bob.type_at_end("!")
    await ada.sees("Yjs: Hello from our page 😀!")
    await ada.saved()
    assert stored(system.url, "shared é").text == "Yjs: Hello from our page 😀!"
    await bob.page.close()
    await expect(ada.page.locator(".remote-caret")).to_have_count(0, timeout=DEADLINE_MS)


async def _left(place: Locator) -> float:
    box = await place.bounding_box()
    return box["x"] if box is not None else float("inf")
