"""Documents at the moments that requests name; few histories are gone through at a time, each for a bounded time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from coedit.errors import DivergedError, HistoryTooLongError
from coedit.identifiers import AuthorId, DocumentId, Revision
from coedit.protocol.moments import AtRevision, AtTime, AtVersion, Moment
from coedit.runtime.tracing.active import observe
from coedit.store.documents.history import History, Past, Place
from coedit.store.objects.versions import Versions
from services.gateway.heavy.places import Places
from services.gateway.metrics import HISTORY_SECONDS

_REPLAYS = 2
"""So many histories are gone through at a time; each keeps a thread busy."""
_REPLAY_SECONDS = 60.0


class Moments:
    """Finds documents as they were."""

    def __init__(self, history: History, versions: Versions) -> None:
        self._history = history
        self._versions = versions
        self._replays = Places("history", _REPLAYS)

    async def past(self, document_id: DocumentId, moment: Moment) -> Past:
        """Return the document at a moment.

        Raises:
            DivergedError: the revision is another one than when it was named.
            RedisError, OSError, CoeditError: see `History.at`.
        """
        past = await self._history.at(document_id, await self.revision(document_id, moment))
        if isinstance(moment, AtVersion):
            version = await self._versions.read(document_id, moment.name)
            if version.mac != past.mac:
                raise DivergedError(f"revision {past.revision} is another one than when it was named")
        return past

    async def head(self, document_id: DocumentId) -> Place:
        """Return where a document stands; see `History.head`."""
        return await self._history.head(document_id)

    async def base(self, document_id: DocumentId, revision: int | None) -> Past:
        """Return the document that an edit is made on: at a revision, or at the head; raises as `past` does."""
        if revision is None:
            revision = (await self._history.head(document_id)).revision
        return await self._history.at(document_id, revision)

    async def revision(self, document_id: DocumentId, moment: Moment) -> Revision:
        """Return the revision that a moment means; raises as `past` does."""
        match moment:
            case AtRevision(revision):
                return revision
            case AtTime(at):
                return await self._history.revision_at(document_id, at)
            case AtVersion(name):
                return (await self._versions.read(document_id, name)).revision
        return (await self._history.head(document_id)).revision

    @asynccontextmanager
    async def replaying(self, what: str, author: AuthorId) -> AsyncIterator[None]:
        """Go through a history when it is the author's turn.

        Raises:
            OverloadedError: it does not become one's turn.
            HistoryTooLongError: it takes too long.
        """
        async with self._replays.taken(author):
            started = perf_counter()
            try:
                async with asyncio.timeout(_REPLAY_SECONDS):
                    yield
            except TimeoutError as error:
                raise HistoryTooLongError(
                    f"going through it took more than {_REPLAY_SECONDS:.0f} s"
                ) from error
            finally:
                observe(HISTORY_SECONDS.labels(what), perf_counter() - started)
