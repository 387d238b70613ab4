"""What is read of files that others wrote, by example."""

import re
from typing import Any

import pytest
from pycrdt import Array, Doc, Text

from coedit.errors import CoeditError, InvalidFormatError
from coedit.formats import FORMATS, export_document, import_document
from coedit.ot.delta import Delta


def read(text: str, form: str) -> list[dict[str, Any]]:
    return import_document(text.encode(), form).to_json()


def newline(**attributes: Any) -> dict[str, Any]:
    """A newline and what kind of line it ends; a ``_`` in a name stands for a ``-``."""
    return {
        "insert": "\n",
        "attributes": {name.replace("_", "-"): value for name, value in attributes.items()},
    }


def line(text: str, **attributes: Any) -> list[dict[str, Any]]:
    """The ops of one line."""
    return [{"insert": text}, newline(**attributes)]


@pytest.mark.parametrize(
    ("text", "ops"),
    [
        ("# One\n", line("One", header=1)),
        ("One\n===\n", line("One", header=1)),
        ("soft\nbreak\n\nhard  \nbreak", [{"insert": "soft break\nhard\nbreak\n"}]),
        ("- a\n  1. b", line("a", list="bullet") + line("b", list="ordered", indent=1)),
        ("- [x] c\n- [ ]\n", [*line("c", list="checked"), newline(list="unchecked")]),
        ("> q\n> # h", line("q", blockquote=True) + line("h", header=1)),
        ("```js x\na\n  b\n```", line("a", code_block="js") + line("  b", code_block="js")),
        ("- a\n\n  more\n", [*line("a", list="bullet"), {"insert": "more\n"}]),
        ("| a | b |\n|---|---|\n| 1 | 2 |", [{"insert": "a | b\n1 | 2\n"}]),
        ("[r]\n\n[r]: /x", [{"insert": "r", "attributes": {"link": "/x"}}, {"insert": "\n"}]),
        ("a<script>alert(1)</script>", [{"insert": "a<script>alert(1)</script>\n"}]),
        ("---", [{"insert": {"divider": True}}, {"insert": "\n"}]),
        ("&copy; &lt;", [{"insert": "© <\n"}]),
    ],
)
def test_markdown_is_read_as_commonmark(text: str, ops: list[dict[str, Any]]) -> None:
    assert read(text, "markdown") == ops


@pytest.mark.parametrize(
    ("text", "ops"),
    [
        ("<h2>T</h2>\n<p> a\n  b </p>c", [*line("T", header=2), {"insert": "a b\nc\n"}]),
        ("<p>a<br>b<br></p><p><br></p><p></p>", [{"insert": "a\nb\n\n"}]),
        (
            "<ul><li>a<ol><li>b</li></ol></li></ul>",
            line("a", list="bullet") + line("b", list="ordered", indent=1),
        ),
        ('<ol><li data-list="bullet" class="ql-indent-1">q</li></ol>', line("q", list="bullet", indent=1)),
        ('<div class="ql-code-block">x  y</div>', line("x  y", code_block=True)),
        (
            '<pre><code class="language-c">a\n  b\n</code></pre>',
            line("a", code_block="c") + line("  b", code_block="c"),
        ),
        ('<ul><li><input type="checkbox" checked> done</li></ul>', line("done", list="checked")),
        (
            '<b style="font-weight:normal"><span style="font-weight:700">x</span>y</b>',
            [{"insert": "x", "attributes": {"bold": True}}, {"insert": "y\n"}],
        ),
        ('<p style="text-align: right">r</p>', line("r", align="right")),
        ("<table><tr><th>a</th><td>b</td></tr></table>", [{"insert": "a | b\n"}]),
        (
            "<b>bold <i>both</b> italic</i>",
            [
                {"insert": "bold ", "attributes": {"bold": True}},
                {"insert": "both", "attributes": {"bold": True, "italic": True}},
                {"insert": " italic", "attributes": {"italic": True}},
                {"insert": "\n"},
            ],
        ),
        ("<html><head><title>t</title><style>p{}</style></head><body>x</body></html>", [{"insert": "x\n"}]),
    ],
)
def test_html_is_read_as_a_browser_shows_it(text: str, ops: list[dict[str, Any]]) -> None:
    assert read(text, "html") == ops


_ATTACKS = [
    "<script>alert(1)</script>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href=' java\nscript:alert(1)'>x</a>",
    "<a href='&#x6A;avascript&colon;alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<img src=x onerror=alert(1)>",
    "<img src='javascript:alert(1)'>",
    "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
    "<svg><a xlink:href='javascript:alert(1)'>x</a></svg>",
    "<p style='background:url(javascript:alert(1))' onclick=alert(1)>x</p>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action='javascript:alert(1)'><button>x</button></form>",
]


@pytest.mark.parametrize("attack", _ATTACKS)
def test_nothing_that_runs_goes_through_html(attack: str) -> None:
    exported = export_document(import_document(attack.encode(), "html"), "html").decode().lower()
    for token in ("script", "onerror", "onload", "onclick", "data:", "url(", "<iframe", "<svg", "<form"):
        assert token not in exported


