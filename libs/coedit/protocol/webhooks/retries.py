"""When what could not be delivered is tried again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

DELAYS_SECONDS = (5.0, 300.0, 1_500.0, 5_400.0, 10_800.0, 18_000.0, 14_400.0, 21_600.0, 14_400.0)
"""Between the attempts: at once, and then 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h after the first.

Source: the schedule that Standard Webhooks recommends.
"""
JITTER = 0.1
"""A delay is so much longer at most, by chance: what failed together does not come again together."""
_MOST_AFTER_SECONDS = 86_400.0


def delay_seconds(
    delays: Sequence[float], attempts: int, chance: float, retry_after_seconds: float = 0.0
) -> float | None:
    """Return how long after the attempt number ``attempts`` (from 1) the next is made; None: there is no more.

    ``chance`` is from 0 to 1. The receiver's ``Retry-After`` makes it later, never sooner, and by a day at most.
    """
    if attempts > len(delays):
        return None
    later = min(retry_after_seconds, _MOST_AFTER_SECONDS)
    return max(delays[attempts - 1], later) * (1 + JITTER * chance)


def retry_after_seconds(header: str | None, now: float) -> float:
    """Return what a ``Retry-After`` asks for, a count of seconds or a date; 0: nothing that can be read."""
    if header is None:
        return 0.0
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.fromtimestamp(now, UTC)).total_seconds())


def longest_seconds(delays: Sequence[float]) -> float:
    """Return how long after the first attempt the last is made at most, as long as nothing makes it later."""
    return sum(delays) * (1 + JITTER)
