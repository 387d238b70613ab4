"""Traces by OpenTelemetry, where they are asked for; nothing else of the servers imports it."""
