"""What a replay counts, and what it finds wrong."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from coedit.client.events import Acknowledged, Event, Submitted
from coedit.errors import CoeditError

_SHOWN_CHARACTERS = 30


class ReplayError(CoeditError):
    """The replay cannot go on: the server refused an edit, or the clients do not fit together."""


@dataclass(slots=True)
class Report:
    """What a replay did. ``problems`` is empty if every check held."""

    document: str
    edits: int = 0
    """Transactions of the trace that changed anything."""
    submissions: int = 0
    revisions: int = 0
    seconds: float = 0.0
    """From the first edit to the last ack."""
    ack_seconds: list[float] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    """What was found as it should be."""
    problems: list[str] = field(default_factory=list)

    def count(self, event: Event) -> None:
        """Count one of a client's events."""
        if isinstance(event, Submitted):
            self.submissions += 1
        elif isinstance(event, Acknowledged):
            self.ack_seconds.append(event.seconds)

    def check_text(self, what: str, found: str, expected: str) -> None:
        """Note whether a text is as expected, and if not, where it differs first."""
        if found == expected:
            self.checks.append(f"{what}: the expected text, {len(found):,} characters")
        else:
            self.problems.append(f"{what}: {difference(found, expected)}")

    def check(self, holds: bool, what: str, otherwise: str) -> None:
        """Note whether something holds."""
        (self.checks if holds else self.problems).append(what if holds else otherwise)

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        rate = self.edits / self.seconds if self.seconds else 0.0
        return [
            f"document     {self.document}",
            f"edits        {self.edits:,}",
            f"submissions  {self.submissions:,}",
            f"revisions    {self.revisions:,}",
            f"time         {self.seconds:.1f} s, {rate:,.0f} edits/s",
            f"ack          p50 {_milliseconds(self.ack_seconds, 0.5)}, p99 {_milliseconds(self.ack_seconds, 0.99)}",
            *(f"ok           {check}" for check in self.checks),
            *(f"WRONG        {problem}" for problem in self.problems),
        ]


def difference(found: str, expected: str) -> str:
    """Return where two texts that differ do so first, with what stands there."""
    shorter = min(len(found), len(expected))
    place = next((index for index in range(shorter) if found[index] != expected[index]), shorter)
    one, other = (repr(text[place : place + _SHOWN_CHARACTERS]) for text in (found, expected))
    lengths = f"{len(found):,} characters instead of {len(expected):,}"
    return f"{lengths}; at {place:,} there is {one} instead of {other}"


def quantile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that ``share`` of all are not above; of none, 0."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _milliseconds(values: list[float], share: float) -> str:
    return f"{quantile(values, share) * 1000:.1f} ms"
