"""Settings from the environment: one frozen class per service, all with the prefix ``COEDIT_``."""

import os
from typing import Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, TypeAdapter, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "COEDIT_"
SERVICES = ("GATEWAY", "TRANSFORMER", "PRESENCE", "SNAPSHOTTER")
_OF_ONE_SERVICE = {
    "GATEWAY": ("COEDIT_TOKEN_", "COEDIT_PERMISSION_", "COEDIT_TRASH_"),
    "SNAPSHOTTER": ("COEDIT_WEBHOOK_",),
}
"""Prefixes of settings that a service has beside its own."""
_OTHERS = frozenset(
    # what Makefile, compose and the tests read, and no service does
    {
        "COEDIT_REQUIRE",
        "COEDIT_TRACES",
        "COEDIT_VECTORS",
        "COEDIT_URL",
        "COEDIT_TOKEN",
        "COEDIT_DATA",
        "COEDIT_ACL",
    }
)

_REDIS_URL = "redis://127.0.0.1:6379/0"
_LOGIN = {"redis_url": _REDIS_URL, "redis_user": "", "redis_password": ""}
Durability = Literal["memory", "fsync", "replicated"]


class SettingsError(Exception):
    """The environment holds something that coedit does not understand; the message says what and why."""


class SharedSettings(BaseSettings):
    """What every service must agree on."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    secret: SecretStr = Field(min_length=16)
    """Signs tokens and chains commits; the same in every process, and kept apart from Redis's data."""
    old_secrets: SecretStr = SecretStr("")
    """A secret that was used before, or a JSON list of several: what it signed and chained is still accepted."""
    redis_url: str = _REDIS_URL
    """``redis://``, ``rediss://`` (TLS), ``unix://``, ``redis+sentinel://`` or ``redis+cluster://``."""
    redis_user: str = ""
    """The user of Redis's ACL, where the URL names none; empty: ``default``."""
    redis_password: SecretStr = SecretStr("")
    """That user's password, where the URL names none; empty: nobody logs in."""
    object_store_url: str = "file:///var/lib/coedit/objects"
    """Where snapshots and history go: ``file://``, ``s3://``, ``gs://``, ``az://``, ``memory://``."""
    object_store_endpoint: str = ""
    """For S3-compatible stores: the address to use instead of the provider's own."""
    object_store_region: str = ""
    """Of an S3 bucket; empty: what the environment says (``AWS_REGION``)."""
    durability: Durability = "fsync"
    """What an ack promises: ``memory`` (Redis has it), ``fsync`` (on disk), ``replicated`` (on the replicas too)."""
    replica_count: int = Field(default=1, ge=1)
    """How many replicas each master has, all of which must have an edit before it is acked, at ``replicated``."""
    shard_count: int = Field(default=64, ge=1, le=4096)
    """Fixed for a deployment's whole life."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Logs are JSON lines on standard error."""
    trace_documents: bool = False
    """Whether traces may say which document they are about; where they go is set by the standard ``OTEL_…``."""
    stall_seconds: float = Field(default=60.0, ge=0)
    """A process whose event loop stands still for so long ends itself, to be started again; 0: it never does."""
    health_host: str = "127.0.0.1"
    """Where a service answers health and metrics, at a port of its own: nothing for clients to reach."""

    @model_validator(mode="before")
    @classmethod
    def _log_in(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Put user and password into Redis's URL, so that whoever connects is that user."""
        url, user, password = (given.get(name, default) for name, default in _LOGIN.items())
        if isinstance(password, SecretStr):
            password = password.get_secret_value()
        parts = urlsplit(url)
        if not password or "@" in parts.netloc:
            return given
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return given | {"redis_url": urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))}

    def chain_secrets(self) -> tuple[bytes, list[bytes]]:
        """Return the secret that chains commits, and those that did so before."""
        current, *old = self.all_secrets()
        return current.encode(), [secret.encode() for secret in old]

    def all_secrets(self) -> list[str]:
        """Return the secret, then those that were used before."""
        old = self.old_secrets.get_secret_value()
        several = TypeAdapter(list[str]).validate_json(old) if old.startswith("[") else [old]
        return [self.secret.get_secret_value(), *filter(None, several)]


def refuse_unknown(
    settings: type[BaseSettings], service: str, environment: dict[str, str] | None = None
) -> None:
    """Refuse a ``COEDIT_`` variable that no setting has; pydantic-settings would pass over a misspelt one.

    Names with another service's prefix (``COEDIT_GATEWAY_…``) are that service's to check.

    Raises:
        SettingsError: names the variables.
    """
    known = {PREFIX + name.upper() for name in settings.model_fields} | _OTHERS
    others = tuple(f"{PREFIX}{other}_" for other in SERVICES if other != service.upper())
    for owner, prefixes in _OF_ONE_SERVICE.items():
        others += () if service.upper() == owner else prefixes
    found = [
        name
        for name in (os.environ if environment is None else environment)
        if name.upper().startswith(PREFIX)
    ]
    unknown = sorted(
        name for name in found if name.upper() not in known and not name.upper().startswith(others)
    )
    if unknown:
        raise SettingsError(
            f"unknown settings: {', '.join(unknown)}; known are {', '.join(sorted(known - _OTHERS))}"
        )
