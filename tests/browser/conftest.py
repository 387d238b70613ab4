"""A system that serves the page, and a real Chromium to look at it with."""

import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from coedit.identifiers import escape
from tests.requirements import chromium
from tests.system import ROOT, System

PAGE_SETTINGS = {"COEDIT_GATEWAY_PAGE": str(ROOT / "clients/js/dist")}
DEADLINE_MS = 20_000
_ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)

OpenPage = Callable[..., Awaitable["Writer"]]


class Writer:
    """Somebody with the page open."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    @property
    def text(self) -> Locator:
        return self.page.locator(".cm-content")

    @property
    def sign(self) -> Locator:
        return self.page.locator(".sign")

    async def go(self, url: str, document: str, fragment: str = "") -> None:
        """Open a document, and wait until it is there."""
        path = f"?document={document}" if document == ".." else escape(document)
        await self.page.goto(f"{url}/d/{path}{fragment}")
        await self.saved()

    async def saved(self) -> None:
        """Wait until the page says so."""
        await expect(self.sign).to_have_attribute("data-kind", "saved", timeout=DEADLINE_MS)

    async def type_at_end(self, text: str) -> None:
        await self.text.press("Control+End")
        await self.page.keyboard.type(text)

    async def type_at_start(self, text: str) -> None:
        await self.text.press("Control+Home")
        await self.page.keyboard.type(text)

    async def sees(self, text: str) -> None:
        """Wait until ``text`` is on the page; what is not drawn because it is scrolled away does not count."""
        await expect(self.text).to_contain_text(re.compile(re.escape(text)), timeout=DEADLINE_MS)


@pytest.fixture(scope="session")
def built_page() -> None:
    """The page, built from the present sources."""
    subprocess.run([str(ROOT / "scripts/page.sh"), "build"], check=True, timeout=170)


@pytest.fixture(scope="module")
def page_system(built_page: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system with the page, for tests that use documents of different names."""
    system = System(tmp_path_factory.mktemp("system"), settings=PAGE_SETTINGS)
    system.start()
    yield system
    system.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        arguments = _ARGUMENTS.split()
        browser = await playwright.chromium.launch(executable_path=chromium(), headless=True, args=arguments)
        yield browser
        await browser.close()


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[OpenPage]:
    """A function that gives somebody a browser of their own; what their pages raise fails the test."""
    writers: list[Writer] = []

    async def make(name: str, colour: str = "#4f46e5") -> Writer:
        context = await browser.new_context()
        await context.add_init_script(
            f"localStorage.setItem('coedit.name', {name!r}); localStorage.setItem('coedit.colour', {colour!r})"
        )
        writer = Writer(await context.new_page())
        writers.append(writer)
        return writer

    yield make
    assert [error for writer in writers for error in writer.errors] == []
