"""What the standard ``OTEL_`` variables say of traces. Source: OpenTelemetry, SDK environment variables."""

from collections.abc import Mapping

_SPOKEN = "http/protobuf"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Return whether traces are asked for: by an address to send them to, unless they are turned off."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none":
        return False
    if environment.get("OTEL_TRACES_SAMPLER", "").strip().lower() == "always_off":
        return False
    return exporter == "otlp" or any(environment.get(name) for name in _ENDPOINTS)


def why_not(environment: Mapping[str, str]) -> str:
    """Return why what is asked for cannot be done; empty: it can."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter not in ("", "otlp"):
        return f"OTEL_TRACES_EXPORTER={exporter}: only otlp is known"
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", _SPOKEN
    )
    return "" if protocol == _SPOKEN else f"OTLP over {protocol}: only {_SPOKEN} is spoken"
