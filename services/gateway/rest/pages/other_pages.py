"""Pages of other origins: those that ``COEDIT_GATEWAY_ORIGINS`` names may ask and read the answers, and no others.

No cookie is ever looked at, so no credentials are allowed for.
Source: the Fetch standard, 3.3 (CORS protocol).
"""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from coedit.errors import CoeditError
from services.gateway.access.access import Access
from services.gateway.rest.answers import error_response
from services.gateway.rest.routes.headers import ANSWERED, ASKED

_MAY_SEND = ", ".join(sorted({"Accept", "Authorization", "Content-Encoding", "Content-Type", *ASKED}))
_MAY_READ = ", ".join(sorted(ANSWERED))
_KEPT_SECONDS = 600
"""So long browsers need not ask again what a page may send."""


def share_with_named_pages(access: Access) -> Middleware:
    """Return what tells browsers whose pages may read an answer; it answers their preflights itself."""

    @web.middleware
    async def share(request: web.Request, handler: Handler) -> web.StreamResponse:
        if hdrs.UPGRADE in request.headers:
            return await handler(request)
        origin = request.headers.get(hdrs.ORIGIN)
        is_preflight = (
            request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        )
        preflight = _preflight(access, request, origin) if origin is not None and is_preflight else None
        response = preflight or await handler(request)
        response.headers.add(hdrs.VARY, "Origin")
        if origin is not None and access.is_named(origin):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _MAY_READ
        return response

    return share


def _preflight(access: Access, request: web.Request, origin: str) -> web.Response | None:
    """Return what a page may do with a path; None: there is no such path."""
    try:
        access.check_origin(origin, request.host)
    except CoeditError as error:
        return error_response(error)
    # The table of routes has no OPTIONS: so this says which methods the path has.
    found = request.match_info.http_exception
    if not isinstance(found, web.HTTPMethodNotAllowed):
        return None
    allowed = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: ", ".join(sorted(found.allowed_methods)),
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _MAY_SEND,
        hdrs.ACCESS_CONTROL_MAX_AGE: str(_KEPT_SECONDS),
    }
    return web.Response(status=204, headers=allowed)
