"""The three questions that an operator's machines ask of every process: alive, ready, and how much of what.

They have a listener of their own: what it tells is not for whoever can reach the clients' one.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from coedit.runtime.foreign_pages import is_loopback, why_foreign
from coedit.runtime.serving import serve

Ready = Callable[[], Awaitable[str]]
"""Answers the empty string when the process can serve, otherwise why not."""


async def serve_health(ready: Ready, host: str, port: int) -> web.AppRunner:
    """Serve ``/healthz``, ``/readyz`` and ``/metrics`` until the returned runner is cleaned up.

    Raises:
        OSError: the address is taken or not ours.
    """
    app = web.Application(middlewares=[_refuse_pages(is_loopback(host))])
    add_health_routes(app, ready)
    app.router.add_get("/metrics", _metrics)
    return await serve(app, host, port)


def add_health_routes(app: web.Application, ready: Ready) -> None:
    """Serve ``/healthz`` (200 while the process runs) and ``/readyz`` (200 or 503)."""

    async def healthz(_: web.Request) -> web.Response:
        return alive_answer()

    async def readyz(_: web.Request) -> web.Response:
        return await ready_answer(ready)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)


def alive_answer() -> web.Response:
    """Return the answer of a process that runs."""
    return web.json_response({"status": "alive"})


async def ready_answer(ready: Ready) -> web.Response:
    """Return the answer that says whether a process can serve."""
    if reason := await ready():
        return web.json_response({"status": "not ready", "reason": reason}, status=503)
    return web.json_response({"status": "ready"})


async def _metrics(request: web.Request) -> web.Response:
    """Answer in the format that is asked for; exemplars are told in that of OpenMetrics alone."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(REGISTRY), headers={"Content-Type": content_type})


def _refuse_pages(is_loopback_only: bool) -> Middleware:
    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if why := why_foreign(request, is_loopback_only=is_loopback_only):
            raise web.HTTPForbidden(text=why)
        return await handler(request)

    return refuse
