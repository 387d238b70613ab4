"""A document as HTML that stands for itself: lists are lists, and nothing in it runs.

Every character of the document is escaped, every attribute is one of a closed set, and addresses are looked at
(`coedit.formats.addresses`): so the result is safe whatever the document holds.
"""

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby

from coedit.formats.addresses import is_safe_image
from coedit.formats.lines import MISSING, Line, Run, lines_of
from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import Attributes

_TAGS = (("code", "code"), ("strike", "s"), ("underline", "u"), ("italic", "em"), ("bold", "strong"))
"""From the inside to the outside."""
_NEEDS_WHITE_SPACE = re.compile(r"^[ ]|[ ]$|[ ]{2}|[\t\f\v]")
"""What a browser would not show as it is."""


def write_html(document: Delta) -> str:
    """Return a fragment of HTML, one element a line; no page around it."""
    return "".join(_blocks(list(lines_of(document))))


def _blocks(lines: list[Line]) -> Iterator[str]:
    for kind, group in groupby(lines, key=_kind):
        match kind:
            case "list":
                yield from _list(list(group))
            case "code", language:
                yield _code(list(group), str(language))
            case _:
                yield from (part for line in group for part in _paragraph(line))


def _kind(line: Line) -> object:
    if "code-block" in line.attributes:
        code = line.attributes["code-block"]
        return "code", code if isinstance(code, str) else ""
    return "list" if "list" in line.attributes else "paragraph"


def _code(lines: list[Line], language: str) -> str:
    named = f' class="language-{escape(language)}"' if language else ""
    text = "".join(f"{escape(line.text, quote=False)}\n" for line in lines)
    return f"<pre><code{named}>{text}</code></pre>\n"


def _paragraph(line: Line) -> Iterator[str]:
    level = line.attributes.get("header")
    tag = f"h{level}" if level else "blockquote" if "blockquote" in line.attributes else "p"
    runs: list[Run] = []
    for run in line.runs:
        if _is_divider(run):
            if runs:
                yield _element(tag, tuple(runs), line.attributes)
            yield "<hr>\n"
            runs = []
        else:
            runs.append(run)
    if runs or not line.runs:
        yield _element(tag, tuple(runs), line.attributes)


def _element(tag: str, runs: tuple[Run, ...], attributes: Attributes) -> str:
    return f"<{tag}{_looks(runs, attributes)}>{_inside(runs)}</{tag}>\n"


def _list(lines: list[Line]) -> Iterator[str]:
    """Yield nested lists; a level that has no item of its own is a list in a list."""
    open_tags: list[tuple[str, bool]] = []  # of each level its tag, and whether an item of it is open
    aligned: list[bool] = []  # of each level, whether its item has an alignment, which would be inherited
    for line in lines:
        kind, indent = line.attributes["list"], line.attributes.get("indent", 0)
        tag, level = ("ol" if kind == "ordered" else "ul"), int(str(indent)) + 1
        while len(open_tags) > level or (len(open_tags) == level and open_tags[-1][0] != tag):
            yield _closed(open_tags.pop())
        if len(open_tags) == level and open_tags[-1][1]:
            yield "</li>\n"
            open_tags.pop()
            open_tags.append((tag, False))
        while len(open_tags) < level:
            yield f"<{tag}>\n"
            open_tags.append((tag, False))
        open_tags[-1] = (tag, True)
        aligned = [*aligned[: level - 1], *[False] * (level - 1 - len(aligned)), "align" in line.attributes]
        yield _item(line, str(kind), is_aligned=any(aligned[: level - 1]))
    while open_tags:
        yield _closed(open_tags.pop())


def _closed(level: tuple[str, bool]) -> str:
    tag, has_item = level
    return f"{'</li>' if has_item else ''}</{tag}>\n"


def _item(line: Line, kind: str, *, is_aligned: bool) -> str:
    """Return an item, without its end: what it looks like must not be inherited by items below it."""
    looks, box, inside = "", "", _inside(line.runs)
    if "align" in line.attributes or is_aligned:
        looks = f' style="text-align:{line.attributes.get("align", "start")}"'
    if _NEEDS_WHITE_SPACE.search(line.text):
        inside = f'<span style="white-space:pre-wrap">{inside}</span>'
    if kind in ("checked", "unchecked"):
        looks += f' data-list="{kind}"'
        box = f'<input type="checkbox" disabled{" checked" if kind == "checked" else ""}>'
    return f"<li{looks}>{box}{inside}"


def _looks(runs: tuple[Run, ...], attributes: Attributes) -> str:
    styles: list[str] = []
    if "align" in attributes:
        styles.append(f"text-align:{attributes['align']}")
    if "indent" in attributes:
        styles.append(f"padding-left:{3 * int(str(attributes['indent']))}em")
    if _NEEDS_WHITE_SPACE.search(Line(runs, {}).text):
        styles.append("white-space:pre-wrap")
    named = f' class="ql-indent-{attributes["indent"]}"' if "indent" in attributes else ""
    return named + (f' style="{";".join(styles)}"' if styles else "")


def _inside(runs: tuple[Run, ...]) -> str:
    return "".join(map(_run, runs)) or "<br>"


def _run(run: Run) -> str:
    inside = escape(run.content, quote=False) if isinstance(run.content, str) else _embed(run)
    for name, tag in _TAGS:
        if name in run.attributes:
            inside = f"<{tag}>{inside}</{tag}>"
    if "script" in run.attributes:
        tag = "sub" if run.attributes["script"] == "sub" else "sup"
        inside = f"<{tag}>{inside}</{tag}>"
    if "link" in run.attributes:
        address = escape(str(run.attributes["link"]))
        inside = f'<a href="{address}" rel="noopener noreferrer">{inside}</a>'
    return inside


def _embed(run: Run) -> str:
    if (
        isinstance(run.content, dict)
        and run.content.keys() == {"image"}
        and is_safe_image(run.content["image"])
    ):
        alt = escape(str(run.attributes.get("alt", "")))
        return f'<img src="{escape(str(run.content["image"]))}" alt="{alt}">'
    return MISSING


def _is_divider(run: Run) -> bool:
    return isinstance(run.content, dict) and bool(run.content.keys() & {"divider", "hr"})
