"""Which part of all documents somebody may list: spans of their order, as grants leave them.

Documents are in the order of their folders in the object store: of their ids, percent-encoded, with a slash behind
(`folder`). All that begin alike stand together in it, so each key of `Grants` is one span.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from coedit.errors import InvalidIdentifierError, InvalidRequestError
from coedit.identifiers import BEHIND, DocumentId, document_id, escape
from coedit.protocol.grants import Facet, Grants

_PLACE = re.compile(f"[!-~]{{0,1024}}{BEHIND}?")


@dataclass(frozen=True, slots=True)
class Span:
    """The folders that sort from ``first`` on and before ``end``."""

    first: str
    end: str

    @property
    def single(self) -> DocumentId | None:
        """The one document that can be in it, if it is so narrow."""
        is_one = self.end == self.first + BEHIND and self.first.endswith("/")
        return document_of(self.first) if is_one else None


def folder(document: DocumentId) -> str:
    """Return the folder of a document: its place in the order."""
    return escape(document) + "/"


def document_of(name: str) -> DocumentId | None:
    """Return the document whose folder this is; None: what stands there is no document, but the deployment's."""
    try:
        document = document_id(unquote(name.removesuffix("/")))
    except InvalidIdentifierError:
        return None
    return document if folder(document) == name else None


def beginning_with(prefix: str) -> Span:
    """Return the span of all documents whose ids begin with ``prefix``."""
    begin = escape(prefix)
    return Span(begin, begin + BEHIND)


def granted_spans(grants: Grants, facet: Facet) -> list[Span]:
    """Return where a facet is granted, in order: of several keys the one that says most counts alone."""
    spans: list[Span] = []
    for first, end, is_granted in _pieces(grants, facet):
        if is_granted and spans and spans[-1].end == first:
            spans[-1] = Span(spans[-1].first, end)
        elif is_granted:
            spans.append(Span(first, end))
    return spans


def within(spans: list[Span], bounds: Span, begin: str) -> list[Span]:
    """Return what of the spans is within ``bounds``, and not before ``begin``."""
    begin = max(bounds.first, begin)
    cut = [Span(max(span.first, begin), min(span.end, bounds.end)) for span in spans]
    return [span for span in cut if span.first < span.end]


def cursor_of(place: str) -> str:
    """Return a place in the order as whoever asks is given it, to go on from there."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def place_of(cursor: str) -> str:
    """Return the place that `cursor_of` was given.

    Raises:
        InvalidRequestError: it was not.
    """
    try:
        place = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError("after= is not what a list before this one ended with") from error
    if not _PLACE.fullmatch(place):
        raise InvalidRequestError("after= is not what a list before this one ended with")
    return place


def _pieces(grants: Grants, facet: Facet) -> Iterator[tuple[str, str, bool]]:
    """Yield, in order, where one key after the other decides, the innermost wherever they are one in another."""
    at, open_keys = "", list[tuple[Span, bool]]()
    for span, is_granted in _keys(grants, facet):
        while open_keys and open_keys[-1][0].end <= span.first:
            outer, was_granted = open_keys.pop()
            yield at, outer.end, was_granted
            at = outer.end
        if open_keys:
            yield at, span.first, open_keys[-1][1]
        at = span.first
        open_keys.append((span, is_granted))
    while open_keys:
        outer, was_granted = open_keys.pop()
        yield at, outer.end, was_granted
        at = outer.end


def _keys(grants: Grants, facet: Facet) -> list[tuple[Span, bool]]:
    """Return each key's span and whether it grants the facet; in order, and an outer one before those within it."""
    found: list[tuple[Span, bool]] = []
    for key, facets in grants.by_key.items():
        try:
            spans = [beginning_with(key[:-1])] if key.endswith("*") else [_alone(key)]
            if f"{key}*" in grants.by_key and key.endswith("*"):
                spans.append(_alone(key))  # it is the own key of the document that is called so
        except UnicodeEncodeError:  # half a character: no document's id begins so
            continue
        found += [(span, facet in facets) for span in spans]
    found.sort(key=lambda one: one[0].end, reverse=True)
    found.sort(key=lambda one: one[0].first)
    return found


def _alone(key: str) -> Span:
    first = escape(key) + "/"
    return Span(first, first + BEHIND)
