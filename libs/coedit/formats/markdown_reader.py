"""Markdown as a document: CommonMark, with strikethrough, tables and task lists as on GitHub. HTML in it is text."""

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from coedit.formats.addresses import is_safe_image, is_safe_link
from coedit.formats.lines import DIVIDER, MAX_INDENT, Line, Run, document_of, is_language
from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import Attributes
from coedit.ot.parts.ops import Embed

_MARKS = {"strong": "bold", "em": "italic", "s": "strike"}
_BOXES = {"[ ]": "unchecked", "[x]": "checked", "[X]": "checked"}


class _Parser(MarkdownIt):
    """CommonMark with addresses as they were written, and without those that run something."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "maxNesting": 50})
        self.enable(["strikethrough", "table"])

    def normalizeLink(self, url: str) -> str:  # noqa: N802
        """Return the address as it is; how it is encoded is the browser's business."""
        return url

    def validateLink(self, url: str) -> bool:  # noqa: N802
        """Tell whether it may stand in a document; what may not stays text."""
        return is_safe_link(url) or is_safe_image(url)


def read_markdown(text: str) -> Delta:
    """Return the document of Markdown: a paragraph is a line, a line that is broken hard is two."""
    reader = _Reader()
    for token in _Parser().parse(text):
        reader.take(token)
    return document_of(reader.lines)


class _Item:
    """A list item; its first line alone has its mark."""

    def __init__(self, kind: str, indent: int) -> None:
        self.kind = kind
        self.indent = indent
        self.is_told = False


class _Reader:
    """Takes in the blocks one by one."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._around: list[Attributes] = []
        """What kind of lines the open blocks make, the innermost last."""
        self._items: list[_Item] = []
        self._lists: list[str] = []
        self._cells: list[Run] | None = None

    def take(self, token: Token) -> None:
        """Take in one token."""
        match token.type:
            case "heading_open":
                self._around.append({"header": int(token.tag[1:])})
            case "blockquote_open":
                self._around.append({"blockquote": True})
            case "heading_close" | "blockquote_close":
                self._around.pop()
            case "fence" | "code_block":
                self._take_code(token)
            case "hr":
                self._end_line((Run(DIVIDER, {}),), {})
            case "inline":
                self._take_inline(token)
            case _:
                self._take_list(token)
                self._take_table(token)

    def _take_list(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                self._tell_item()
                self._lists.append("ordered" if token.type.startswith("ordered") else "bullet")
                self._around.append({})
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
                self._around.pop()
            case "list_item_open":
                self._items.append(_Item(self._lists[-1], len(self._lists) - 1))
            case "list_item_close":
                self._tell_item()
                self._items.pop()

    def _take_table(self, token: Token) -> None:
        if token.type == "tr_open":
            self._cells = []
        elif token.type == "tr_close" and self._cells is not None:
            self._end_line(tuple(self._cells), self._kind())
            self._cells = None

    def _take_code(self, token: Token) -> None:
        language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
        kind: Attributes = {"code-block": language if is_language(language) else True}
        for text in token.content.removesuffix("\n").split("\n"):
            self._end_line((Run(text, {}),) if text else (), kind)

    def _take_inline(self, token: Token) -> None:
        children = token.children or []
        item = self._items[-1] if self._items else None
        has_box = False
        if item and not item.is_told and item.kind == "bullet" and token.content[:3] in _BOXES:
            has_box = token.content[3:4] in ("", " ") and children[0].content.startswith(token.content[:3])
        if item and has_box:
            item.kind = _BOXES[token.content[:3]]
        lines = _lines(children, len(token.content[:4]) if has_box else 0)
        if self._cells is not None:
            self._cells += ([Run(" | ", {})] if self._cells else []) + _joined(lines)
        elif item or "header" in self._kind():
            self._end_line(tuple(_joined(lines)), self._kind())
        else:
            for line in lines:
                self._end_line(tuple(line), self._kind())

    def _kind(self) -> Attributes:
        return self._around[-1] if self._around else {}

    def _tell_item(self) -> None:
        if self._items and not self._items[-1].is_told:
            self._end_line((), {})

    def _end_line(self, runs: tuple[Run, ...], kind: Attributes) -> None:
        attributes = dict(kind)
        item = self._items[-1] if self._items else None
        if item and not item.is_told:
            item.is_told = True
            if not kind:
                attributes = {"list": item.kind}
                if item.indent:
                    attributes["indent"] = min(item.indent, MAX_INDENT)
        self.lines.append(Line(runs, attributes))


def _joined(lines: list[list[Run]]) -> list[Run]:
    """Return as one line what may not be several."""
    return [run for index, line in enumerate(lines) for run in [*([Run(" ", {})] if index else []), *line]]


def _lines(children: Sequence[Token], skipped: int) -> list[list[Run]]:
    """Return the runs of a paragraph, by lines, without its first ``skipped`` characters."""
    lines: list[list[Run]] = [[]]
    marks: Attributes = {}
    for child in children:
        name = child.type.removesuffix("_open").removesuffix("_close")
        if child.type == "hardbreak":
            lines.append([])
        elif child.type == "softbreak":
            lines[-1].append(Run(" ", marks))
        elif child.type == "link_open":
            marks = (
                marks | {"link": str(child.attrGet("href"))} if is_safe_link(child.attrGet("href")) else marks
            )
        elif child.nesting == 1:
            marks = marks | {_MARKS[name]: True}
        elif child.nesting == -1:
            marks = {kept: on for kept, on in marks.items() if kept != _MARKS.get(name, name)}
        else:
            content, own = _leaf(child)
            content, skipped = (content[skipped:], 0) if isinstance(content, str) else (content, skipped)
            lines[-1] += [Run(content, marks | own)] if content else []
    return lines


def _leaf(child: Token) -> tuple[str | Embed, Attributes]:
    if child.type == "code_inline":
        return child.content, {"code": True}
    if child.type == "image":
        alt = "".join(part.content for part in child.children or [])
        source = str(child.attrGet("src"))
        return ({"image": source}, {"alt": alt} if alt else {}) if is_safe_image(source) else (alt, {})
    return child.content, {}
