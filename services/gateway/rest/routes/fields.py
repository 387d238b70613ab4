"""Kinds of fields that several routes have, as they are read and as they are described."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, WithJsonSchema

from coedit.formats import FORMATS, Format
from coedit.identifiers import (
    MAX_NAME_BYTES,
    MAX_SAFE_INTEGER,
    MAX_VERSION_NAME_BYTES,
    author_id,
    document_id,
    version_name,
)
from coedit.protocol import moments
from coedit.protocol.messages import DELTA
from coedit.protocol.metadata import MAX_NAMES, MAX_TEXT
from coedit.protocol.moments import read_moment, read_time

_TEN_YEARS_SECONDS = 10 * 365 * 86400
_LONGEST_NUMBER = 16
_MAX_LIMIT = 1000
MAX_ROOT = 255
"""The longest name of a shared text, in characters."""


def _number(value: object) -> int:
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER):
        raise ValueError("not a number")
    return int(value)


def _seconds(value: object) -> float:
    seconds = float(str(value))  # what is none is a ValueError
    if not 0 <= seconds <= _TEN_YEARS_SECONDS:
        raise ValueError("not from 0 to ten years")
    return seconds


def _flag(value: object) -> bool:
    if value not in ("true", "false"):
        raise ValueError("true or false")
    return value == "true"


def _form(value: object) -> Format:
    if not isinstance(value, str) or value not in FORMATS:
        raise ValueError(f"none of {', '.join(FORMATS)}")
    return FORMATS[value]


def _within_limit(limit: int) -> int:
    return min(_MAX_LIMIT, max(1, limit))


def _moment(value: object) -> moments.Moment:
    if not isinstance(value, str):
        raise ValueError("a moment is a text")
    return read_moment(value)


def _time(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError("a time is a text")
    return read_time(value)


def _described(kind: str, says: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, "description": says} | more)


Number = Annotated[
    int, BeforeValidator(_number), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 10**16 - 1})
]
"""A number of a query."""
Limit = Annotated[Number, AfterValidator(_within_limit)]
"""How much of a list is told at most; what is more than a thousand is a thousand."""
Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": _TEN_YEARS_SECONDS}),
]
"""A span of time of a query."""
Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
"""Yes or no, in a query."""
Moment = Annotated[
    InstanceOf[moments.Head]
    | InstanceOf[moments.AtRevision]
    | InstanceOf[moments.AtTime]
    | InstanceOf[moments.AtVersion],
    BeforeValidator(_moment),
    _described(
        "string",
        "A moment: `head`, a revision, `@TIME` or `version:NAME`",
        examples=["head", "17", "@2026-11-25T09:30:00Z", "version:1.0"],
    ),
]
"""A moment, as text, in a query or a body."""
Time = Annotated[
    int,
    BeforeValidator(_time),
    _described("string", "Milliseconds since 1970, or ISO 8601 with a zone", examples=["1763900000000"]),
]
"""A time, as text."""
DocumentName = Annotated[
    str,
    AfterValidator(document_id),
    _described("string", "A document's id", minLength=1, maxLength=MAX_NAME_BYTES),
]
AuthorName = Annotated[
    str,
    AfterValidator(author_id),
    _described("string", "An author's id", minLength=1, maxLength=MAX_NAME_BYTES),
]
VersionLabel = Annotated[
    str,
    AfterValidator(version_name),
    _described("string", "A version's name", minLength=1, maxLength=MAX_VERSION_NAME_BYTES),
]
FormatNamed = Annotated[
    InstanceOf[Format], BeforeValidator(_form), WithJsonSchema({"type": "string", "enum": list(FORMATS)})
]
"""The name of a format of files."""
MetadataMap = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": "object",
            "description": "A map of names to short texts",
            "maxProperties": MAX_NAMES,
            "additionalProperties": {"type": "string", "maxLength": MAX_TEXT},
            "examples": [{"model": "m-1", "prompted_by": "ada"}],
        }
    ),
]
"""What a program says of an edit; read by `read_metadata`."""
RevisionNumber = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
"""A revision, in a body."""
Opaque = Annotated[Any, WithJsonSchema(DELTA)]
"""A delta or content: what is wrong in it is found by whoever reads it, in time linear in its size."""
