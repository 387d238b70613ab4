"""A document as lines, which is how other formats see it: what a line holds, and what kind of line it is.

Quill's convention: the attributes of a newline are those of its line. What leaves through a format that is made of
blocks (Markdown, HTML) passes through here: in code points, and with the attributes that are known alone.
"""

import re
from collections.abc import Iterable, Iterator, Set
from typing import Any, NamedTuple

from coedit.formats.addresses import is_safe_image, is_safe_link
from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import Attributes
from coedit.ot.parts.ops import Embed, Insert
from coedit.ot.parts.utf16 import from_units

DIVIDER: Embed = {"divider": True}
MISSING = "\ufffc"
"""Stands where an embed was that a format cannot carry."""
MAX_INDENT = 20
LISTS = ("bullet", "ordered", "checked", "unchecked")
ALIGNMENTS = ("center", "right", "justify")
INLINE = frozenset({"bold", "italic", "underline", "strike", "code", "link", "script"})
_LANGUAGE = re.compile(r"[\w+#.\-]{1,40}", re.ASCII)


class Run(NamedTuple):
    """A piece of a line with one formatting: text in code points, or an embed."""

    content: str | Embed
    attributes: Attributes


class Line(NamedTuple):
    """What stands before a newline, and the line's own attributes: at most one of ``header``, ``list``,
    ``blockquote`` and ``code-block``, and ``indent`` and ``align``.
    """

    runs: tuple[Run, ...]
    attributes: Attributes

    @property
    def text(self) -> str:
        """The characters alone."""
        return "".join(run.content if isinstance(run.content, str) else MISSING for run in self.runs)


def lines_of(document: Delta, inline: Set[str] = INLINE) -> Iterator[Line]:
    """Yield the lines of a document; what stands behind the last newline is a line as well.

    Of inline attributes only those in ``inline`` are left.
    """
    runs: list[Run] = []
    for op in document.ops:
        if type(op) is not Insert:
            continue
        attributes = op.attributes or {}
        kept = _inline(attributes, inline)
        if not isinstance(op.content, str):
            _add(runs, Run(op.content, kept | _of_image(op.content, attributes)))
            continue
        first, *others = from_units(op.content).split("\n")
        _add(runs, Run(first, kept))
        for text in others:
            yield Line(tuple(runs), _block(attributes))
            runs = []
            _add(runs, Run(text, kept))
    if runs:
        yield Line(tuple(runs), {})


def document_of(lines: Iterable[Line]) -> Delta:
    """Return the document of lines, each ended by its newline."""
    ops: list[Insert] = []
    for line in lines:
        ops += [Insert(run.content, run.attributes or None) for run in line.runs]
        ops.append(Insert("\n", line.attributes or None))
    return Delta(ops)


def is_language(value: object) -> bool:
    """Tell whether something is the name of a code block's language."""
    return isinstance(value, str) and _LANGUAGE.fullmatch(value) is not None


def _add(runs: list[Run], run: Run) -> None:
    """Add a run; what became alike, once attributes were left out, is one."""
    if not run.content:
        return
    last = runs[-1] if runs else None
    is_text = isinstance(run.content, str)
    if last and isinstance(last.content, str) and is_text and last.attributes == run.attributes:
        runs[-1] = Run(last.content + str(run.content), run.attributes)
    else:
        runs.append(run)


def _inline(attributes: Attributes, names: Set[str]) -> Attributes:
    kept: Attributes = {}
    for name in sorted(names & attributes.keys()):
        value = attributes[name]
        if name == "link":
            is_known = is_safe_link(value)
        elif name == "script":
            is_known = value in ("sub", "super")
        else:
            is_known = value is True
        if is_known:
            kept[name] = value
    return kept


def _of_image(embed: Embed, attributes: Attributes) -> Attributes:
    is_image = embed.keys() == {"image"} and is_safe_image(embed["image"])
    alt = attributes.get("alt")
    return {"alt": alt} if is_image and isinstance(alt, str) and alt else {}


def _block(attributes: Attributes) -> Attributes:
    """Return the attributes of a line that are known; of those that exclude one another, one."""
    kept: Attributes = {}
    level, code = attributes.get("header"), attributes.get("code-block")
    if code is True or is_language(code):
        kept["code-block"] = code
    elif attributes.get("list") in LISTS:
        kept["list"] = attributes["list"]
    elif type(level) is int and 1 <= level <= 6:
        kept["header"] = level
    elif attributes.get("blockquote") is True:
        kept["blockquote"] = True
    indent: Any = attributes.get("indent")
    if type(indent) is int and indent >= 1:
        kept["indent"] = min(indent, MAX_INDENT)
    if attributes.get("align") in ALIGNMENTS:
        kept["align"] = attributes["align"]
    return kept
