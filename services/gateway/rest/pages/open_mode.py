"""Open mode asks nobody for a token: so it answers programs of this machine and its own pages, and no other pages.

Where tokens are asked for, that is not needed: a page elsewhere has none, and cannot make a browser send one.
"""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from coedit.errors import CoeditError, ForbiddenError
from coedit.runtime.foreign_pages import why_foreign
from services.gateway.access.access import Access
from services.gateway.rest.answers import refusal_response


def refuse_other_pages(access: Access) -> Middleware:
    """Return what answers only where no page of somebody else's can have asked.

    Upgrades to WebSockets always name their origin, and are refused by their handlers, with a close code.
    """

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if "Upgrade" not in request.headers:
            try:
                _check(access, request)
            except CoeditError as error:
                return refusal_response(error.code, str(error))
        return await handler(request)

    return refuse


def _check(access: Access, request: web.Request) -> None:
    origin = request.headers.get("Origin")
    if "Host" in request.headers:
        access.check_origin(origin, request.host)
    # An origin that is told was allowed, whatever site it is of.
    if origin is None and (why := why_foreign(request, is_loopback_only=True)):
        raise ForbiddenError(why)
