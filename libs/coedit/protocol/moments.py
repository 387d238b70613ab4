"""How people and programs name a moment of a document: the same words over HTTP and in a shell.

``head``; a revision, ``17``; a time, ``@2026-11-25T09:30Z`` or ``@1763900000000`` (ms since 1970), which is the newest
revision at or before it; a version, ``version:NAME``.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from coedit.errors import InvalidRequestError
from coedit.identifiers import MAX_SAFE_INTEGER, Revision, VersionName, version_name

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest revision."""


@dataclass(frozen=True, slots=True)
class AtRevision:
    """A revision."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class AtTime:
    """The newest revision at or before a time."""

    at: int
    """Milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class AtVersion:
    """What a version stands for."""

    name: VersionName


Moment = Head | AtRevision | AtTime | AtVersion


def read_moment(text: str) -> Moment:
    """Return the moment that a text names.

    Raises:
        InvalidRequestError: it names none.
        InvalidIdentifierError: no version can have this name.
    """
    if text == "head":
        return Head()
    if text.startswith("@"):
        return AtTime(read_time(text[1:]))
    kind, colon, name = text.partition(":")
    if kind == "version" and colon:
        return AtVersion(version_name(name))
    if (number := _number(text)) is not None:
        return AtRevision(Revision(number))
    raise InvalidRequestError(f"{text!r} is no moment: head, a revision, @TIME or version:NAME")


def read_time(text: str) -> int:
    """Return the milliseconds since 1970 that a text means: these themselves, or ISO 8601 with a zone.

    Raises:
        InvalidRequestError: it is neither.
    """
    if (number := _number(text)) is not None:
        return number
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequestError(f"{text!r} is neither ISO 8601 nor milliseconds since 1970") from error
    if moment.tzinfo is None:
        raise InvalidRequestError(f"{text!r} has no time zone: add Z, or +02:00")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MILLISECOND


def _number(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= MAX_SAFE_INTEGER
    return int(text) if is_number else None
