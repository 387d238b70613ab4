"""How the clocks of Redis's masters stand to ours: what one host noted by Redis's clock, another can measure from.

Every service can read them, and the services' own differ, and may be wrong by hours.

A master is asked what time it is; its answer is taken to be of the middle of the time that it took. Of the last few
answers the quickest counts, since it can be wrong by the least.
"""

import asyncio
import time
from collections import deque
from weakref import WeakKeyDictionary

from redis.asyncio import Redis

from coedit.errors import UnavailableError
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.topology import Nodes

_ANSWERS = 16


class Clocks:
    """Knows the clock of a master once `look` has asked it."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._answers: WeakKeyDictionary[Redis, deque[tuple[float, float]]] = WeakKeyDictionary()
        """How long the last took (seconds), and how far the clock was ahead of `time.monotonic` (ms)."""
        self._ahead_ms: WeakKeyDictionary[Redis, float] = WeakKeyDictionary()
        self._day_began_at = time.time() - time.monotonic()

    async def begin(self) -> None:
        """Ask every master for the first time.

        Raises:
            UnavailableError: one does not tell the time, or none is known.
        """
        try:
            if not await self.look():
                raise UnavailableError("no master of Redis is known that tells the time")
        except TROUBLE as error:
            raise UnavailableError(f"Redis does not tell the time: {error!r}") from error

    async def look(self) -> list[float]:
        """Ask every master for the time; return after how many seconds each answered.

        Raises:
            RedisError, OSError: one does not answer; those that did are known.
        """
        asked = map(self._ask, self._nodes.masters())
        answers = await asyncio.gather(*asked, return_exceptions=True)
        self._take_time_of_day()
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    def now_ms(self, redis: Redis) -> float | None:
        """Return what a master's clock says now (ms since 1970); None: it was not asked yet."""
        ahead_ms = self._ahead_ms.get(redis)
        return None if ahead_ms is None else time.monotonic() * 1000 + ahead_ms

    def seconds(self) -> float:
        """Return the seconds since 1970, by the first master that was known at the last look; before, by our clock."""
        return self._day_began_at + time.monotonic()

    def _take_time_of_day(self) -> None:
        known = [self._ahead_ms[redis] for redis in self._nodes.masters() if redis in self._ahead_ms]
        if known:
            self._day_began_at = known[0] / 1000

    async def _ask(self, redis: Redis) -> float:
        asked_at = time.monotonic()
        seconds, microseconds = await redis.time()
        answered_at = time.monotonic()
        ahead_ms = seconds * 1000 + microseconds / 1000 - (asked_at + answered_at) * 500
        answers = self._answers.setdefault(redis, deque(maxlen=_ANSWERS))
        answers.append((answered_at - asked_at, ahead_ms))
        self._ahead_ms[redis] = min(answers)[1]
        return answered_at - asked_at
