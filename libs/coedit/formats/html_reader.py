"""HTML, as others write it, as a document.

A sanitiser with the parser of a browser engine (nh3, on html5ever) makes of anything a balanced tree of the elements
that are known here, without scripts, styles, and addresses that run; so what is left is read in one pass, however deep
it nests.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import nh3

from coedit.formats.addresses import is_safe_image, is_safe_link
from coedit.formats.lines import ALIGNMENTS, DIVIDER, LISTS, MAX_INDENT, Line, Run, document_of, is_language
from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import Attributes

_MARKS: dict[str, Attributes] = {
    "b": {"bold": True},
    "strong": {"bold": True},
    "i": {"italic": True},
    "em": {"italic": True},
    "u": {"underline": True},
    "ins": {"underline": True},
    "s": {"strike": True},
    "del": {"strike": True},
    "strike": {"strike": True},
    "code": {"code": True},
    "kbd": {"code": True},
    "samp": {"code": True},
    "tt": {"code": True},
    "sub": {"script": "sub"},
    "sup": {"script": "super"},
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = {
    *(
        "address",
        "article",
        "aside",
        "blockquote",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
    ),
    *(
        "footer",
        "form",
        "header",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
    ),
    *("tfoot", "thead", "tr", "ul", "caption", "fieldset", "legend", "hgroup"),
    *_HEADINGS,
}
_VOID = {"br", "hr", "img", "input"}
_TAGS = {*_BLOCKS, *_VOID, *_MARKS, "a", "span", "td", "th"}
_NOT_TEXT = {
    *(
        "script",
        "style",
        "title",
        "template",
        "noscript",
        "iframe",
        "object",
        "textarea",
        "select",
        "svg",
        "math",
    ),
    *("audio", "video", "canvas", "noembed", "noframes", "head"),
}
"""What these hold is not the document's text, and is left out with them."""
_ATTRIBUTES = {
    "*": {"class", "style"},
    "a": {"href"},
    "img": {"src", "alt"},
    "input": {"type", "checked"},
    "li": {"data-list", "data-checked"},
    "ul": {"data-checked"},
    "div": {"data-language"},
    "pre": {"data-language"},
}
_STYLE = re.compile(r"([a-z-]+)\s*:\s*([^;]+)", re.IGNORECASE)
_SPACE = re.compile(r"([ \t\n\f\r]+)")
_CLASS_INDENT = re.compile(r"ql-indent-(\d{1,2})")
_CLASS_ALIGN = re.compile(r"ql-align-(\w+)")
_CLASS_LANGUAGE = re.compile(r"(?:language|lang)-(\S+)")


def read_html(text: str) -> Delta:
    """Return the document that a page or a part of one shows, and no more than that.

    Known are semantic elements, what Quill writes of its own, and the styles in which word processors put formatting.
    """
    clean = nh3.clean(
        text,
        tags=_TAGS,
        clean_content_tags=_NOT_TEXT,
        attributes=_ATTRIBUTES,
        link_rel=None,
        url_schemes={"http", "https", "mailto", "tel", "sms", "ftp", "data"},
    )
    reader = _Reader()
    reader.feed(clean)
    reader.close()
    reader.flush()
    return document_of(reader.lines)


@dataclass(slots=True)
class _Element:
    """An open element, and what is so inside of it."""

    tag: str
    marks: Attributes
    is_preserved: bool
    align: str | None
    indent: int
    list_depth: int
    kind: Attributes = field(default_factory=dict)
    """What kind of line it makes: at most one attribute."""
    item: "_Item | None" = None


@dataclass(slots=True)
class _Item:
    """A list item, whose first line alone has its mark."""

    kind: str
    indent: int
    is_told: bool = False


_NOTHING = _Element("", {}, is_preserved=False, align=None, indent=0, list_depth=0)


