"""What the load generator counts."""

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Named(Protocol):
    """An edit, by the client that made it and that client's own number for it."""

    @property
    def client_id(self) -> Hashable:
        """Who made it."""

    @property
    def sequence(self) -> int:
        """The number."""


class BrokenPromiseError(Exception):
    """What was sent did not arrive as promised; the message says what was seen."""


@dataclass(slots=True)
class DocumentTally:
    """What was typed into one document."""

    submissions: int = 0
    edits: int = 0


@dataclass(slots=True)
class Tally:
    """Counts of all clients of a process; edits, deliveries and delays only while measuring."""

    is_measuring: bool = False
    edits: int = 0
    """Acked."""
    submissions: int = 0
    """Acked."""
    deliveries: int = 0
    """Acks, and commits told to others."""
    frames: int = 0
    delays: list[float] = field(default_factory=list)
    """Seconds from a submission to each receiver that is not its author."""
    ack_delays: list[float] = field(default_factory=list)
    sent_at: dict[tuple[Hashable, int], float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def sent(self, client_id: Hashable, sequence: int, at: float | None = None) -> None:
        """Take note of a submission that goes out now, and was typed now or earlier."""
        self.sent_at[client_id, sequence] = time.perf_counter() if at is None else at

    def acked(self, client_id: Hashable, sequence: int, edits: int) -> None:
        """Take note of an ack."""
        if self.is_measuring:
            self.edits += edits
            self.submissions += 1
            self.deliveries += 1
            self.frames += 1
            self.ack_delays.append(time.perf_counter() - self.sent_at[client_id, sequence])

    def told(self, commits: Sequence[Named]) -> None:
        """Take note of others' commits that one client was told."""
        if self.is_measuring:
            now = time.perf_counter()
            self.frames += 1
            self.deliveries += len(commits)
            self.delays += [now - self.sent_at[commit.client_id, commit.sequence] for commit in commits]

    def summary(self, seconds: float) -> dict[str, Any]:
        """Return the counts as JSON; delays in milliseconds."""
        return {
            "seconds": seconds,
            "edits": self.edits,
            "submissions": self.submissions,
            "deliveries": self.deliveries,
            "frames": self.frames,
            "delay_ms": percentiles(self.delays),
            "ack_ms": percentiles(self.ack_delays),
        }


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return p50, p95 and p99 in milliseconds; nothing of nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {
        f"p{part}": ordered[min(len(ordered) - 1, len(ordered) * part // 100)] * 1000 for part in (50, 95, 99)
    }
