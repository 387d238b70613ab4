"""Who and where somebody is, as the awareness states of the usual editor bindings say it.

y-codemirror.next and y-quill write ``user: {name, color}`` and ``cursor: {anchor, head}``, both ends as relative
positions: beside an item of the text, or at one of its ends. Whatever else a state holds is for Yjs clients alone.

Source: the npm packages yjs (``RelativePosition.js``), y-codemirror.next and y-quill.
"""

from typing import Any, NamedTuple

import orjson

from coedit.errors import InvalidUpdateError
from coedit.identifiers import MAX_SAFE_INTEGER
from coedit.presence.roster import COLOUR, MAX_SHOWN_NAME
from coedit.protocol.yjs.update import Id

_NO_COLOUR = "#6b7280"
"""Bindings draw a caret in a colour, whatever it is."""


class RelativePosition(NamedTuple):
    """In front of ``item``, or behind it; without an item the end of the text, or its start."""

    item: Id | None
    is_behind: bool = False
    """That what is said is what is to the left: the item's right side, or the start of the text."""


class Person(NamedTuple):
    """What a state says of somebody, as far as OT clients show it."""

    name: str
    colour: str
    """``#rrggbb``; empty: none."""
    cursor: tuple[RelativePosition, RelativePosition] | None
    """Anchor and head, in the text that is the document."""


def read_person(state: str, root: str) -> Person:
    """Return what a state, which is JSON, says of somebody in the text ``root``; what it does not say is empty."""
    said = orjson.loads(state)
    user = said.get("user") if isinstance(said, dict) else None
    user = user if isinstance(user, dict) else {}
    name, colour = user.get("name"), user.get("color")
    return Person(
        name[:MAX_SHOWN_NAME] if isinstance(name, str) else "",
        colour if isinstance(colour, str) and COLOUR.fullmatch(colour) else "",
        _cursor(said.get("cursor"), root) if isinstance(said, dict) else None,
    )


def vouched(state: str, name: str, colour: str, avatar: str) -> str:
    """Return a state in which somebody is shown as is known from elsewhere; what is empty stays as the state has it.

    Raises:
        InvalidUpdateError: the state is not JSON, or deeper than can be written.
    """
    try:
        said = orjson.loads(state)
        if not isinstance(said, dict):
            return state
        known = {"name": name, "color": colour, "avatar": avatar}
        known = {key: value for key, value in known.items() if value}
        user = said.get("user")
        # Some bindings say it of the state itself.
        beside = {key: value for key, value in known.items() if key in said}
        shown = (user if isinstance(user, dict) else {}) | known
        return orjson.dumps(said | beside | {"user": shown}).decode()
    except (ValueError, TypeError) as error:
        raise InvalidUpdateError("an awareness state cannot be read, or written") from error


def write_person(
    name: str, colour: str, cursor: tuple[Id | None, Id | None] | None, root: str, avatar: str = ""
) -> str:
    """Return the state of somebody in the text ``root``; ``cursor`` has ends in front of items, or at the end."""
    user = {"name": name, "color": colour or _NO_COLOUR}
    state: dict[str, Any] = {"user": user | {"avatar": avatar} if avatar else user}
    if cursor is not None:
        anchor, head = cursor
        state["cursor"] = {"anchor": _written(anchor, root), "head": _written(head, root)}
    return orjson.dumps(state).decode()


def _cursor(value: Any, root: str) -> tuple[RelativePosition, RelativePosition] | None:
    if not isinstance(value, dict):
        return None
    anchor, head = _position(value.get("anchor"), root), _position(value.get("head"), root)
    return None if anchor is None or head is None else (anchor, head)


def _position(value: Any, root: str) -> RelativePosition | None:
    if not isinstance(value, dict):
        return None
    assoc = value.get("assoc")
    is_behind = isinstance(assoc, int | float) and assoc < 0
    item = value.get("item")
    if item is None:
        return RelativePosition(None, is_behind) if value.get("tname") == root else None
    if isinstance(item, dict) and _is_count(item.get("client")) and _is_count(item.get("clock")):
        return RelativePosition(Id(item["client"], item["clock"]), is_behind)
    return None


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_SAFE_INTEGER


def _written(item: Id | None, root: str) -> dict[str, Any]:
    place = None if item is None else {"client": item.client, "clock": item.clock}
    return {"type": None, "tname": root, "item": place, "assoc": 0}