@pytest.mark.parametrize("form", ["html", "markdown"])
@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "JaVaScRiPt:x", "\x01javascript:x", "java\tscript:x", "x:y", 7]
)
def test_address_that_runs_is_not_written(form: str, address: object) -> None:
    """Whatever client put it into the document, where nothing is refused."""
    document = Delta.from_json([
        {"insert": "text", "attributes": {"link": address}},
        {"insert": {"image": address}},
        {"insert": '"><b onclick=x>', "attributes": {"code-block": '"><script>', "link": '"><script>'}},
        {"insert": "\n", "attributes": {"code-block": '"><script>', "header": "<b>", "list": "<x>", "align": '"x'}},
    ])  # fmt: skip
    exported = export_document(document, form).decode().lower()
    assert "script:" not in exported
    assert not re.search(r"(?<!\\)<(script|b )", exported)
    assert "text" in exported


def yjs(*edits: Any) -> bytes:
    doc: Doc[Any] = Doc()
    doc["content"] = text = Text()
    for edit in edits:
        edit(doc, text)
    return doc.get_update()


def test_yjs_text_is_found_under_its_name() -> None:
    doc: Doc[Any] = Doc()
    doc["quill"] = text = Text()
    text.insert(0, "a😀b", {"bold": True})
    body = doc.get_update()
    assert import_document(body, "yjs", root="quill") == Delta().insert("a😀b", {"bold": True})
    assert import_document(body, "yjs") == Delta()


def test_yjs_export_is_a_copy_with_ids_of_its_own() -> None:
    document = Delta().insert("hello\n", {"b": 1})
    exported = export_document(document, "yjs", "one")
    assert exported == export_document(document, "yjs", "one")
    both: Doc[Any] = Doc()
    both["content"] = text = Text()
    both.apply_update(exported)
    both.apply_update(export_document(document, "yjs", "two"))
    assert str(text) == "hello\nhello\n"


def _later_half() -> bytes:
    doc: Doc[Any] = Doc()
    doc["content"] = text = Text()
    text.insert(0, "one")
    state = doc.get_state()
    text.insert(3, "two")
    return doc.get_update(state)


_HOSTILE = {
    "yjs": [
        b"",
        b"\xff" * 40,
        b"not an update",
        _later_half(),
        yjs(lambda doc, text: text.insert_embed(0, Array(["x"]))),
        yjs(lambda doc, text: text.insert_embed(0, 7)),
    ],
    "delta": [
        b"",
        b"{",
        b"[" * 100_000,
        b'[{"retain": 1}]',
        b'[{"insert": "\\ud83d"}]',
        b'[{"insert": ""}]',
        b'{"ops": 1}',
        b'[{"insert": "\xff"}]',
        b'[{"insert": ' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}]",
    ],
    "text": [b"\xff", "\ud83d".encode("utf-8", "surrogatepass")],
    "markdown": [b"caf\xe9"],
    "html": [b"<p>\xed\xa0\xbd"],
}


@pytest.mark.parametrize(
    ("form", "body"),
    [
        pytest.param(form, body, id=f"{form}-{number}")
        for form, bodies in _HOSTILE.items()
        for number, body in enumerate(bodies)
    ],
)
def test_what_is_not_of_the_format_is_refused_with_a_code(form: str, body: bytes) -> None:
    with pytest.raises(CoeditError) as refusal:
        import_document(body, form)
    assert refusal.value.code in ("invalid-format", "invalid-delta", "lone-surrogate")
    assert refusal.value.definite


def test_update_is_cut_anywhere_and_refused() -> None:
    body = yjs(lambda doc, text: text.insert(0, "some text of a document", {"bold": True}))
    for size in range(len(body)):
        with pytest.raises(InvalidFormatError):
            import_document(body[:size], "yjs")


@pytest.mark.parametrize("form", ["markdown", "html"])
@pytest.mark.parametrize("opening", ["<div>", "> ", "- ", "**a", "[", "<b>", "![", "`", "\t- "])
def test_deep_nesting_ends_no_process(form: str, opening: str) -> None:
    assert import_document((opening * 3000).encode(), form).is_document


def test_mark_and_line_ends_of_other_systems_are_taken_off() -> None:
    assert import_document("\ufeffa\r\nb\rc".encode(), "text") == Delta().insert("a\nb\nc")


def test_html_can_be_shown_as_it_is() -> None:
    document = import_document(
        b"- [x] *done* <b>\n  1. [two](https://example.org/?a&b)\n\n```py\nx < 1\n```\n", "markdown"
    )
    assert export_document(document, "html").decode() == (
        "<ul>\n"
        '<li data-list="checked"><input type="checkbox" disabled checked><em>done</em> &lt;b&gt;<ol>\n'
        '<li><a href="https://example.org/?a&amp;b" rel="noopener noreferrer">two</a></li></ol>\n'
        "</li></ul>\n"
        '<pre><code class="language-py">x &lt; 1\n</code></pre>\n'
    )


def test_every_format_has_a_name_of_its_own_for_files() -> None:
    assert len({form.suffix for form in FORMATS.values()}) == len(FORMATS)
