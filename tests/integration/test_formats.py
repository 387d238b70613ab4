"""Documents as files of other programs, through a real gateway and the command line."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pycrdt import Doc, Text

from coedit.client import DocumentFormats, DocumentHistory, connect
from coedit.client.history import PastEdit
from coedit.formats import import_document
from coedit.identifiers import escape
from coedit.ot import Delta
from tests.system import System
from tests.unit.commands.test_cli import run

_NAME = "a/b c.é?"
_MARKDOWN = "# Title\n\nSome **bold** text 😀.\n\n- [x] done\n- [ ] to do\n"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that takes small files only."""
    settings = {"COEDIT_GATEWAY_IMPORT_BYTES": "300000", "COEDIT_GATEWAY_CONVERT_SECONDS": "2"}
    system = System(tmp_path_factory.mktemp("system"), settings=settings)
    system.start()
    yield system
    system.stop()


async def ask(
    system: System, method: str, what: str, body: bytes | None = None, **query: str
) -> tuple[int, Any, bytes]:
    address = f"{system.url}/v1/{what}/{escape(_NAME)}"
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, address, params=query, data=body) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


async def content(system: System, name: str) -> Delta:
    return (await DocumentHistory(system.url, name).at()).content


async def test_document_goes_through_every_format(system: System) -> None:
    """Into a new document, out of it in each format, and from each into another new one."""
    first = DocumentFormats(system.url, _NAME, author="ada")
    assert await first.import_from("markdown", _MARKDOWN.encode()) == PastEdit(1, True)  # type: ignore[arg-type]
    expected = import_document(_MARKDOWN.encode(), "markdown")
    assert await content(system, _NAME) == expected
    for form in ("markdown", "html", "delta", "yjs"):
        exported = await first.export_as(form)
        second = DocumentFormats(system.url, f"from {form}", author="bob")
        assert (await second.import_from(form, exported)).changed
        assert await content(system, f"from {form}") == expected
    assert (await first.export_as("text")).decode() == expected.text
    assert (await first.export_as("markdown")).decode() == _MARKDOWN


async def test_import_is_one_small_edit_among_others(system: System) -> None:
    """Whoever has the document open sees it come; what they write at the same time stays; it is in the history."""
    async with connect(system.url, author="ada") as session:
        document = await session.open("shared")
        await document.insert(0, "one\ntwo\nthree\n")
        await document.settle()
        formats = session.formats("shared")
        base = document.revision
        await document.insert(0, "> ")
        await document.settle()
        answer = await _post_on(system, "shared", b"one\n2\nthree\n", base)
        await document.until(lambda: document.text == "> one\n2\nthree\n")
        assert answer["changed"]
        assert (await formats.import_from("text", document.text.encode())).changed is False
    changes, _ = await DocumentHistory(system.url, "shared").changes(gap_seconds=0)
    assert changes[0].author == "eve"
    assert (changes[0].inserted, changes[0].deleted) == (1, 3)


async def _post_on(system: System, name: str, body: bytes, base: int) -> Any:
    query = {"format": "text", "base_revision": str(base), "author": "eve"}
    address = f"{system.url}/v1/import/{escape(name)}"
    async with aiohttp.ClientSession() as http, http.post(address, params=query, data=body) as answer:
        return await answer.json()


async def test_import_that_is_said_twice_is_made_once(system: System) -> None:
    answers = await asyncio.gather(*(_post_on(system, "twice", b"text", 0) for _ in range(6)))
    assert {answer["revision"] for answer in answers} == {1}
    other = await _post_on(system, "twice", b"other ", 0)
    assert other["revision"] == 2


async def test_export_says_what_it_is_and_runs_nowhere(system: System) -> None:
    await DocumentFormats(system.url, _NAME).import_from("html", b"<p>x</p><script>alert(1)</script>")
    status, headers, body = await ask(system, "GET", "export", format="html")
    assert (status, body) == (200, b"<p>x</p>\n")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%2Fb%20c.%C3%A9%3F.html"
    assert headers["Content-Security-Policy"].startswith("sandbox;")
    status, headers, _ = await ask(system, "GET", "export", format="text", at="0")
    assert (status, headers["Coedit-Revision"]) == (200, "0")


async def test_yjs_export_is_opened_by_yjs(system: System) -> None:
    formats = DocumentFormats(system.url, "for yjs")
    await formats.import_from("delta", b'[{"insert": "a\xf0\x9f\x98\x80", "attributes": {"bold": true}}]')
    doc: Doc[Any] = Doc()
    text = doc.get("content", type=Text)
    doc.apply_update(await formats.export_as("yjs"))
    assert text.diff() == [("a😀", {"bold": True})]
    named: Doc[Any] = Doc()
    named["quill"] = other = Text()
    other.insert(0, "elsewhere")
    await formats.import_from("yjs", named.get_update(), root="quill")
    assert (await content(system, "for yjs")).text == "elsewhere"


@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ({}, b"x", 400, "invalid-request"),
        ({"format": "docx"}, b"x", 400, "invalid-request"),
        ({"format": "yjs", "root": ""}, b"\0\0", 400, "invalid-request"),
        ({"format": "text", "base_revision": "-1"}, b"x", 400, "invalid-request"),
        ({"format": "text", "base_revision": "99"}, b"x", 404, "future-revision"),
        ({"format": "text"}, b"\xff", 400, "invalid-format"),
        ({"format": "markdown"}, b"\xff", 400, "invalid-format"),
        ({"format": "delta"}, b'[{"retain": 1}]', 400, "invalid-delta"),
        ({"format": "delta"}, b'[{"insert": "\\ud800"}]', 400, "invalid-format"),
        ({"format": "yjs"}, b"no update", 400, "invalid-format"),
        ({"format": "text"}, b"x" * 300_001, 413, "too-large"),
        ({"format": "html"}, b"<div>" * 60_000, 413, "too-large"),
        (
            {"format": "delta"},
            b"[" + b",".join(b'{"insert":{"n":%d}}' % n for n in range(20_001)) + b"]",
            413,
            "too-large",
        ),
    ],
    ids=lambda value: value[:12].decode(errors="replace") if isinstance(value, bytes) else None,
)
async def test_what_cannot_be_imported_is_refused(
    system: System, query: dict[str, str], body: bytes, status: int, code: str
) -> None:
    answer = await ask(system, "POST", "import", body, **query)
    assert (answer[0], code in answer[2].decode()) == (status, True), answer


def test_command_line_exports_and_imports(system: System, tmp_path: Path) -> None:
    def coedit(*words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        done = run(*words, stdin=stdin, COEDIT_URL=system.url)
        return done.returncode, done.stdout, done.stderr.decode()

    file = tmp_path / "notes.md"
    file.write_text(_MARKDOWN)
    assert coedit("import", "cli", str(file)) == (0, b"", "saved as revision 1\n")
    assert coedit("export", "cli", "--format", "markdown") == (0, _MARKDOWN.encode(), "")
    page = tmp_path / "notes.html"
    assert coedit("export", "cli", "--output", str(page)) == (0, b"", "")
    assert page.read_text().startswith("<h1>Title</h1>\n<p>Some <strong>bold</strong>")
    assert coedit("export", "cli", "--at", "0")[1] == b""
    nothing = coedit("import", "cli", "-", "--format", "html", stdin=page.read_bytes())
    assert nothing == (0, b"", "nothing to change\n")
    assert coedit("import", "cli", "-", stdin=b"x")[0] == 2
    code, _, complaint = coedit("import", "cli", "-", "--format", "yjs", stdin=b"x")
    assert (code, "not a Yjs v1 update" in complaint) == (4, True)
