"""Places for work that keeps a processor or much memory busy: few, and shared out by author before by process.

An author has one place at a time, and stands in a line of its own for it; only the first of each line waits for one of
the process's places. So whoever asks for much waits behind itself, and others do not notice.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from coedit.errors import OverloadedError
from coedit.identifiers import AuthorId
from services.gateway.metrics import NO_PLACE

logger = logging.getLogger(__name__)

_LONGEST_SECONDS = 60
_WEIGHT = 0.2
"""How much the newest counts in what is usual."""


class _Line:
    """One author's requests: one is at work or next, the others wait behind it."""

    def __init__(self) -> None:
        self.turn = asyncio.Semaphore(1)
        self.count = 0


class Places:
    """So many at once, one for an author; ``what`` names the work in errors, logs and metrics.

    ``most_of_one``: so many requests of one author may wait or be worked on.
    """

    def __init__(self, what: str, at_once: int, wait_seconds: float = 10.0, *, most_of_one: int = 16) -> None:
        self._what = what
        self._at_once = at_once
        self._wait_seconds = wait_seconds
        self._most_of_one = most_of_one
        self._free = asyncio.Semaphore(at_once)
        self._lines: dict[AuthorId, _Line] = {}
        self._usual_seconds = 1.0

    @asynccontextmanager
    async def taken(self, author: AuthorId) -> AsyncIterator[None]:
        """Work in a place, when it is the author's turn.

        Raises:
            OverloadedError: it does not become its turn in time; says after how long to ask again.
        """
        line = self._lines.setdefault(author, _Line())
        if line.count >= self._most_of_one:
            raise self._refused(line)
        line.count += 1
        try:
            await self._wait(line)
            began_at = asyncio.get_running_loop().time()
            try:
                yield
            finally:
                self._free.release()
                line.turn.release()
                seconds = asyncio.get_running_loop().time() - began_at
                self._usual_seconds += _WEIGHT * (seconds - self._usual_seconds)
        finally:
            line.count -= 1
            if not line.count:
                del self._lines[author]

    async def _wait(self, line: _Line) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await line.turn.acquire()
                try:
                    await self._free.acquire()
                except asyncio.CancelledError:
                    line.turn.release()
                    raise
        except TimeoutError as error:
            raise self._refused(line) from error

    def _refused(self, line: _Line) -> OverloadedError:
        ahead = max(line.count, len(self._lines) / self._at_once)
        seconds = min(_LONGEST_SECONDS, max(1, math.ceil(self._usual_seconds * ahead)))
        NO_PLACE.labels(self._what).inc()
        logger.info("a request found no place", extra={"event": "no-place", "what": self._what})
        return OverloadedError(f"too much to do ({self._what}); ask again in {seconds} s", seconds)
