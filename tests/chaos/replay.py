"""A second, naive implementation of what a delta does to a document, so that the checker trusts no code of coedit's.

A document is a list of cells, one a UTF-16 code unit or embed, each with its attributes.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

Cell = tuple[Any, dict[str, Any]]
Json = list[dict[str, Any]]


class ReplayError(Exception):
    """A delta does not fit the document."""


def apply_delta(cells: list[Cell], delta: Json) -> None:
    """Apply a delta, as JSON, to ``cells`` in place.

    Raises:
        ReplayError: it reaches behind the end.
    """
    at = 0
    for op in delta:
        if "insert" in op:
            new = _cells(op)
            cells[at:at] = new
            at += len(new)
            continue
        length = int(op.get("delete") or op.get("retain") or 0)
        if at + length > len(cells):
            raise ReplayError(f"{op} at {at} of {len(cells)}")
        if "delete" in op:
            del cells[at : at + length]
            continue
        if "attributes" in op:
            cells[at : at + length] = [_formatted(cell, op["attributes"]) for cell in cells[at : at + length]]
        at += length


def cells_of(content: Json) -> list[Cell]:
    """Return the cells of a document, as JSON of inserts."""
    return [cell for op in content for cell in _cells(op)]


def normal(cells: Iterable[Cell]) -> Json:
    """Return cells as inserts, neighbours of one formatting joined: equal exactly for equal documents."""
    runs: Json = []
    for (is_text, attributes), run in groupby(cells, lambda cell: (isinstance(cell[0], str), cell[1])):
        contents = [content for content, _ in run]
        joined = ["".join(contents)] if is_text else contents
        runs += [{"insert": content, "attributes": attributes} for content in joined]
    return runs


def text_of(cells: Iterable[Cell]) -> str:
    """Return the characters of a document, without embeds."""
    units = "".join(content for content, _ in cells if isinstance(content, str))
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def inserted_text(delta: Json) -> str:
    """Return the characters that a delta inserts."""
    return "".join(op["insert"] for op in delta if isinstance(op.get("insert"), str))


def _cells(op: dict[str, Any]) -> list[Cell]:
    attributes = op.get("attributes") or {}
    content = op["insert"]
    if not isinstance(content, str):
        return [(content, attributes)]
    packed = content.encode("utf-16-le", "surrogatepass")
    units = [packed[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(packed), 2)]
    return [(unit, attributes) for unit in units]


def _formatted(cell: Cell, changes: dict[str, Any]) -> Cell:
    content, attributes = cell
    merged = {**attributes, **changes}
    return content, {name: value for name, value in merged.items() if value is not None}
