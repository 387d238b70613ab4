"""Random edits that any client can make: a kind of edit, and a place as a fraction of the way through the text.

The place is looked up where the edit is made, so that nothing can come in between. A wish is a map: ``kind`` (insert,
delete or format), ``at`` (0 to 1), ``length`` (UTF-16 units), ``content`` (text or embed) and ``attributes``.
"""

import random
from typing import Any

from coedit.client import Document
from coedit.ot import Delta, Insert

Wish = dict[str, Any]

_TEXTS = [
    *("a", "bc ", "word", "\n", "é", "漢字", "かな", "e\u0301", "\U00020000"),
    *("😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "x😀y", "🇩🇪"),
]
_HALVES = ["\ud83d", "\ude00"]
"""What only a client in JavaScript can type."""
_EMBEDS: list[dict[str, Any]] = [
    {"image": "a 😀.png"},
    {"mention": {"id": 7, "name": "Zoë 😀", "tags": ["a", None, True, 1.5]}},
    {"formula": "e=mc²"},
]
_ATTRIBUTES: list[dict[str, Any]] = [
    {"bold": True},
    {"italic": True, "color": "#b45309"},
    {"link": {"href": "😀", "rel": ["x"]}},
    {"size": 2},
    {"header": 1},
]
_FORMATS: list[dict[str, Any]] = [
    *_ATTRIBUTES,
    {"bold": None},
    {"italic": None, "bold": True},
    {"size": None, "header": None},
]


def wishes(seed: int, count: int) -> list[Wish]:
    """Return random edits."""
    rng = random.Random(seed)
    return [random_wish(rng) for _ in range(count)]


def random_wish(rng: random.Random) -> Wish:
    """Return a random edit: mostly an insert, of text or an embed, formatted or not."""
    kind = rng.choices(["insert", "embed", "delete", "format"], [6, 1, 2, 3])[0]
    at = rng.random()
    if kind == "delete":
        return {"kind": "delete", "at": at, "length": rng.randint(1, 6)}
    if kind == "format":
        return {"kind": "format", "at": at, "length": rng.randint(1, 8), "attributes": rng.choice(_FORMATS)}
    content = rng.choice(_EMBEDS if kind == "embed" else _TEXTS)
    attributes = rng.choice(_ATTRIBUTES) if rng.random() < 0.4 else None
    return {"kind": "insert", "at": at, "content": content} | (
        {"attributes": attributes} if attributes else {}
    )


def random_cut(rng: random.Random) -> Wish:
    """Return a random edit that may begin and end inside a character: mostly near emoji, and of few units."""
    wish = random_wish(rng) | {"cuts": True}
    if wish["kind"] == "delete":
        return wish | {"length": rng.randint(1, 3)}
    if wish["kind"] == "format":
        # One that was never set: a mark that changes nothing is not written, and leaves a cut that nobody hears of.
        return wish | {"length": rng.randint(1, 5), "attributes": {"mark": rng.randrange(2**31)}}
    if isinstance(wish["content"], str) and rng.random() < 0.7:
        return wish | {"content": rng.choice(["😀", "x😀y", "👍🏽", "🇩🇪", *_HALVES])}
    return wish


async def edit_somewhere(document: Document, wanted: Wish) -> None:
    """Make the edit in an OT client."""
    units = _units(document.content)
    start = off_pairs(units, int(wanted["at"] * (len(units) + 1)))
    length = off_pairs(units, min(len(units), start + wanted.get("length", 0))) - start
    if wanted["kind"] == "insert":
        await document.insert(start, wanted["content"], wanted.get("attributes"))
    elif wanted["kind"] == "delete" and length > 0:
        await document.delete(start, length)
    elif wanted["kind"] == "format" and length > 0:
        await document.format(start, length, wanted["attributes"])


def off_pairs(units: str, position: int) -> int:
    """Return ``position``, or the one before it where it lies inside a surrogate pair."""
    is_inside = 0 < position < len(units) and "\udc00" <= units[position] <= "\udfff"
    return position - 1 if is_inside else position


def _units(content: Delta) -> str:
    ops = [op for op in content.ops if isinstance(op, Insert)]
    return "".join(op.content if isinstance(op.content, str) else "\ufffc" for op in ops)
