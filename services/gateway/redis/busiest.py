"""Who sends most at the moment, out of very many, in little memory."""

import heapq
import math
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_MOST = 1024
_HALF_LIFE_SECONDS = 10.0
_LEAST = 0.05
"""What counts for less than this is forgotten."""


class Busiest(Generic[K]):
    """Counts that fade: what was half a minute ago counts for an eighth.

    At most ``most`` are kept. Where there are more, the lesser half is forgotten, so that who is busy all the time
    stays, and its rate may be told a little too low.
    """

    def __init__(self, most: int = _MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._counts: dict[K, float] = {}
        self._faded_at = clock()

    def count(self, names: Iterable[K]) -> None:
        """Count each of ``names`` once more."""
        counts = self._counts
        for name in names:
            counts[name] = counts.get(name, 0.0) + 1.0
        if len(counts) > self._most:
            self._counts = dict(self._busiest(self._most // 2))

    def top(self, most: int) -> list[tuple[K, float]]:
        """Return the busiest first, and how often each was counted in a second, lately."""
        self._fade()
        per_second = math.log(2) / _HALF_LIFE_SECONDS
        return [(name, round(count * per_second, 3)) for name, count in self._busiest(most)]

    def _busiest(self, most: int) -> list[tuple[K, float]]:
        return heapq.nlargest(most, self._counts.items(), key=lambda item: item[1])

    def _fade(self) -> None:
        """Let the counts fade up to now; `count` adds whole ones, so this has to be done every few seconds."""
        now = self._clock()
        left = 0.5 ** ((now - self._faded_at) / _HALF_LIFE_SECONDS)
        self._faded_at = now
        self._counts = {name: count * left for name, count in self._counts.items() if count * left > _LEAST}
