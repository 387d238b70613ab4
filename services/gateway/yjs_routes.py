"""Where Yjs clients connect: ``/yjs/{document}`` for y-websocket, ``/hocuspocus`` for Hocuspocus."""

from collections.abc import Callable

from aiohttp import web

from coedit.errors import CoeditError
from coedit.protocol.tokens import Identity
from services.gateway.auth import Access
from services.gateway.hocuspocus_socket import HocuspocusSocket
from services.gateway.metrics import CONNECTIONS, YJS_CONNECTIONS
from services.gateway.settings import GatewaySettings
from services.gateway.wire import Wire
from services.gateway.yjs_desk import YjsDesk
from services.gateway.yjs_seat import close_code_of
from services.gateway.yjs_socket import PATH, YjsSocket

Identify = Callable[[str], Identity]


class YjsRoutes:
    """Both endpoints; ``wires`` are the gateway's connections, and ``is_draining`` says whether it takes more."""

    def __init__(
        self,
        settings: GatewaySettings,
        access: Access,
        desk: YjsDesk,
        wires: set[Wire],
        is_draining: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._access = access
        self._desk = desk
        self._wires = wires
        self._is_draining = is_draining

    def add_to(self, app: web.Application) -> None:
        """Serve the routes."""
        app.router.add_get(PATH + "{document:.*}", self._serve_y_websocket)
        app.router.add_get("/hocuspocus", self._serve_hocuspocus)
        app.router.add_get("/hocuspocus/", self._serve_hocuspocus)

    async def _serve_y_websocket(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, YjsSocket)

    async def _serve_hocuspocus(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, HocuspocusSocket)

    async def _serve(
        self, request: web.Request, kind: type[YjsSocket] | type[HocuspocusSocket]
    ) -> web.StreamResponse:
        settings = self._settings
        if self._is_draining():
            return web.Response(status=503, text="shutting down")
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        socket = web.WebSocketResponse(
            # An application may give its provider some: a browser gives up where none of them is chosen.
            protocols=[name.strip() for name in offered if name.strip()],
            heartbeat=settings.gateway_ping_seconds,
            compress=False,  # frames are shared between clients
            max_msg_size=settings.gateway_yjs_frame_bytes,
        )
        await socket.prepare(request)
        try:
            self._access.check_origin(request.headers.get("Origin"), request.host)
            wire = kind(socket, request, settings, self._desk, self._identify_for(request))
        except CoeditError as error:
            await socket.close(code=close_code_of(error), message=str(error).encode()[:120])
            return socket
        self._wires.add(wire)
        CONNECTIONS.inc()
        YJS_CONNECTIONS.inc()
        try:
            await wire.run()
        finally:
            self._wires.discard(wire)
            CONNECTIONS.dec()
            YJS_CONNECTIONS.dec()
        return socket

    def _identify_for(self, request: web.Request) -> Identify:
        """Return how to tell whom a token names; the author of the query is looked at in open mode alone."""
        return lambda token: self._access.identify(token, request.query.get("author"))
