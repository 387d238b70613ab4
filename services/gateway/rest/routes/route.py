"""One route of the table: the router serves what stands here, and ``/openapi.json`` says it, so neither can drift.

To add a route:

1. In the file of ``routes/`` that its subject has (or a new one), write a `Route`: method, path, the facets that it
   ``needs``, pydantic models of its query (`Query`), its body (`Body`) and its answers (`Said`), and the ``refusals``,
   codes beyond those that every route has. Put it into that file's ``ROUTES``; a new file's into ``table.py``.
2. Write the handler: ``async def handle(self, call: Call[MyQuery, MyBody]) -> web.Response``. Who asks, what is
   granted and the query are checked by then: ``call.identity``, ``call.document_id``, ``call.query``. A body has not
   been read: ``await call.read()`` returns it as its model, ``await call.read_file(…)`` as bytes, and both look at the
   rights again. What goes wrong is raised as a `CoeditError`, whose code stands in ``problems.py``.
3. Bind it, where the handlers of its kind are (``served()``): ``MY_ROUTE.by(self._handle)``. A gateway does not start
   whose table has a route that nobody serves.

A field that may be large or deep (a delta, content) is a `fields.Opaque`: described, but not walked by pydantic.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from coedit.protocol.grants import Facet
from services.gateway.access.addresses import DOCUMENT
from services.gateway.rest.routes.call import Call

Method = Literal["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]
Scope = Literal["document", "everything", "named", "granted", "anyone"]
"""On what the facets are needed: the document of the path; the key ``*``; the document that the body names, or ``*``;
each document that the answer has; or nothing is needed."""

BASIC = frozenset({"forbidden", "invalid-request", "internal"})
"""Refusals of every route: a page of another origin, a request that is none, a defect."""
ASKING = BASIC | {"unauthorized", "undecided", "unavailable", "overloaded", "limited", "invalid-identifier"}
"""Refusals of every route that needs a facet; in open mode whoever asks has a name, which may be none."""
BODY = frozenset({"too-large", "too-slow"})
"""Refusals of every route with a body."""
READING = frozenset({"quarantined", "not-text", "future-revision"})
"""Refusals where a document is read."""
PAST = READING | {"unknown-version", "diverged", "revision-too-old", "history-too-long", "too-large"}
"""Refusals where the past is looked at."""
EDITING = PAST | {
    *("invalid-delta", "length-mismatch", "split-surrogate", "lone-surrogate", "unsupported-op", "sequence"),
    *("document-too-large", "too-costly"),
}
"""Refusals where an edit is made."""

ONCE = frozenset({"still-running", "another-request"})
"""Refusals where a request may have an Idempotency-Key."""

_NAMES = re.compile(r"\{(\w+)\}")


class Query(BaseModel):
    """What a request's query may say; what is not known is passed over."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", use_attribute_docstrings=True)
    author: str | None = None
    """Who one says one is; looked at in open mode alone."""


class Body(BaseModel):
    """What a request's body says, as JSON; an unknown field is refused, since it may be misspelt."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class Wish(Body):
    """A body of somebody who may say who one is."""

    author: str | None = None
    """Who one says one is; looked at in open mode alone."""


class Said(BaseModel):
    """What an answer says; describes it, and is not gone through when it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


Q = TypeVar("Q", bound=Query)
B = TypeVar("B", bound=Body)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no refusal: JSON by a model, or other media; ``headers`` stand in ``headers.py``."""

    says: str
    model: type[BaseModel] | None = None
    media: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)  # without slots, which a generic class that is frozen cannot have
class Route(Generic[Q, B]):
    """An entry of the table; a GET is served for HEAD too, unless that has an entry of its own."""

    method: Method
    path: str
    """With names in braces; ``{document}`` is a percent-encoded id, any other one a segment."""
    name: str
    """Of the operation, for programs that are made from the description."""
    summary: str
    answers: Mapping[int, Answer]
    needs: tuple[Facet, ...] = ()
    on: Scope = "document"
    query: type[Q] = Query  # type: ignore[assignment]  # of routes that ask for nothing more
    bodies: tuple[type[B], ...] = ()
    """Several: the body is one of these, told apart by their first fields."""
    files: tuple[str, ...] = ()
    """The media types of a body that is a file."""
    headers: tuple[str, ...] = ()
    """Of the request; they stand in ``headers.py``."""
    of_deleted: bool = False
    """Whether it is asked of documents that were deleted, too."""
    refusals: frozenset[str] = frozenset()
    """Codes beyond those that follow from the rest."""
    more: str = field(default="")
    """What else is to be said of it, in Markdown."""

    def by(self, handle: Callable[[Call[Q, B]], Awaitable[web.Response]]) -> "Served":
        """Return the route with who serves it."""
        return Served(self, handle)

    @property
    def codes(self) -> frozenset[str]:
        """Return all codes that it may be refused with."""
        codes = self.refusals | (BASIC if self.on == "anyone" else ASKING)
        if "document" in self.names:
            codes |= {"deleted"}
        return codes | BODY if self.has_body else codes

    @property
    def has_body(self) -> bool:
        """Return whether a body is looked at."""
        return bool(self.bodies or self.files)

    @property
    def names(self) -> list[str]:
        """Return the names in its path."""
        return _NAMES.findall(self.path)

    @property
    def pattern(self) -> str:
        """Return the path as aiohttp's router takes it: a document's id is whatever stands there."""
        return self.path.replace("{document}", DOCUMENT)

    @property
    def ends(self) -> tuple[str, str]:
        """Return what stands before and behind the document's id in the path."""
        before, _, behind = self.path.partition("{document}")
        return before, behind


@dataclass(frozen=True, slots=True)
class Served:
    """A route, and who serves it."""

    route: Route[Any, Any]
    handle: Callable[[Call[Any, Any]], Awaitable[web.Response]]
