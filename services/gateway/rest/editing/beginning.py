"""Documents that are made what a file says, whether they are there or not: one that is not is begun by one alone."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from coedit.errors import InvalidRequestError, PreconditionError, UnavailableError
from coedit.identifiers import Revision
from coedit.ot.commit import Metadata
from coedit.ot.delta import Delta
from coedit.ot.diff import diff
from coedit.protocol.metadata import read_metadata
from coedit.store.documents.history import Past, Place
from services.gateway.rest.editing.conditions import Condition, condition_of
from services.gateway.rest.editing.edit_response import Wish, edit_response
from services.gateway.rest.editing.keyed import Attempt, Keyed
from services.gateway.rest.editing.one_edit import OneEdits, Terms
from services.gateway.rest.moments import Moments
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.documents import CreateQuery
from services.gateway.rest.routes.problems import PROBLEMS
from services.gateway.rest.routes.route import Body

_ATTEMPTS = 3
_REFUSED = PROBLEMS["precondition-failed"].status


@dataclass(frozen=True, slots=True)
class BeginTerms:
    """On what conditions a document is to be made, and what is said of that."""

    match: Condition | None
    none_match: Condition | None
    metadata: Metadata

    @classmethod
    def of(cls, request: web.Request) -> "BeginTerms":
        """Return those of a request.

        Raises:
            InvalidRequestError: a head says what it cannot.
        """
        return cls(
            condition_of(request, "If-Match"), condition_of(request, "If-None-Match"), _metadata_of(request)
        )

    @property
    def is_conditional(self) -> bool:
        """Whether it is to be made only as the document is named."""
        return self.match is not None or self.none_match is not None

    def require(self, head: Place) -> None:
        """Refuse a document that does not stand where it is to.

        Raises:
            PreconditionError: it does not.
        """
        if self.match is not None:
            self.match.require(head.epoch, head.revision)
        if self.none_match is not None and self.none_match.covers(head.epoch, head.revision):
            raise PreconditionError(f"the document is at revision {head.revision} of epoch {head.epoch}")

    def exact_epoch(self, revision: Revision, epoch: int) -> int:
        """Return the epoch in which a revision is to be the head; 0: it need not be.

        What nobody has written can be begun by one alone: two beginnings would stand one behind the other.
        """
        named = 0 if self.match is None else self.match.epoch_of(revision)
        return named or (epoch if revision == 0 or self.none_match is not None else 0)

    def said(self) -> list[Any]:
        """Return them in plain JSON."""
        conditions = [None if one is None else one.tags or "*" for one in (self.match, self.none_match)]
        return [*conditions, dict(self.metadata)]


class Beginnings:
    """Makes documents."""

    def __init__(self, moments: Moments, edits: OneEdits, keyed: Keyed) -> None:
        self._moments = moments
        self._edits = edits
        self._keyed = keyed

    async def make(
        self,
        call: Call[CreateQuery, Body],
        terms: BeginTerms,
        file: list[Any],
        read: Callable[[], Awaitable[Delta]],
    ) -> web.Response:
        """Make a document what ``read`` returns; ``file`` says the same in short, in plain JSON.

        Raises:
            PreconditionError: it does not stand where it is to.
            CoeditError, RedisError, OSError: see `edit_response`.
        """

        async def make(attempt: Attempt) -> web.Response:
            if attempt.noted is None:
                terms.require(
                    await self._moments.head(call.document_id)
                )  # before anything is made of the file
            return await self._made(call, terms, await read(), attempt)

        said = ["create", *file, *terms.said()]
        return await self._keyed.answer(call.request, call.document_id, call.identity, said, make)

    async def _made(
        self, call: Call[CreateQuery, Body], terms: BeginTerms, wanted: Delta, attempt: Attempt
    ) -> web.Response:
        """Make it so; where somebody else has begun the document meanwhile, of what it is now."""
        noted = attempt.noted
        for _ in range(_ATTEMPTS):
            base, exact_epoch = await self._base(call, terms, attempt, noted)
            delta = await asyncio.to_thread(diff, base.document, wanted)
            wish = Wish(
                ["create", attempt.name],
                {"format": call.query.form.name},
                Terms(exact_epoch, terms.metadata),
                creates=base.revision == 0,
            )
            response = await edit_response(self._edits, call.document_id, base, call.identity, wish, delta)
            if response.status != _REFUSED or terms.is_conditional:
                return response
            noted = None
        raise UnavailableError("others write at the same time; try again")

    async def _base(
        self, call: Call[CreateQuery, Body], terms: BeginTerms, attempt: Attempt, noted: Revision | None
    ) -> tuple[Past, int]:
        """Return what it is made on, and the epoch in which that is to be the head; 0: it may be anywhere."""
        head = await self._moments.head(call.document_id)
        if noted is None:
            terms.require(head)
        revision = head.revision if noted is None else noted
        async with self._moments.replaying("import", call.identity.author):
            base = await self._moments.base(call.document_id, revision)
        if noted is None:
            await attempt.note(base.revision)
        return base, terms.exact_epoch(revision, head.epoch)


def _metadata_of(request: web.Request) -> Metadata:
    said = request.headers.get("Coedit-Metadata")
    if said is None:
        return ()
    try:
        return read_metadata(orjson.loads(said))
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise InvalidRequestError("Coedit-Metadata is not JSON") from error
