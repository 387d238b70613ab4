"""Tells what is here: requests and messages described for programs, and a page that shows the former to people."""

from pathlib import Path

import orjson
from aiohttp import web

from coedit.protocol.described.asyncapi import describe_messages
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.descriptions import ASYNCAPI, OPENAPI, PAGE, SCRIPT, STYLE
from services.gateway.rest.routes.openapi import describe
from services.gateway.rest.routes.route import Body, Query, Route, Served
from services.gateway.rest.routes.table import TABLE
from services.gateway.rest.routes.webhooks import WEBHOOKS

_FOLDER = Path(__file__).parent / "described"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
}


def described(version: str) -> list[Served]:
    """Return what is served; all of it is made once, here."""
    requests = orjson.dumps(describe(TABLE, WEBHOOKS, version))
    messages = orjson.dumps(describe_messages(version))
    return [
        _serving(OPENAPI, requests, "application/json"),
        _serving(ASYNCAPI, messages, "application/json"),
        _serving(PAGE, (_FOLDER / "api.html").read_bytes(), "text/html"),
        _serving(SCRIPT, (_FOLDER / "api.js").read_bytes(), "text/javascript"),
        _serving(STYLE, (_FOLDER / "api.css").read_bytes(), "text/css"),
    ]


def _serving(route: Route[Query, Body], body: bytes, content_type: str) -> Served:
    async def serve(_: Call[Query, Body]) -> web.Response:
        charset = "utf-8" if content_type.startswith("text/") else None
        return web.Response(body=body, content_type=content_type, charset=charset, headers=_HEADERS)

    return route.by(serve)
