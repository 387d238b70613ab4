"""Makes the process's tracer, and the spans go to a collector over OTLP, from a thread of their own."""

import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from uuid import uuid4

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from coedit.runtime.tracing.active import TRACES
from coedit.runtime.tracing.metrics import SPANS
from coedit.runtime.tracing.requests import Addresses, calls_of, instrument
from coedit.runtime.tracing.spans import ChosenIds, Http, Tracer

_CLOSE_SECONDS = 2.0
"""How long a process that ends takes to send its last spans: a collector that is away keeps nobody."""


def install(service: str, *, names_documents: bool) -> Callable[[], None]:
    """Trace from now on, as the ``OTEL_`` variables say; return what sends the last spans and ends it."""
    processor = BatchSpanProcessor(_Counted(OTLPSpanExporter()))
    return install_with(service, [processor], names_documents=names_documents)


def install_with(
    service: str, processors: Sequence[SpanProcessor], *, names_documents: bool
) -> Callable[[], None]:
    """Trace from now on, and give the spans to ``processors``; return what ends that."""
    resource = _resource(service)
    # Two, since requests over HTTP are sampled by their instrumentation, and all else before there is a span.
    sampled = TracerProvider(resource=resource, shutdown_on_exit=False)
    ids = ChosenIds()
    certain = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=ids)
    sampled.add_span_processor(Addresses(names_documents=names_documents))
    for provider in (sampled, certain):
        provider.add_span_processor(_Ended())
        for processor in processors:
            provider.add_span_processor(processor)
    spans = certain.get_tracer("coedit", version("coedit"))
    http = Http(instrument(sampled), calls_of(sampled))
    TRACES.tracer = Tracer(spans, sampled.sampler, ids, http, names_documents=names_documents)

    def close() -> None:
        TRACES.tracer = None
        closing = threading.Thread(target=_shut_down, args=(processors,), daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    return close


def _shut_down(processors: Sequence[SpanProcessor]) -> None:
    for processor in processors:
        processor.shutdown()


def _resource(service: str) -> Resource:
    """Return who speaks; what the environment says of it counts more."""
    own = {
        "service.name": f"coedit-{service}",
        "service.version": version("coedit"),
        "service.instance.id": str(uuid4()),
    }
    return Resource(own).merge(OTELResourceDetector().detect())


class _Ended(SpanProcessor):
    """Counts the spans."""

    def on_start(self, span: Span, parent_context: object = None) -> None:
        """Nothing: only ended spans count."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take note of one."""
        if span.context is not None and span.context.trace_flags.sampled:
            SPANS.labels("ended").inc()


class _Counted(SpanExporter):
    """Counts what became of the spans that ``exporter`` was given."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export them."""
        result = self._exporter.export(spans)
        SPANS.labels("sent" if result is SpanExportResult.SUCCESS else "failed").inc(len(spans))
        return result

    def shutdown(self) -> None:
        """End it."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits."""
        return self._exporter.force_flush(timeout_millis)
