"""One request of somebody who may make it, as handlers get it."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel

from coedit.identifiers import DocumentId
from coedit.protocol.tokens import Identity
from services.gateway.rest.bodies import read_whole
from services.gateway.rest.routes.reading import read_fields, read_one_of

Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)

MOST_BYTES = 16 * 1024
"""Of a body of whom nothing else is said."""
Settle = Callable[[str | None, BaseModel | None], Awaitable[Identity]]
"""Finds out who asks, as whom one says one is, and whether the facets are granted; told the body, once it is read."""


class Call(Generic[Q, B]):
    """What is asked, by whom, and of which document."""

    def __init__(
        self,
        request: web.Request,
        query: Q,
        identity: Identity,
        document_id: DocumentId | None,
        bodies: tuple[type[B], ...],
        settle: Settle,
        body_seconds: float,
    ) -> None:
        self.request = request
        self.query = query
        self.identity = identity
        self._document_id = document_id
        self._bodies = bodies
        self._settle = settle
        self._body_seconds = body_seconds

    @property
    def document_id(self) -> DocumentId:
        """The document of the path; only routes that have one ask for it."""
        if self._document_id is None:
            raise LookupError("the route's path names no document")
        return self._document_id

    @property
    def wants_text(self) -> bool:
        """Whether plain text is asked for."""
        accepted = self.request.headers.get("Accept", "")
        return "text/plain" in accepted and "application/json" not in accepted

    async def read(self, most_bytes: int = MOST_BYTES) -> B:
        """Return the body, and look at the rights again: it may have taken its time.

        Raises:
            InvalidRequestError: it is not as the route describes it.
            TooLargeError, SlowBodyError: see `read_whole`.
            CoeditError: the right is gone.
        """
        fields = await read_fields(self.request, self._body_seconds, most_bytes)
        body = read_one_of(self._bodies, fields)
        author = getattr(body, "author", None)
        self.identity = await self._settle(author if isinstance(author, str) else None, body)
        return body

    async def read_file(self, most_bytes: int) -> bytes:
        """Return a body that is a file, inflated; raises as `read` does."""
        packed = await read_whole(self.request, most_bytes, self._body_seconds)
        self.identity = await self._settle(None, None)
        return packed
