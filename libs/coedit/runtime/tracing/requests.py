"""Traces of requests over HTTP, by OpenTelemetry's own instrumentation of aiohttp."""

import warnings
from typing import Any

from aiohttp import TraceConfig, web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry.context import Context
from opentelemetry.instrumentation.aiohttp_client import create_trace_config
from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor, create_aiohttp_middleware
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

_TRACED = "/v1/"
_SOCKET = "/v1/ws"
"""Would be one span of hours, which is told when the connection ends."""
_ADDRESSES = ("http.target", "http.url", "url.full", "url.path")
_QUERY = "url.query"


def instrument(provider: TracerProvider) -> Middleware:
    """Return what makes a span of each request to REST; no other request gets that far."""
    # It reads its settings as it takes the place of aiohttp's application, which aiohttp warns of; ours takes a
    # middleware, so that is undone.
    with warnings.catch_warnings(category=DeprecationWarning, action="ignore"):
        AioHttpServerInstrumentor().instrument(tracer_provider=provider)
        AioHttpServerInstrumentor().uninstrument()
    make_span: Any = create_aiohttp_middleware(provider)

    @web.middleware
    async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(_TRACED) and request.path != _SOCKET:
            response: web.StreamResponse = await make_span(request, handler)
            return response
        return await handler(request)

    return traced


def calls_of(provider: TracerProvider) -> TraceConfig:
    """Return what makes a span of each call of ours to somebody else, whose head says what it is a part of."""
    return create_trace_config(tracer_provider=provider)


class Addresses(SpanProcessor):
    """Keeps out of the spans of requests what addresses say: a query, and where it is not allowed the document.

    Whom we call is set by the operator, and names no document.
    """

    def __init__(self, *, names_documents: bool) -> None:
        self._names_documents = names_documents

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Put the route, or the path, in the place of addresses."""
        said = span.attributes or {}
        route = None if self._names_documents else said.get("http.route")
        for name in _ADDRESSES:
            if name in said:
                span.set_attribute(name, _path(str(said[name])) if route is None else str(route))
        if _QUERY in said:
            span.set_attribute(_QUERY, "")

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing: it was seen to when it started."""


def _path(address: str) -> str:
    return address.partition("?")[0]
