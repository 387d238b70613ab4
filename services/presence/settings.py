"""Settings of the presence service."""

from pydantic import Field

from coedit.runtime.settings import SharedSettings


class PresenceSettings(SharedSettings):
    """What the presence service reads from the environment, each as ``COEDIT_`` and the name in capitals."""

    presence_health_port: int = Field(default=8082, ge=0, le=65535)
    """Health and metrics."""
    presence_tick_seconds: float = Field(default=0.05, gt=0, le=5)
    """How long changes are gathered; a document is announced at most once in it."""
    presence_ttl_seconds: float = Field(default=30.0, ge=1, le=3600)
    """How long somebody is present without a sign of life; gateways give three in that time."""
    presence_lease_seconds: float = Field(default=5.0, ge=0.5, le=300)
    """After how long the shards of a service that died go to another."""
