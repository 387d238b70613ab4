"""How much somebody may do in a time: so much a second, and some at once after a pause."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """``at_once`` gathers while nothing is done, of which ``per_second`` come back."""

    per_second: float
    at_once: float


class TokenBucket:
    """What is left of a rate; two floats, since one is asked for each frame that comes."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = 0.0
        self._at = float("-inf")

    def spend(self, amount: float, now: float, rate: Rate) -> float:
        """Spend ``amount``, also where less is left; return for how many seconds nothing more should be: 0 for none.

        ``now`` is in seconds, by any clock that never goes back.
        """
        left = self._left + (now - self._at) * rate.per_second
        if left > rate.at_once:  # noqa: PLR1730 - for each frame: `min` takes thrice as long
            left = rate.at_once
        self._at = now
        self._left = left = left - amount
        return 0.0 if left >= 0.0 else -left / rate.per_second

    def take(self, amount: float, now: float, rate: Rate) -> float:
        """Spend ``amount`` if there is so much, and return 0; else nothing, and return in how many seconds there is."""
        left = min(self._left + (now - self._at) * rate.per_second, rate.at_once)
        self._at = now
        lacking = amount - left
        self._left = left if lacking > 0.0 else -lacking
        return max(0.0, lacking) / rate.per_second
