"""The names that travel through every layer, and the rules that make a string one of them."""

import re
from typing import Any, NewType
from urllib.parse import quote, unquote_to_bytes

from coedit.errors import InvalidIdentifierError, ProtocolError

DocumentId = NewType("DocumentId", str)
"""1 to 255 bytes of UTF-8 without control characters and without lone surrogates."""

ClientId = NewType("ClientId", str)
"""One open replica, issued by a gateway: 1 to 64 characters of ``A-Z a-z 0-9 _ -``."""

AuthorId = NewType("AuthorId", str)
"""A person or program, as authenticated: 1 to 255 bytes of UTF-8 without control characters."""

Revision = NewType("Revision", int)
"""Number of commits behind a state; 0 is the empty document."""

ClientSequence = NewType("ClientSequence", int)
"""The number of a submission within its client and document, from 1."""

VersionName = NewType("VersionName", str)
"""What people call a revision: 1 to 80 bytes of UTF-8 without control characters and without lone surrogates."""

MAX_NAME_BYTES = 255
MAX_VERSION_NAME_BYTES = 80
"""With a document id, escaped, still within the 1024 bytes of a key in S3."""
MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that a JavaScript number holds exactly."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


def document_id(text: str) -> DocumentId:
    """Return ``text`` as a document id.

    Raises:
        InvalidIdentifierError: it breaks the rule of `DocumentId`.
    """
    return DocumentId(_name(text, "document id"))


def author_id(text: str) -> AuthorId:
    """Return ``text`` as an author id.

    Raises:
        InvalidIdentifierError: it breaks the rule of `AuthorId`.
    """
    return AuthorId(_name(text, "author id"))


def version_name(text: str) -> VersionName:
    """Return ``text`` as the name of a version.

    Raises:
        InvalidIdentifierError: it breaks the rule of `VersionName`.
    """
    return VersionName(_name(text, "name of the version", MAX_VERSION_NAME_BYTES))


def client_id(text: str) -> ClientId:
    """Return ``text`` as a client id.

    Raises:
        InvalidIdentifierError: it breaks the rule of `ClientId`.
    """
    if not _CLIENT_ID.fullmatch(text):
        raise InvalidIdentifierError("a client id is 1 to 64 characters of A-Z a-z 0-9 _ -")
    return ClientId(text)


def document_id_from_url(escaped: str) -> DocumentId:
    """Return the document id that a URL's path segment names, percent-decoded exactly once.

    Raises:
        InvalidIdentifierError: a broken escape, bytes that are not UTF-8, or not a document id.
    """
    if _ESCAPE.search(escaped):
        raise InvalidIdentifierError("the document id in the URL has a broken percent escape")
    try:
        return document_id(unquote_to_bytes(escaped).decode("utf-8"))
    except UnicodeError as error:
        raise InvalidIdentifierError("the document id in the URL is not UTF-8") from error


def checked_traceparent(value: str) -> str:
    """Return ``value``, if it names a trace, and the span of it that is the parent of what follows: 55 characters.

    Only what is sampled carries one, so whoever meets one knows that it is to be traced.

    Raises:
        ProtocolError: it is no such name, or not of version 00.

    Source: W3C Trace Context, 3.2.
    """
    if not _TRACEPARENT.fullmatch(value):
        raise ProtocolError("traceparent: 00-TRACE-SPAN-FLAGS, of 32, 16 and 2 lower-case hexadecimal digits")
    return value


def known_traceparent(value: Any) -> str:
    """Return the traceparent that came with an entry or an event; of what is none, nothing: it is traced no further."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else ""


BEHIND = "\u00ff"
"""Sorts behind all that is in an escaped name, and behind the slashes between such names."""


def escape(name: str) -> str:
    """Return ``name`` percent-encoded as one path segment of a URL or an object key; ``.`` is encoded too."""
    return quote(name, safe="").replace(".", "%2E")


def _name(text: str, what: str, most_bytes: int = MAX_NAME_BYTES) -> str:
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise InvalidIdentifierError(f"the {what} holds a lone surrogate") from error
    if not 1 <= size <= most_bytes:
        raise InvalidIdentifierError(f"the {what} has {size} bytes of UTF-8; allowed are 1 to {most_bytes}")
    if _CONTROL.search(text):
        raise InvalidIdentifierError(f"the {what} holds a control character")
    return text
