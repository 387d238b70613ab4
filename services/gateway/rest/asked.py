"""What a request over plain HTTP says, read strictly: a query's numbers, a body's fields."""

from typing import Any

import orjson
from aiohttp import web

from coedit.errors import InvalidRequestError
from coedit.identifiers import author_id
from coedit.ot.past.retract import Selection
from coedit.protocol.moments import read_time
from services.gateway.rest.bodies import read_whole

_MAX_BODY_BYTES = 16 * 1024
_TEN_YEARS_SECONDS = 10 * 365 * 86400


async def read_fields(
    request: web.Request, seconds: float, most_bytes: int = _MAX_BODY_BYTES
) -> dict[str, Any]:
    """Return the fields of a JSON object.

    Raises:
        InvalidRequestError: the body is none.
        TooLargeError, SlowBodyError: see `read_whole`.
    """
    packed = await read_whole(request, most_bytes, seconds)
    try:
        body = orjson.loads(packed)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise InvalidRequestError("the body is not a JSON object")
    return body


def refuse_unknown_fields(body: dict[str, Any], *known: str) -> None:
    """Refuse what may be misspelt; ``author``, which is looked at only in open mode, may always be there."""
    unknown = sorted(body.keys() - {*known, "author"})
    if unknown:
        raise InvalidRequestError(f"unknown: {', '.join(unknown)}")


def text_of(body: dict[str, Any], name: str, *, default: str | None = None) -> str:
    """Return a text of the body; without a default it must be there."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name} is missing, or is not a text")
    return value


def integer_of(request: web.Request, name: str, default: int) -> int:
    """Return a number of the query."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise InvalidRequestError(f"{name}={text!r} is not a number")
    return int(text)


def seconds_of(request: web.Request, name: str, default: float) -> float:
    """Return a span of time of the query."""
    try:
        seconds = float(request.query.get(name, default))
    except ValueError as error:
        raise InvalidRequestError(f"{name} is not a number") from error
    if not 0 <= seconds <= _TEN_YEARS_SECONDS:
        raise InvalidRequestError(f"{name} is not from 0 to ten years")
    return seconds


def selection_of(body: dict[str, Any]) -> Selection:
    """Return which commits are meant: ``of`` an author, ``since`` and ``until`` a time."""
    since, until = (
        read_time(text_of(body, name)) if body.get(name) is not None else None for name in ("since", "until")
    )
    author = author_id(text_of(body, "of")) if body.get("of") is not None else None
    if author is None and since is None and until is None:
        raise InvalidRequestError("say whose edits (of), or of which time (since, until)")
    return Selection(author, since, until)
