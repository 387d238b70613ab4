"""A collector of traces for tests: takes OTLP over HTTP, in a thread of its own, and keeps the spans."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.ports import free_port

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
Tree = tuple[str, str, tuple["Tree", ...]]
"""A span's name, the service that made it, and what is below it, in order of names and services."""


@dataclass(frozen=True, slots=True)
class Told:
    """A span as it was exported."""

    name: str
    kind: str
    service: str
    instance: str
    """Which process of the service."""
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[str, ...]
    """Ids of the spans that it is linked to."""
    facts: dict[str, Any]
    is_failed: bool
    nanoseconds: int


class Collector:
    """Answers ``POST /v1/traces`` at ``url``, while it is entered."""

    def __init__(self) -> None:
        self._port = free_port()
        self._spans: list[Told] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process send its spans here, soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    @property
    def spans(self) -> list[Told]:
        """All that came so far."""
        with self._lock:
            return list(self._spans)

    def named(self, name: str) -> list[Told]:
        return [span for span in self.spans if span.name == name]

    def traces_of(self, document: str) -> dict[str, list[Told]]:
        """Return the traces in which any span names a document, whole, by their ids."""
        traces = defaultdict[str, list[Told]](list)
        for span in self.spans:
            traces[span.trace_id].append(span)
        return {
            trace_id: spans
            for trace_id, spans in traces.items()
            if any(span.facts.get("coedit.document.id") == document for span in spans)
        }

    def __enter__(self) -> "Collector":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def _take(self, request: web.Request) -> web.Response:
        told = ExportTraceServiceRequest.FromString(await request.read())
        found = [
            _told(span, _facts(resource.resource.attributes))
            for resource in told.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self._spans += found
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


def tree_of(spans: Sequence[Told]) -> Tree:
    """Return the one tree that the spans of a trace are."""
    known = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in known]
    assert len(roots) == 1, f"{len(roots)} of the spans have no parent: {[span.name for span in spans]}"

    def below(span: Told) -> Tree:
        children = sorted(below(child) for child in spans if child.parent_id == span.span_id)
        return span.name, span.service, tuple(children)

    return below(roots[0])


def _told(span: Any, who: dict[str, Any]) -> Told:
    return Told(
        name=span.name,
        kind=_KINDS[span.kind],
        service=who["service.name"],
        instance=who["service.instance.id"],
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=tuple(link.span_id.hex() for link in span.links),
        facts=_facts(span.attributes),
        is_failed=span.status.code == 2,
        nanoseconds=span.end_time_unix_nano - span.start_time_unix_nano,
    )


def _facts(attributes: Any) -> dict[str, Any]:
    return {
        attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value"))
        for attribute in attributes
    }
