"""Who was denied a moment ago, and comes again as if that could have changed: providers that never give up.

An upgrade that is answered makes them begin their pauses anew, so they would come ten times a second; one that is
refused makes the pauses grow, and costs next to nothing.
"""

import time
from collections.abc import Callable

from services.gateway.limits.told import limited

AGAIN_SECONDS = 2
_MOST_KNOWN = 10_000


class Denied:
    """Remembers, for two seconds, the addresses and paths that were denied: a path holds the token and the document."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[int, float] = {}
        """By a hash, for tokens are kept nowhere; those denied last stand last."""

    def note(self, address: str, raw_path: str) -> None:
        """Take note that whoever asked for this, from there, was denied."""
        key = hash((address, raw_path))
        self._until.pop(key, None)
        self._until[key] = self._clock() + AGAIN_SECONDS
        if len(self._until) > _MOST_KNOWN:
            del self._until[next(iter(self._until))]

    def is_recent(self, address: str, raw_path: str) -> bool:
        """Return whether the same was denied a moment ago."""
        key = hash((address, raw_path))
        until = self._until.get(key)
        if until is None:
            return False
        if self._clock() >= until:
            del self._until[key]
            return False
        limited("denied", address=address)
        return True
