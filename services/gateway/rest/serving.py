"""Serves the table of routes: finds out who asks and whether one may, before anything of a body is read."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from coedit.identifiers import AuthorId, DocumentId
from coedit.protocol.grants import Grants, require
from coedit.protocol.tokens import Identity
from services.gateway.access.access import Access
from services.gateway.access.addresses import document_at
from services.gateway.rest.answers import answered
from services.gateway.rest.bodies import continue_later
from services.gateway.rest.requests import authorize, identity_of
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.reading import read_query
from services.gateway.rest.routes.route import Route, Served
from services.gateway.rest.routes.table import TABLE

_NOBODY = Identity(AuthorId("nobody"), Grants({}))


class Door:
    """Lets in who may ask; ``body_seconds`` is how long a body may take to come.

    ``refuse_deleted`` raises DeletedError of a document that was deleted.
    """

    def __init__(
        self, access: Access, body_seconds: float, refuse_deleted: Callable[[DocumentId], Awaitable[None]]
    ) -> None:
        self._access = access
        self._body_seconds = body_seconds
        self._refuse_deleted = refuse_deleted

    def add_to(self, app: web.Application, served: Iterable[Served]) -> None:
        """Serve the whole table.

        Raises:
            LookupError: a route is served by nobody, or is not in the table.
        """
        by_route = {one.route: one for one in served}
        if odd := by_route.keys() ^ set(TABLE):
            raise LookupError(f"served and the table differ in {sorted(route.name for route in odd)}")
        heads = {route.path for route in TABLE if route.method == "HEAD"}
        # Where one path begins like another, the longer one is looked at first.
        for route in sorted(TABLE, key=lambda route: -len(route.ends[1])):
            handler = answered(self._letting_in(by_route[route]), route.needs)
            methods = ["GET", "HEAD"] if route.method == "GET" and route.path not in heads else [route.method]
            expect = continue_later if route.has_body else None
            for method in methods:
                app.router.add_route(method, route.pattern, handler, expect_handler=expect)

    def _letting_in(self, served: Served) -> Any:
        route = served.route

        async def handle(request: web.Request) -> web.Response:
            return await served.handle(await self._let_in(route, request))

        return handle

    async def _let_in(self, route: Route[Any, Any], request: web.Request) -> Call[Any, Any]:
        document_id = _document_of(route, request)
        said = request.query.get("author")

        async def settle(author: str | None, body: BaseModel | None) -> Identity:
            return await self._settled(route, request, document_id, author or said, body)

        identity = await settle(None, None)
        query = read_query(route.query, request)
        return Call(request, query, identity, document_id, route.bodies, settle, self._body_seconds)

    async def _settled(
        self,
        route: Route[Any, Any],
        request: web.Request,
        document_id: DocumentId | None,
        author: str | None,
        body: BaseModel | None,
    ) -> Identity:
        """Return who asks, if the facets of the route are granted; raises as `authorize`, and DeletedError."""
        match route.on:
            case "anyone":
                return _NOBODY
            case "document" if document_id is not None:
                identity = await authorize(self._access, request, document_id, *route.needs, author=author)
                if not route.of_deleted:
                    await self._refuse_deleted(document_id)
                return identity
            case "named":
                # Whom the body names is no matter of who asks.
                identity = await identity_of(self._access, request, request.query.get("author"))
                return self._settled_by_name(route, identity, body)
        identity = await identity_of(self._access, request, author)
        if route.on == "granted":
            return identity  # what is not granted is not in the answer
        for facet in route.needs:
            require(identity.grants.everywhere, facet)
        self._access.permissions.check_fresh(identity, None)
        return identity

    def _settled_by_name(
        self, route: Route[Any, Any], identity: Identity, body: BaseModel | None
    ) -> Identity:
        granted = identity.grants.everywhere
        document_id: DocumentId | None = getattr(body, "document", None)
        if body is None:
            # Who has it nowhere is not read at all.
            granted = granted.union(*identity.grants.by_key.values())
        elif document_id is not None:
            granted |= identity.grants.facets(document_id)
        for facet in route.needs:
            require(granted, facet)
        if body is not None:
            self._access.permissions.check_fresh(identity, document_id)
        return identity


def _document_of(route: Route[Any, Any], request: web.Request) -> DocumentId | None:
    if "document" not in route.names:
        return None
    before, behind = route.ends
    return document_at(request.raw_path.partition("?")[0].removesuffix(behind), before)
