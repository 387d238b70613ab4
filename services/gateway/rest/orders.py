"""What an application orders about connections, and asks of all gateways at once.

Whichever gateway is asked, all obey within a second; the answer is given when the order cannot be lost any more.
"""

from aiohttp import web

from coedit.errors import InvalidRequestError
from coedit.identifiers import AuthorId, DocumentId
from coedit.store.streams.orders import Order, OrdersStream
from services.gateway.access.orders import CLOSE_CODES
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.operations import CHANGED, CLOSE, ChangedBody, CloseBody
from services.gateway.rest.routes.route import Query, Served


class OrderRoutes:
    """Gives orders."""

    def __init__(self, stream: OrdersStream) -> None:
        self._stream = stream

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [CHANGED.by(self._changed), CLOSE.by(self._close)]

    async def _changed(self, call: Call[Query, ChangedBody]) -> web.Response:
        body = await call.read()
        await self._stream.add(Order("rights", *_concerned(body)))
        return web.json_response({"ordered": "rights"}, status=202)

    async def _close(self, call: Call[Query, CloseBody]) -> web.Response:
        body = await call.read()
        if body.code not in CLOSE_CODES:
            allowed = ", ".join(str(int(known)) for known in sorted(CLOSE_CODES))
            raise InvalidRequestError(f"code is none of {allowed}")
        if body.author is None and body.document is None:
            raise InvalidRequestError("say whose connections (author), or of which document")
        await self._stream.add(Order("close", *_concerned(body), body.code))
        return web.json_response({"ordered": "close"}, status=202)


def _concerned(body: ChangedBody) -> tuple[AuthorId | None, DocumentId | None]:
    return (
        None if body.author is None else AuthorId(body.author),
        None if body.document is None else DocumentId(body.document),
    )
