"""What somebody may do with a document: as the token says, or as the application does when it is asked.

An application that changes rights says so, to whichever gateway; all of them hear of it (`orders`). With a hook it is
asked again. Without one tokens from before count no more for what was changed, and their clients bring new ones.
"""

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass

from coedit.errors import StaleTokenError, UndecidedError
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
        self._asking: dict[_Key, asyncio.Task[Facets]] = {}
        self._changes: dict[Concerned, float] = {}
        """When rights were changed last, in seconds since 1970, by the clock of Redis."""
        self._floor = float("-inf")
        """Up to when a change of any rights may have been forgotten."""
        self.knows_changes = False
        """Whether what was changed before this gateway began has been read."""

    @property
    def is_asked(self) -> bool:
        """Whether the application is asked for each document."""
        return self._hook is not None

    async def of(self, identity: Identity, document_id: DocumentId) -> Facets:
        """Return what somebody may do with a document.

        Raises:
            StaleTokenError: the rights have changed since the token was made.
            UndecidedError: that cannot be found out now.
            OverloadedError: too much is asked for the same author.
        """
        if not identity.claims:
            return identity.grants.facets(document_id)  # open mode: nobody was asked for anything
        if self._hook is not None:
            return await self._asked(self._hook, identity, document_id)
        self.check_fresh(identity, document_id)
        return identity.grants.facets(document_id)

    def check_fresh(self, identity: Identity, document_id: DocumentId | None) -> None:
        """Refuse a token from before a change of its author's rights, on a document or on all.

        What is granted for no document in particular comes from the token also where there is a hook.

        Raises:
            StaleTokenError: it is.
            UndecidedError: that cannot be found out now.
        """
        if not identity.claims:
            return
        if not self.knows_changes:
            raise UndecidedError("whose rights were changed is not known yet; try again")
        if self._changed_at(identity.author, document_id) > identity.issued_at:
            raise StaleTokenError("the rights have changed since the token was made: bring a new one")

    def change(self, concerned: Concerned, at: float) -> None:
        """Take note that rights were changed ``at`` that time: what was known of them counts no more."""
        self._changes.pop(concerned, None)
        self._changes[concerned] = at
        if len(self._changes) > _MOST_KNOWN:
            # What is forgotten counts for everybody: a token from before may be one that it was about.
            self.forgot_up_to(self._changes.pop(next(iter(self._changes))))
        for key in [key for key in self._answers if concerned.covers(key[0], key[1])]:
            del self._answers[key]
        for key in [key for key in self._asking if concerned.covers(key[0], key[1])]:
            del self._asking[key]

    def forgot_up_to(self, at: float) -> None:
        """Take note that changes up to a time may not be known any more."""
        self._floor = max(self._floor, at)

    async def aclose(self) -> None:
        """Close the hook's connections."""
        if self._hook is not None:
            await self._hook.aclose()

    def _changed_at(self, author: AuthorId, document_id: DocumentId | None) -> float:
        keys = [Concerned(), Concerned(author)]
        if document_id is not None:
            keys += [Concerned(None, document_id), Concerned(author, document_id)]
        return max(self._floor, *(self._changes.get(key, float("-inf")) for key in keys))

    async def _asked(self, hook: PermissionHook, identity: Identity, document_id: DocumentId) -> Facets:
        claims = json.dumps(identity.claims, sort_keys=True).encode()
        key = identity.author, document_id, hashlib.blake2b(claims, digest_size=16).digest()
        for _ in range(_ATTEMPTS):
            known = self._answers.get(key)
            if known is not None and known[1] > time.monotonic():
                return known[0]
            asking = self._asking.get(key)
            if asking is None:
                asking = asyncio.get_running_loop().create_task(hook.ask(identity, document_id))
                self._asking[key] = asking
                asking.add_done_callback(lambda done: done.cancelled() or done.exception())
            try:
                granted = await asyncio.shield(asking)
            finally:
                is_newest = self._asking.get(key) is asking
                if is_newest and asking.done():
                    del self._asking[key]
            if is_newest:  # else it may be from before a change
                self._keep(key, granted)
                return granted
        raise UndecidedError("rights are being changed all the time; try again")

    def _keep(self, key: _Key, granted: Facets) -> None:
        if self._kept_seconds <= 0:
            return
        self._answers.pop(key, None)
        self._answers[key] = granted, time.monotonic() + self._kept_seconds
        if len(self._answers) > _MOST_KNOWN:
            del self._answers[next(iter(self._answers))]