class _Reader(HTMLParser):
    """Walks through clean HTML; the line that is being read lies open in ``_runs``."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[Line] = []
        self._open: list[_Element] = [_NOTHING]
        self._runs: list[Run] = []
        self._space: Attributes | None = None
        """The formatting of a space that shows only if something follows it in its line."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element, or take in one that holds nothing."""
        attributes = {name: value or "" for name, value in attrs}
        if tag in _VOID:
            self._take_void(tag, attributes)
            return
        if tag in _BLOCKS:
            self.flush()
        if tag in ("td", "th") and self._runs:
            self._put(" | ", {}, is_preserved=True)
        self._open.append(_opened(self._open[-1], tag, attributes))

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        if len(self._open) == 1 or self._open[-1].tag != tag:
            return  # a void one
        if tag in _BLOCKS:
            self.flush()
        if tag == "li" and (item := self._open[-1].item) and not item.is_told:
            self._end_line()
        self._open.pop()

    def handle_data(self, data: str) -> None:
        """Take in text."""
        inside = self._open[-1]
        if inside.is_preserved:
            first, *others = data.split("\n")
            self._put(first, inside.marks, is_preserved=True)
            for text in others:
                self._end_line()
                self._put(text, inside.marks, is_preserved=True)
            return
        for part in _SPACE.split(data):
            if _SPACE.fullmatch(part):
                self._space = inside.marks if self._space is None else self._space
            else:
                self._put(part, inside.marks, is_preserved=False)

    def flush(self) -> None:
        """End the line that is open, if there is anything in it."""
        if self._runs:
            self._end_line()
        self._space = None

    def _take_void(self, tag: str, attributes: dict[str, str]) -> None:
        inside = self._open[-1]
        if tag == "br":
            self._end_line()
        elif tag == "hr":
            self.flush()
            self.lines.append(Line((Run(DIVIDER, {}),), {}))
        elif tag == "img" and is_safe_image(attributes.get("src")):
            alt: Attributes = {"alt": attributes["alt"]} if attributes.get("alt") else {}
            self._put({"image": attributes["src"]}, inside.marks | alt, is_preserved=False)
        elif tag == "input" and attributes.get("type", "").lower() == "checkbox" and inside.item:
            inside.item.kind = "checked" if "checked" in attributes else "unchecked"

    def _put(self, content: str | dict[str, Any], marks: Attributes, *, is_preserved: bool) -> None:
        if not content:
            return
        if self._space is not None and self._runs and not is_preserved:
            self._runs.append(Run(" ", self._space))
        self._space = None
        self._runs.append(Run(content, marks))

    def _end_line(self) -> None:
        inside = self._open[-1]
        attributes, item = dict(inside.kind), inside.item
        indent = inside.indent
        if item and not item.is_told:
            item.is_told = True
            if not attributes:
                attributes, indent = {"list": item.kind}, item.indent
        if indent:
            attributes["indent"] = min(indent, MAX_INDENT)
        if inside.align:
            attributes["align"] = inside.align
        is_code = "code-block" in attributes
        runs = [Run(run.content, {}) if is_code else run for run in self._runs]
        self.lines.append(Line(tuple(runs), attributes))
        self._runs = []
        self._space = None


def _opened(around: _Element, tag: str, attributes: dict[str, str]) -> _Element:
    classes, styles = attributes.get("class", ""), _styles(attributes.get("style", ""))
    element = _Element(
        tag,
        around.marks | _marks(tag, attributes, styles),
        around.is_preserved,
        around.align,
        around.indent,
        around.list_depth + (tag in ("ul", "ol")),
        around.kind,
        around.item,
    )
    for name in ("font-weight:normal", "font-style:normal"):
        _take_off(element, name, styles)
    white_space = styles.get("white-space", "")
    if white_space:
        element.is_preserved = white_space in ("pre", "pre-wrap", "break-spaces")
    align = styles.get("text-align") or next(iter(_CLASS_ALIGN.findall(classes)), "")
    if align:
        element.align = align if align in ALIGNMENTS else None
    indents = _CLASS_INDENT.findall(classes)
    if indents:
        element.indent = int(indents[0])
    _take_kind(element, around, attributes)
    return element


def _take_kind(element: _Element, around: _Element, attributes: dict[str, str]) -> None:
    tag = element.tag
    if tag == "pre" or "ql-code-block" in attributes.get("class", "").split():
        element.is_preserved = True
        element.kind = {"code-block": _language(attributes) or True}
    elif tag == "code" and "code-block" in element.kind:
        element.marks = around.marks
        element.kind = {"code-block": _language(attributes) or element.kind["code-block"]}
    elif tag in _HEADINGS:
        element.kind = {"header": _HEADINGS[tag]}
    elif tag == "blockquote":
        element.kind = {"blockquote": True}
    elif tag in ("ul", "ol"):
        element.item = None
        element.kind = {} if "code-block" not in around.kind else around.kind
    elif tag == "li":
        kind = attributes.get("data-list", "")
        if kind not in LISTS:
            kind = "ordered" if around.tag == "ol" else "bullet"
        element.item = _Item(kind, max(0, element.list_depth - 1) + element.indent)
        element.indent = 0


def _language(attributes: dict[str, str]) -> str:
    named = [attributes.get("data-language", ""), *_CLASS_LANGUAGE.findall(attributes.get("class", ""))]
    return next(filter(is_language, named), "")


def _marks(tag: str, attributes: dict[str, str], styles: dict[str, str]) -> Attributes:
    marks = dict(_MARKS.get(tag, {}))
    if tag == "a" and is_safe_link(attributes.get("href")):
        marks["link"] = attributes["href"]
    weight = styles.get("font-weight", "")
    if weight in ("bold", "bolder") or (weight.isascii() and weight.isdigit() and int(weight[:4]) >= 600):
        marks["bold"] = True
    if styles.get("font-style") in ("italic", "oblique"):
        marks["italic"] = True
    decoration = f"{styles.get('text-decoration', '')} {styles.get('text-decoration-line', '')}".split()
    if "underline" in decoration and tag != "a":
        marks["underline"] = True
    if "line-through" in decoration:
        marks["strike"] = True
    return marks


def _take_off(element: _Element, rule: str, styles: dict[str, str]) -> None:
    """Word processors wrap what is not bold in a ``<b>`` that says so."""
    name, _, value = rule.partition(":")
    mark = "bold" if name == "font-weight" else "italic"
    if styles.get(name) in (value, "400") and mark in element.marks:
        element.marks = {kept: on for kept, on in element.marks.items() if kept != mark}


def _styles(style: str) -> dict[str, str]:
    return {name.lower(): value.strip().lower() for name, value in _STYLE.findall(style)}
