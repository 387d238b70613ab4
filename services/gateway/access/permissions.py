"""What somebody may do with a document: as the token says, or as the application does when it is asked.

An application that changes rights says so, to whichever gateway; all of them hear of it (`orders`). With a hook it is
asked again. Without one tokens from before count no more for what was changed, and their clients bring new ones.
"""

import asyncio
import hashlib
import time
from dataclasses import dataclass

import orjson

from coedit.errors import UnauthorizedError, UndecidedError
from coedit.identifiers import AuthorId, DocumentId
from coedit.protocol.grants import Facets
from coedit.protocol.tokens import Identity
from services.gateway.access.permission_hook import PermissionHook
from services.gateway.settings import GatewaySettings

_MOST_KNOWN = 10_000
"""So many answers of the hook, and so many changes, are remembered; then the oldest go."""
_ATTEMPTS = 3
_Key = tuple[AuthorId, DocumentId, bytes]


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whose rights, and on which document; None: everybody's, every one."""

    author: AuthorId | None = None
    document_id: DocumentId | None = None

    def covers(self, author: AuthorId, document_id: DocumentId) -> bool:
        """Return whether it is about this."""
        return self.author in (None, author) and self.document_id in (None, document_id)


class Permissions:
    """Decides for one gateway; with a hook, an answer counts for ``COEDIT_PERMISSION_KEPT_SECONDS``."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._hook = PermissionHook(settings) if settings.permission_url else None
        self._kept_seconds = settings.permission_kept_seconds
        self._answers: dict[_Key, tuple[Facets, float]] = {}
        """With until when each counts."""
        self._changes: dict[Concerned, float] = {}
        """When rights were changed last, in seconds since 1970, by the clock of Redis."""
        self._version = 0
        self.knows_changes = False
        """Whether what was changed before this gateway began has been read."""

    async def of(self, identity: Identity, document_id: DocumentId) -> Facets:
        """Return what somebody may do with a document.

        Raises:
            UnauthorizedError: the rights have changed since the token was made.
            UndecidedError: that cannot be found out now.
        """
        if not identity.claims:
            return identity.grants.facets(document_id)  # open mode: nobody was asked for anything
        if self._hook is not None:
            return await self._asked(self._hook, identity, document_id)
        if not self.knows_changes:
            raise UndecidedError("whose rights were changed is not known yet; try again")
        if self._changed_at(identity.author, document_id) > identity.issued_at:
            raise UnauthorizedError("the rights have changed since the token was made: bring a new one")
        return identity.grants.facets(document_id)

    def change(self, concerned: Concerned, at: float) -> None:
        """Take note that rights were changed ``at`` that time: what was known of them counts no more."""
        self._version += 1
        self._changes.pop(concerned, None)
        self._changes[concerned] = at
        if len(self._changes) > _MOST_KNOWN:
            del self._changes[next(iter(self._changes))]
        for key in [key for key in self._answers if concerned.covers(key[0], key[1])]:
            del self._answers[key]

    async def aclose(self) -> None:
        """Close the hook's connections."""
        if self._hook is not None:
            await self._hook.aclose()

    def _changed_at(self, author: AuthorId, document_id: DocumentId) -> float:
        keys = (
            Concerned(),
            Concerned(author),
            Concerned(None, document_id),
            Concerned(author, document_id),
        )
        return max(self._changes.get(key, float("-inf")) for key in keys)

    async def _asked(self, hook: PermissionHook, identity: Identity, document_id: DocumentId) -> Facets:
        claims = orjson.dumps(identity.claims, option=orjson.OPT_SORT_KEYS)
        key = identity.author, document_id, hashlib.blake2b(claims, digest_size=16).digest()
        known = self._answers.get(key)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        for _ in range(_ATTEMPTS):
            version = self._version
            granted = await hook.ask(identity, document_id)
            if version == self._version:  # else it may be from before the change
                self._keep(key, granted)
                return granted
            await asyncio.sleep(0)
        raise UndecidedError("rights are being changed all the time; try again")

    def _keep(self, key: _Key, granted: Facets) -> None:
        if self._kept_seconds <= 0:
            return
        self._answers.pop(key, None)
        self._answers[key] = granted, time.monotonic() + self._kept_seconds
        if len(self._answers) > _MOST_KNOWN:
            del self._answers[next(iter(self._answers))]
