"""A tracer whose spans stay in memory."""

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from coedit.runtime.tracing.install import install_with

Begin = Callable[..., InMemorySpanExporter]


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """A function that begins to trace, by a sampler, and returns where the spans are."""
    closing: list[Callable[[], None]] = []

    def begin(
        sampler: str = "parentbased_always_on", argument: str = "", *, names_documents: bool = False
    ) -> InMemorySpanExporter:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
        spans = InMemorySpanExporter()
        closing.append(install_with("test", [SimpleSpanProcessor(spans)], names_documents=names_documents))
        return spans

    yield begin
    for close in closing:
        close()
