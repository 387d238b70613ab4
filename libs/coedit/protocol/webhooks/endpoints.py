"""Whom an operator wants to be told, of what, and by which secrets that is signed."""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from coedit.protocol.standard_webhooks import secrets_of
from coedit.protocol.webhooks.events import EVENTS, EventType

NAME = re.compile("[a-z0-9][a-z0-9-]{0,31}")
"""What an endpoint may be called; it stands in keys, logs and addresses."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that is told of ``events``, by the name that the operator gave it."""

    name: str
    url: str
    keys: tuple[bytes, ...]
    """What signs; several while one takes over."""
    events: frozenset[EventType]

    @property
    def digest(self) -> str:
        """What tells whether a name means another address than before, without saying which."""
        return blake2b(self.url.encode(), digest_size=8).hexdigest()


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str
    secret: SecretStr
    events: list[EventType] = Field(default_factory=lambda: list(EVENTS), min_length=1)


_ALL: TypeAdapter[dict[str, _Said]] = TypeAdapter(
    Annotated[dict[str, _Said], Field(max_length=20)], config=ConfigDict(hide_input_in_errors=True)
)


def endpoints_of(text: str, *, private: bool) -> list[Endpoint]:
    """Return the endpoints of a setting: a JSON map of names to ``{url, secret, events}``; empty: none.

    With ``private`` an address may be plain ``http``.

    Raises:
        ValueError: it is none; says what is wrong, without a secret.
    """
    if not text.strip():
        return []
    try:
        said = _ALL.validate_json(text)
    except ValidationError as error:
        raise ValueError("; ".join(map(_what_is_wrong, error.errors(include_input=False)))) from None
    return [_endpoint(name, one, private=private) for name, one in said.items()]


def _what_is_wrong(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg']}" if where else str(error["msg"])


def _endpoint(name: str, said: _Said, *, private: bool) -> Endpoint:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: small letters, digits and hyphens, at most 32")
    parts = urlsplit(said.url)
    schemes = ("https", "http") if private else ("https",)
    if parts.scheme not in schemes or not parts.hostname or parts.username is not None:
        raise ValueError(f"{name}: the url is not {' or '.join(f'{scheme}://…' for scheme in schemes)}")
    try:
        keys = secrets_of(said.secret.get_secret_value())
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not keys:
        raise ValueError(f"{name}: there is no secret")
    return Endpoint(name, said.url, tuple(keys), frozenset(said.events))
