"""Work that may end whoever does it: noted in Redis while it is done, so that it is not begun again for ever.

An input may end a process: by a defect below Python, by memory, by a call that never comes back. Whoever takes the
process's place finds the same work, begins it again, and ends as well. So work is noted where it begins, by who begins
it; what others noted is what they did not finish. Then it is done alone, so that nothing is blamed for what was done
beside it, and at last it is refused.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass

from coedit.errors import TooCostlyError
from coedit.identifiers import DocumentId
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script

logger = logging.getLogger(__name__)

_NORMAL, _APART, _REFUSED = "normal", "apart", "refused"
_NORMAL_MOST = 2
"""So many may begin in vain among other work before it is begun apart."""
_APART_MOST = 2
"""So many may begin it apart in vain before it is refused."""
_PATIENCE_SECONDS = 60.0
"""After so long work begins although somebody else is at it, who may never end."""
_KEPT_MS = 3_600_000
"""After so long without a try all is forgotten: processes are killed now and then by no fault of their work."""


@dataclass(frozen=True, slots=True)
class Care:
    """How something is to be begun: ``is_apart``, alone; ``is_refused``, not at all.

    ``is_blind``: whoever refused it ended as well, so that it is not even to be read.
    """

    is_apart: bool = False
    is_refused: bool = False
    is_blind: bool = False

    @classmethod
    def after(cls, modes: Sequence[str]) -> "Care":
        """Return what follows from how others began, each of whom did not finish."""
        apart = modes.count(_APART)
        return cls(
            is_apart=apart > 0 or len(modes) >= _NORMAL_MOST,
            is_refused=apart >= _APART_MOST,
            is_blind=apart > _APART_MOST,
        )

    @property
    def mode(self) -> str:
        """How it is noted."""
        return _APART if self.is_apart else _NORMAL


class Tries:
    """The notes of the process that has this ``token``; ``on_refused`` is told the kind of what is refused."""

    def __init__(
        self,
        nodes: Nodes,
        token: str,
        shard_of: Callable[[DocumentId], Shard],
        on_refused: Callable[[str], None],
    ) -> None:
        self._nodes = nodes
        self._token = token
        self._shard_of = shard_of
        self._on_refused = on_refused
        self._note = Script("note_try.lua")
        self._unfinished: dict[str, Shard] = {}
        """What failed here, and whose note may still be in Redis."""
        self._turns = _Turns()

    @asynccontextmanager
    async def noted(
        self, kind: str, document_id: DocumentId, which: str = "", *, takes_turn: bool = True
    ) -> AsyncIterator[None]:
        """Do work on a document that may end this process; ``which`` tells it from other work of its kind there.

        ``takes_turn``: it is done alone if it ended several; without it nobody waits.

        What fails, or is called off, ended nobody, and is not held against the work.

        Raises:
            TooCostlyError: it ended several who tried; for about an hour it is not begun again.
            RedisError, OSError: it cannot be noted now, and was not begun; or it is done and the note may be left.
        """
        shard = self._shard_of(document_id)
        key = shard.tried(f"{kind}{which}", document_id)
        await self._take_back(shard)
        is_alone = not takes_turn
        while True:
            async with self._turns.taken(is_alone=is_alone) if takes_turn else nullcontext():
                mode = await self._begin(shard, key, is_alone=is_alone)
                if mode == _REFUSED:
                    raise self._refused(kind, document_id)
                if mode == _NORMAL or is_alone:
                    async with self._finished(shard, key):
                        yield
                    return
            is_alone = True

    async def _begin(self, shard: Shard, key: str, *, is_alone: bool) -> str:
        arguments = (self._token, _NORMAL_MOST, _APART_MOST, _KEPT_MS, int(is_alone))
        answer: bytes = await self._note.run(self._nodes.at(shard), [key], arguments)
        return answer.decode()

    @asynccontextmanager
    async def _finished(self, shard: Shard, key: str) -> AsyncIterator[None]:
        """Take back the notes of what is finished, or one's own of what fails."""
        try:
            yield
        except BaseException:
            self._unfinished[key] = shard
            await self._take_back(shard)
            raise
        try:
            await self._nodes.at(shard).delete(key)
        except TROUBLE:
            self._unfinished[key] = shard
            raise

    async def _take_back(self, shard: Shard) -> None:
        """Take back the notes of what failed here; where Redis cannot be reached, when something is begun next.

        A note that stays says that this process ended by it: so many lost connections, and honest work is refused.
        """
        keys = [key for key, of in self._unfinished.items() if of == shard]
        if not keys:
            return
        try:
            async with self._nodes.at(shard).pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.hdel(key, self._token)
                await pipe.execute()
        except TROUBLE:
            return
        for key in keys:
            self._unfinished.pop(key, None)

    def _refused(self, kind: str, document_id: DocumentId) -> TooCostlyError:
        self._on_refused(kind)
        facts = {"event": "given-up", "work": kind, "document_id": document_id}
        logger.error("work that ended whoever began it is not begun again for an hour", extra=facts)
        return TooCostlyError("this ended the processes that dealt with it")


class _Turns:
    """Many at once, or one alone; whoever never comes back is waited for only so long."""

    def __init__(self) -> None:
        self._at_work = 0
        self._wanted_alone = 0
        """How many are alone, or wait to be."""
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def taken(self, *, is_alone: bool) -> AsyncIterator[None]:
        self._wanted_alone += is_alone
        try:
            await self._until_free(is_alone=is_alone)
            self._at_work += 1
            try:
                yield
            finally:
                self._at_work -= 1
        finally:
            self._wanted_alone -= is_alone
            self._changed.set()
            self._changed = asyncio.Event()

    async def _until_free(self, *, is_alone: bool) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while self._at_work if is_alone else self._wanted_alone:
                    await self._changed.wait()
