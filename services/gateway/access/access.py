"""Who speaks, and from where."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from coedit.errors import ForbiddenError, InvalidRequestError, UnauthorizedError, UnknownTokenKeyError
from coedit.identifiers import AuthorId, ClientId, DocumentId, author_id
from coedit.protocol.grants import EVERYTHING, Facet, Facets
from coedit.protocol.tokens import Identity, check_resume_token, read_access_token
from coedit.runtime.foreign_pages import is_loopback
from coedit.runtime.settings import SettingsError
from coedit.store.objects.spans import Span, beginning_with, granted_spans
from services.gateway.access.key_ring import KeyRing
from services.gateway.access.permissions import Permissions
from services.gateway.limits.authors import Authors
from services.gateway.settings import GatewaySettings


class Access:
    """Decides about tokens and origins by the gateway's settings; ``time_of_day`` says when a token has expired, and
    ``authors`` how much one author may ask for.

    Raises:
        SettingsError: open development mode on an address that others can reach, or keys of tokens that are none.
    """

    def __init__(self, settings: GatewaySettings, time_of_day: Callable[[], float], authors: Authors) -> None:
        self.authors = authors
        self._time_of_day = time_of_day
        self._is_open = settings.gateway_open
        self._secrets = settings.all_secrets()
        self.ring = KeyRing(settings)
        """The keys of others who make tokens."""
        self.permissions = Permissions(settings)
        self._origins = frozenset(filter(None, map(str.strip, settings.gateway_origins.split(","))))
        if self._is_open and not is_loopback(settings.gateway_host):
            raise SettingsError(
                f"COEDIT_GATEWAY_OPEN asks nobody for a token, and {settings.gateway_host} is not loopback: "
                "listen on 127.0.0.1, or leave the open mode and give out tokens"
            )

    async def identify(self, token: str | None, author: str | None) -> Identity:
        """Return whom a token names; in open mode without one, whoever one says.

        Raises:
            UnauthorizedError: a token is missing or not valid.
            UndecidedError: whether it is cannot be found out now.
        """
        if token:
            return await self._read(token)
        if not self._is_open:
            raise UnauthorizedError("a token is needed")
        return Identity(author_id(author or "guest"), EVERYTHING)

    async def facets(self, identity: Identity, document_id: DocumentId) -> Facets:
        """Return what somebody may do with a document.

        Raises:
            UnauthorizedError: the rights have changed since the token was made.
            UndecidedError: that cannot be found out now.
        """
        return await self.permissions.of(identity, document_id)

    def spans(self, identity: Identity, facet: Facet) -> list[Span]:
        """Return among which documents somebody may be granted a facet: `facets` says of each whether it is.

        Raises:
            UnauthorizedError: the rights have changed since the token was made.
            UndecidedError: that cannot be found out now.
        """
        if identity.claims and self.permissions.is_asked:
            return [beginning_with("")]
        self.permissions.check_fresh(identity, None)
        return granted_spans(identity.grants, facet)

    async def _read(self, token: str) -> Identity:
        now = self._time_of_day()
        identity = await self._read_at(token, now)
        if identity.expires_at is None:
            return identity
        # Whoever waits for its end looks at this machine's clock.
        return replace(identity, expires_at=identity.expires_at - now + time.time())

    async def _read_at(self, token: str, now: float) -> Identity:
        for old in self._secrets[1:]:
            with suppress(UnknownTokenKeyError):
                return read_access_token(old, token, now)
        try:
            return read_access_token(self._secrets[0], token, now)
        except UnknownTokenKeyError:
            if not self.ring:
                raise
        return await self.ring.read(token, now)

    def check_resume(self, client_id: ClientId, author: AuthorId, token: str) -> None:
        """Refuse a client id that was not issued to ``author``.

        Raises:
            UnauthorizedError: the token does not fit.
        """
        for old in self._secrets[1:]:
            with suppress(UnauthorizedError):
                return check_resume_token(old, client_id, author, token)
        return check_resume_token(self._secrets[0], client_id, author, token)

    def is_named(self, origin: str) -> bool:
        """Return whether the settings name the origin as one whose pages may use what is here."""
        return "*" in self._origins or origin in self._origins

    def check_origin(self, origin: str | None, host: str) -> None:
        """Refuse a page of somebody else's; ``host`` is the address that was asked for. Programs send no origin.

        Raises:
            ForbiddenError: the origin is not allowed.
            InvalidRequestError: the origin or the host is none.
        """
        if self._is_open and not is_loopback(_split(f"//{host}").hostname or ""):
            raise ForbiddenError("in open mode this server answers only to a loopback address")
        if origin is None or self.is_named(origin):
            return
        if self._origins or _split(origin).netloc != host:
            raise ForbiddenError("the page's origin is not allowed")


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # brackets that hold no address, characters that would be others when normalized
        raise InvalidRequestError("the origin or the host is no address") from None
