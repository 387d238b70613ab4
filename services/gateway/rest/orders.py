"""What an application orders about connections: ``POST /v1/permissions/changed``, ``POST /v1/connections/close``.

Whichever gateway is asked, all obey within a second; the answer is given when the order cannot be lost any more.
"""

from typing import Any

from aiohttp import web

from coedit.errors import InvalidRequestError
from coedit.identifiers import AuthorId, DocumentId, author_id, document_id
from coedit.protocol.grants import require
from coedit.protocol.server_session import CloseCode
from coedit.store.streams.orders import Order, OrdersStream
from services.gateway.access.access import Access
from services.gateway.access.orders import CLOSE_CODES
from services.gateway.rest.answers import answered
from services.gateway.rest.asked import read_fields, text_of
from services.gateway.rest.bodies import continue_later
from services.gateway.rest.requests import identity_of


class OrderRoutes:
    """Both need the facet ``admin``: on the document that is named, or on ``*``."""

    def __init__(self, access: Access, stream: OrdersStream, body_seconds: float) -> None:
        self._access = access
        self._stream = stream
        self._body_seconds = body_seconds

    def add_to(self, app: web.Application) -> None:
        """Serve the routes."""
        for path, order in (
            ("/v1/permissions/changed", self._changed),
            ("/v1/connections/close", self._close),
        ):
            app.router.add_post(path, answered(order), expect_handler=continue_later)

    async def _changed(self, request: web.Request) -> web.Response:
        body, author, document = await self._read(request)
        _refuse_others(body)
        await self._stream.add(Order("rights", author, document))
        return web.json_response({"ordered": "rights"}, status=202)

    async def _close(self, request: web.Request) -> web.Response:
        body, author, document = await self._read(request)
        code = body.pop("code", int(CloseCode.ENDED))
        _refuse_others(body)
        if type(code) is not int or code not in CLOSE_CODES:
            allowed = ", ".join(str(int(known)) for known in sorted(CLOSE_CODES))
            raise InvalidRequestError(f"code is none of {allowed}")
        if author is None and document is None:
            raise InvalidRequestError("say whose connections (author), or of which document")
        await self._stream.add(Order("close", author, document, code))
        return web.json_response({"ordered": "close"}, status=202)

    async def _read(self, request: web.Request) -> tuple[dict[str, Any], AuthorId | None, DocumentId | None]:
        identity = await identity_of(self._access, request)
        # Who has it nowhere is not read at all.
        if not any("admin" in facets for facets in identity.grants.by_key.values()):
            require(identity.grants.everywhere, "admin")
        body = await read_fields(request, self._body_seconds)
        author = author_id(text_of(body, "author")) if "author" in body else None
        document = document_id(text_of(body, "document")) if "document" in body else None
        granted = identity.grants.everywhere
        if document is not None:
            granted |= identity.grants.facets(document)
        require(granted, "admin")
        self._access.permissions.check_fresh(identity, document)
        body.pop("author", None)
        body.pop("document", None)
        return body, author, document


def _refuse_others(body: dict[str, Any]) -> None:
    if body:
        raise InvalidRequestError(f"unknown: {', '.join(sorted(map(str, body)))}")
