"""Traces are made where the standard variables ask for them."""

import logging

import pytest

from coedit.runtime.tracing.active import TRACES
from coedit.runtime.tracing.begin import begin_traces
from coedit.runtime.tracing.environment import is_wanted, why_not

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "false"}, True),
        (ENDPOINT | {"OTEL_TRACES_SAMPLER": "always_off"}, False),
    ],
)
def test_traces_are_wanted_where_they_have_somewhere_to_go(
    environment: dict[str, str], *, wanted: bool
) -> None:
    assert is_wanted(environment) is wanted


@pytest.mark.parametrize(
    ("more", "is_possible"),
    [
        ({}, True),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
        (
            {
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            True,
        ),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, False),
    ],
)
def test_what_is_not_spoken_is_said(more: dict[str, str], *, is_possible: bool) -> None:
    assert (why_not(ENDPOINT | more) == "") is is_possible


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1000000"),
    ],
)
def test_process_goes_on_without_traces_that_cannot_be_made(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(name, value)
    with caplog.at_level(logging.ERROR):
        begin_traces("gateway", names_documents=False)()
    assert TRACES.tracer is None
    assert [vars(record)["event"] for record in caplog.records if record.name.startswith("coedit")] == [
        "no-traces"
    ]
