"""What of an error, and of what came from outside, may stand in a log: never a token, and nothing without bounds."""

import re
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

MOST_CHARACTERS = 1_000
"""Of one fact."""
_MOST_FRAMES = 30
_SPEAKS = ("coedit.", "services.", "redis.", "obstore.")
"""Whose errors say nothing that a client sent, beyond what stands bounded in our own sentences. Others quote what they
could not read: a codec the whole text, a parser of HTTP the line with the token."""
_SECRETS = re.compile(
    r"eyJ[\w-]{4,}(?:\.[\w-]*)*"
    r"|(?i:(?<=token=)|(?<=token%3d)|(?<=bearer )|(?<=bearer%20)|(?<=secret=)|(?<=password=))[^\s&\"']+"
)


def bounded(text: str) -> str:
    """Return ``text`` without what looks like a token, and cut where it is long."""
    cut = text[: MOST_CHARACTERS * 2]
    safe = _SECRETS.sub("[redacted]", cut)[:MOST_CHARACTERS]
    return safe if len(text) <= MOST_CHARACTERS else f"{safe} [{len(text)} characters]"


def named(error: BaseException) -> str:
    """Return what an error is, and its message where that quotes nobody."""
    kind = type(error)
    name = kind.__name__
    is_ours = kind.__module__.startswith(_SPEAKS) or kind.__module__ == "coedit"
    if (is_ours or isinstance(error, OSError)) and not isinstance(error, UnicodeError):
        return f"{name}: {bounded(str(error))}"
    return name


def traced(error: BaseException) -> str:
    """Return where an error came from, and its causes', innermost last; see `named`."""
    lines: list[str] = []
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        lines = [*_frames(one.__traceback__), named(one), *lines]
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return "\n".join(lines)


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace, limit=-_MOST_FRAMES)
    return [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]


class PerSecond:
    """Lets so many of something pass in each second of ``clock``; knows how many it did not."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._second = -1
        self._passed = 0
        self._left_out = 0

    def passes(self) -> bool:
        """Return whether this one passes."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._passed = second, 0
        self._passed += 1
        if self._passed > self._most:
            self._left_out += 1
            return False
        return True

    def take_left_out(self) -> int:
        """Return how many did not pass since this was asked last."""
        count, self._left_out = self._left_out, 0
        return count


def safe_fact(fact: Any) -> Any:
    """Return a fact as a log may hold it."""
    if isinstance(fact, str):
        return bounded(fact)
    if fact is None or isinstance(fact, bool | int | float):
        return fact
    if isinstance(fact, dict) and len(fact) <= MOST_CHARACTERS:
        return {bounded(str(key)): safe_fact(value) for key, value in fact.items()}
    if isinstance(fact, list | tuple | set | frozenset) and len(fact) <= MOST_CHARACTERS:
        return [safe_fact(value) for value in fact]
    return bounded(str(fact))
