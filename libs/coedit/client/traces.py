"""A program's own traces, gone on with by the server: needs OpenTelemetry, as the extra [otel] brings it."""

import aiohttp


def current_traceparent() -> str:
    """Return what names the span that the program is in; empty: it is in none, or that is not sampled.

    Raises:
        ImportError: OpenTelemetry is not installed.
    """
    from opentelemetry import trace  # noqa: PLC0415 - only for programs that want traces

    context = trace.get_current_span().get_span_context()
    if not context.is_valid or not context.trace_flags.sampled:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def tracing_configs(*, traces: bool) -> list[aiohttp.TraceConfig]:
    """Return what makes a span of each call over HTTP, whose head says what it is a part of; without ``traces`` none.

    Not for a WebSocket: that would be one span for as long as it lasts.

    Raises:
        ImportError: OpenTelemetry's instrumentation of aiohttp's client is not installed.
    """
    if not traces:
        return []
    from opentelemetry.instrumentation.aiohttp_client import create_trace_config  # noqa: PLC0415 - as above

    return [create_trace_config()]
