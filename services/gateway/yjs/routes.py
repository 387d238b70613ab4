"""Where Yjs clients connect: ``/yjs/{document}`` for y-websocket, ``/hocuspocus`` for Hocuspocus."""

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from coedit.errors import UnauthorizedError
from coedit.protocol.server_session import MOST_BYTES_BEFORE_WELCOME
from coedit.protocol.tokens import Identity
from services.gateway.access.access import Access
from services.gateway.access.addresses import DOCUMENT
from services.gateway.limits.addresses import Addresses
from services.gateway.limits.denied import AGAIN_SECONDS, Denied
from services.gateway.limits.told import refused_upgrade
from services.gateway.metrics import YJS_CONNECTIONS
from services.gateway.settings import GatewaySettings
from services.gateway.sockets.keeper import Begun, Sockets
from services.gateway.sockets.server_socket import ServerSocket
from services.gateway.yjs.desk import YjsDesk
from services.gateway.yjs.hocuspocus import HocuspocusSocket
from services.gateway.yjs.y_websocket import PATH, YjsSocket

Identify = Callable[[str], Awaitable[Identity]]


class YjsRoutes:
    """Both endpoints; ``is_draining`` says whether the gateway takes more."""

    def __init__(
        self,
        settings: GatewaySettings,
        access: Access,
        desk: YjsDesk,
        sockets: Sockets,
        addresses: Addresses,
        is_draining: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._access = access
        self._desk = desk
        self._sockets = sockets
        self._addresses = addresses
        self._denied = Denied()
        self._is_draining = is_draining

    def add_to(self, app: web.Application) -> None:
        """Serve the routes."""
        app.router.add_get(PATH + DOCUMENT, self._serve_y_websocket)
        app.router.add_get("/hocuspocus", self._serve_hocuspocus)
        app.router.add_get("/hocuspocus/", self._serve_hocuspocus)

    async def _serve_y_websocket(self, request: web.Request) -> web.StreamResponse:
        address, raw_path = self._addresses.of(request), request.raw_path
        if self._denied.is_recent(address, raw_path):
            error = UnauthorizedError("the same was denied a moment ago")
            return refused_upgrade(error, 401, "A token is needed that grants this", AGAIN_SECONDS)
        identify, on_denied = self._identify_for(request), partial(self._denied.note, address, raw_path)
        return await self._serve(
            request,
            lambda socket: YjsSocket(socket, request, self._settings, self._desk, identify, on_denied),
        )

    async def _serve_hocuspocus(self, request: web.Request) -> web.StreamResponse:
        identify = self._identify_for(request)
        return await self._serve(
            request, lambda socket: HocuspocusSocket(socket, request, self._settings, self._desk, identify)
        )

    async def _serve(
        self, request: web.Request, make: Callable[[ServerSocket], YjsSocket | HocuspocusSocket]
    ) -> web.StreamResponse:
        if self._is_draining():
            return web.Response(status=503, text="shutting down")
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        # An application may give its provider some: a browser gives up where none of them is chosen.
        protocols = tuple(name.strip() for name in offered if name.strip())

        def begin(socket: ServerSocket) -> Begun:
            self._access.check_origin(request.headers.get("Origin"), request.host)
            wire = make(socket)
            return wire, _counted(wire)

        return await self._sockets.take(request, protocols, MOST_BYTES_BEFORE_WELCOME + 1, begin)

    def _identify_for(self, request: web.Request) -> Identify:
        """Return how to tell whom a token names; the author of the query is looked at in open mode alone."""
        author = request.query.get("author")
        return lambda token: self._access.identify(token, author)


async def _counted(wire: YjsSocket | HocuspocusSocket) -> None:
    with YJS_CONNECTIONS.track_inprogress():
        await wire.run()
