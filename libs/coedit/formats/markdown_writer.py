"""A document as Markdown: CommonMark, with strikethrough and task lists as on GitHub."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby, pairwise

from coedit.formats.addresses import is_safe_image
from coedit.formats.lines import MISSING, Line, Run, lines_of
from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import Attributes

CARRIED = frozenset({"bold", "italic", "strike", "code", "link"})
_MARKS = (("bold", "**"), ("italic", "_"), ("strike", "~~"))
"""From the outside to the inside."""
_ESCAPED = frozenset("\\`*_[]<>&~")
_AT_START = re.compile(r"(\d{1,9})(?=[.)])|(?=[-+=#|:])")
"""What would begin another kind of block."""
_FENCE = re.compile(r"`{3,}")


def write_markdown(document: Delta) -> str:
    """Return Markdown in which each line that is not empty is a paragraph, or what else its attributes say."""
    blocks: list[str] = []
    for kind, group in groupby(lines_of(document, CARRIED), key=_kind):
        lines = list(group)
        match kind:
            case "code", language:
                blocks.append(_code(lines, str(language)))
            case "list":
                blocks.append("\n".join(_list(lines)))
            case "quote":
                quoted = [_inline(line.runs) for line in lines if line.runs]
                blocks.append("\n>\n".join(f"> {_at_start(text)}" for text in quoted))
            case _:
                blocks += [block for line in lines for block in _paragraphs(line)]
    return "".join(f"{block}\n\n" for block in blocks if block)[:-1]


def _kind(line: Line) -> object:
    if "code-block" in line.attributes:
        code = line.attributes["code-block"]
        return "code", code if isinstance(code, str) else ""
    if "list" in line.attributes:
        return "list"
    return "quote" if "blockquote" in line.attributes else "paragraph"


def _code(lines: list[Line], language: str) -> str:
    text = "".join(f"{line.text}\n" for line in lines)
    fence = max(["```", *(f"{found}`" for found in _FENCE.findall(text))], key=len)
    return f"{fence}{language}\n{text}{fence}"


def _paragraphs(line: Line) -> Iterator[str]:
    level = line.attributes.get("header")
    if level:
        inside = _inline(line.runs)
        inside = f"{inside[:-1]}\\#" if inside.endswith("#") else inside
        yield f"{'#' * int(str(level))} {inside}".rstrip()
        return
    for is_divider, runs in groupby(line.runs, key=_is_divider):
        yield "---" if is_divider else _at_start(_inline(tuple(runs)))


def _list(lines: list[Line]) -> Iterator[str]:
    """Yield items, each indented to where the text of the item above it begins."""
    columns: list[int] = []  # where the text of each open level begins
    numbers: list[int] = []  # how many items it has, if numbered; otherwise 0
    for line in lines:
        kind = line.attributes["list"]
        level = min(int(str(line.attributes.get("indent", 0))), len(columns))
        is_ordered = kind == "ordered"
        is_same = level < len(columns) and bool(numbers[level]) == is_ordered
        number = (numbers[level] + 1 if is_same else 1) if is_ordered else 0
        del columns[level:], numbers[level:]
        marker = f"{number}. " if is_ordered else "- "
        indent = columns[-1] if columns else 0
        columns.append(indent + len(marker))
        numbers.append(number)
        box = {"checked": "[x] ", "unchecked": "[ ] "}.get(str(kind), "")
        text = _inline(line.runs)
        inside = box + (text if box else _at_start(text))
        is_first = line is lines[0]
        if not is_first and (not inside or (level < len(columns) and not is_same)):
            yield ""  # otherwise it would go on with the paragraph above
        yield (" " * indent + marker + inside).rstrip()


def _at_start(text: str) -> str:
    return _AT_START.sub(lambda found: f"{found[0]}\\", text, count=1) if _AT_START.match(text) else text


class _Piece:
    """A part of a line: text as one string a character, or a delimiter, or something whole."""

    def __init__(self, kind: str, parts: list[str]) -> None:
        self.kind = kind
        self.parts = parts


def _inline(runs: tuple[Run, ...]) -> str:
    pieces: list[_Piece] = []
    stack: list[tuple[str, str]] = []
    for run in runs:
        wanted = _wanted(run.attributes)
        shared = 0
        while shared < min(len(stack), len(wanted)) and stack[shared] == wanted[shared]:
            shared += 1
        while len(stack) > shared:
            pieces.append(_closing(stack.pop()))
        for mark in wanted[shared:]:
            pieces.append(_Piece("whole", ["["]) if mark[0] == "link" else _Piece("open", [mark[1]]))
            stack.append(mark)
        pieces.append(_content(run))
    while stack:
        pieces.append(_closing(stack.pop()))
    _keep_outer_space(pieces)
    _keep_delimiters(pieces)
    for piece, after in pairwise(pieces):
        if piece.kind == "text" and piece.parts[-1] == "!" and after.parts[0].startswith("["):
            piece.parts[-1] = "\\!"
    return "".join(part for piece in pieces for part in piece.parts)


def _wanted(attributes: Attributes) -> list[tuple[str, str]]:
    link = [("link", str(attributes["link"]))] if "link" in attributes else []
    return link + [mark for mark in _MARKS if mark[0] in attributes]


def _closing(mark: tuple[str, str]) -> _Piece:
    name, value = mark
    return _Piece("whole", [f"]({_address(value)})"]) if name == "link" else _Piece("close", [value])


def _address(address: str) -> str:
    return "<" + re.sub(r"([<>\\&])", r"\\\1", address) + ">"


def _content(run: Run) -> _Piece:
    if isinstance(run.content, dict):
        return _embed(run)
    if "code" in run.attributes:
        return _Piece("whole", [_code_span(run.content)])
    return _Piece(
        "text", [f"\\{character}" if character in _ESCAPED else character for character in run.content]
    )


def _embed(run: Run) -> _Piece:
    embed = run.content
    if isinstance(embed, dict) and embed.keys() == {"image"} and is_safe_image(embed["image"]):
        alt = "".join(
            f"\\{character}"
            if character in _ESCAPED
            else _reference(character)
            if character.isspace()
            else character
            for character in str(run.attributes.get("alt", "")).replace("\n", " ")
        )
        return _Piece("whole", [f"![{alt}]({_address(str(embed['image']))})"])
    return _Piece("text", [MISSING])


def _code_span(text: str) -> str:
    fence = "`"
    while re.search(rf"(?<!`){fence}(?!`)", text):
        fence += "`"
    is_padded = text[0] == "`" or text[-1] == "`" or (text[0] == text[-1] == " " and text.strip(" "))
    padding = " " if is_padded else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _keep_outer_space(pieces: list[_Piece]) -> None:
    """Write as references the spaces at both ends, which are no part of a paragraph."""
    for piece, index in ((pieces[0], 0), (pieces[-1], -1)) if pieces else ():
        if piece.kind == "text":
            step = 1 if index == 0 else -1
            for place in range(len(piece.parts)):
                at = place if step == 1 else -1 - place
                if not piece.parts[at].isspace():
                    break
                piece.parts[at] = _reference(piece.parts[at])


def _keep_delimiters(pieces: list[_Piece]) -> None:
    """See that each delimiter opens or closes: write as references the characters beside it that prevent it.

    A delimiter needs something that is no space on its inner side; and on its outer side a space or punctuation, if
    there is punctuation on the inner one. An ``_`` needs it always.
    """
    for index, piece in enumerate(pieces):
        if piece.kind not in ("open", "close"):
            continue
        step = 1 if piece.kind == "open" else -1
        inner, outer = pieces[index + step], pieces[index - step] if 0 <= index - step < len(pieces) else None
        at_inner, at_outer = (0, -1) if piece.kind == "open" else (-1, 0)
        if inner.kind == "text" and inner.parts[at_inner].isspace():
            inner.parts[at_inner] = _reference(inner.parts[at_inner])
        if outer is None or outer.kind != "text":
            continue
        beside = inner.parts[at_inner][0 if piece.kind == "open" else -1]
        is_needed = piece.parts[0] == "_" or inner.kind != "text" or _is_like_punctuation(beside)
        if is_needed and len(outer.parts[at_outer]) == 1 and _is_like_a_letter(outer.parts[at_outer]):
            outer.parts[at_outer] = _reference(outer.parts[at_outer])


def _is_like_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


def _is_like_a_letter(character: str) -> bool:
    return (
        character != "\t"
        and unicodedata.category(character) != "Zs"
        and unicodedata.category(character)[0] != "P"
    )


def _reference(character: str) -> str:
    return f"&#{ord(character)};"


def _is_divider(run: Run) -> bool:
    return isinstance(run.content, dict) and bool(run.content.keys() & {"divider", "hr"})
