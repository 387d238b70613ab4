"""Places for work that keeps a processor or much memory busy: few, and shared out by author before by process.

An author has so many places at most, which is one where the work is heavy, and stands in a line of its own for more.
Where the process has none left, the next that is free is for whoever has fewest, and of those for whoever was not
served for longest. So whoever asks for much waits behind itself, and others hardly notice.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from coedit.errors import OverloadedError
from coedit.identifiers import AuthorId
from services.gateway.metrics import NO_PLACE

logger = logging.getLogger(__name__)

_LONGEST_SECONDS = 60
_WEIGHT = 0.2
"""How much the newest counts in what is usual."""


class _Line:
    """One author's requests: some are at work, the others wait for their turns."""

    def __init__(self) -> None:
        self.at_work = 0
        self.turns: deque[asyncio.Future[None]] = deque()

    @property
    def count(self) -> int:
        """How many requests are here."""
        return self.at_work + len(self.turns)

    @property
    def waits(self) -> bool:
        """Whether somebody waits who is not about to leave."""
        while self.turns and self.turns[0].done():
            self.turns.popleft()
        return bool(self.turns)


class Places:
    """So many at once, ``at_once_of_one`` for an author; ``what`` names the work in errors, logs and metrics.

    ``most_of_one``: so many requests of one author may wait or be worked on.
    """

    def __init__(
        self,
        what: str,
        at_once: int,
        wait_seconds: float = 10.0,
        *,
        at_once_of_one: int = 1,
        most_of_one: int = 16,
    ) -> None:
        self._what = what
        self._at_once = at_once
        self._wait_seconds = wait_seconds
        self._at_once_of_one = at_once_of_one
        self._most_of_one = most_of_one
        self._free = at_once
        self._lines: dict[AuthorId, _Line] = {}
        """Those who were served last stand last."""
        self._usual_seconds = 1.0

    @asynccontextmanager
    async def taken(self, author: AuthorId) -> AsyncIterator[None]:
        """Work in a place, when it is the author's turn.

        Raises:
            OverloadedError: it does not become its turn in time; says after how long to ask again.
        """
        await self._wait(author)
        began_at = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self._give_back(author)
            seconds = asyncio.get_running_loop().time() - began_at
            self._usual_seconds += _WEIGHT * (seconds - self._usual_seconds)

    async def _wait(self, author: AuthorId) -> None:
        line = self._lines.setdefault(author, _Line())
        if line.count >= self._most_of_one:
            raise self._refused(line)
        turn = asyncio.get_running_loop().create_future()
        line.turns.append(turn)
        self._serve()
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except TimeoutError as error:
            refused = self._refused(line)
            self._leave(author, turn)
            raise refused from error
        except asyncio.CancelledError:
            self._leave(author, turn)
            raise

    def _serve(self) -> None:
        """Give out what is free."""
        while self._free:
            waiting = [
                line for line in self._lines.values() if line.at_work < self._at_once_of_one and line.waits
            ]
            if not waiting:
                return
            line = min(waiting, key=lambda line: line.at_work)
            self._free -= 1
            line.at_work += 1
            line.turns.popleft().set_result(None)

    def _give_back(self, author: AuthorId) -> None:
        line = self._lines.pop(author)
        line.at_work -= 1
        self._free += 1
        if line.count:
            self._lines[author] = line
        self._serve()

    def _leave(self, author: AuthorId, turn: asyncio.Future[None]) -> None:
        """Wait no more; it may have become one's turn in the same moment."""
        if turn.done() and not turn.cancelled():
            self._give_back(author)
            return
        line = self._lines.get(author)
        if line is None:
            return
        with suppress(ValueError):  # who was about to leave was passed over
            line.turns.remove(turn)
        if not line.count:
            del self._lines[author]

    def _refused(self, line: _Line) -> OverloadedError:
        ahead = max(line.count / self._at_once_of_one, len(self._lines) / self._at_once)
        seconds = min(_LONGEST_SECONDS, max(1, math.ceil(self._usual_seconds * ahead)))
        NO_PLACE.labels(self._what).inc()
        logger.info("a request found no place", extra={"event": "no-place", "what": self._what})
        return OverloadedError(f"too much to do ({self._what}); ask again in {seconds} s", seconds)
