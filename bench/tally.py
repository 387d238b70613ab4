"""What the load generator counts."""

import time
from dataclasses import dataclass, field
from typing import Any

import msgpack

Committed = tuple[int, str, int]
"""Revision, client id, client sequence."""
_CACHED_FRAMES = 4096


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
    sent_at: dict[tuple[str, int], float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    _frames: dict[bytes, dict[str, Any]] = field(default_factory=dict)

    def read(self, payload: bytes) -> dict[str, Any]:
        """Return the message in a payload; a frame that goes to many is decoded once."""
        message = self._frames.get(payload)
        if message is None:
            if len(self._frames) >= _CACHED_FRAMES:
                self._frames.clear()
            message = self._frames[payload] = msgpack.unpackb(payload)
            if message["type"] == "commit":
                message["brief"] = [_brief(commit) for commit in message["commits"]]
        return message

    def sent(self, client_id: str, sequence: int) -> None:
        """Take note of a submission that goes out now."""
        self.sent_at[client_id, sequence] = time.perf_counter()

    def acked(self, client_id: str, sequence: int, edits: int) -> None:
        """Take note of an ack."""
        if self.is_measuring:
            self.edits += edits
            self.submissions += 1
            self.deliveries += 1
            self.frames += 1
            self.ack_delays.append(time.perf_counter() - self.sent_at[client_id, sequence])

    def told(self, commits: list[Committed]) -> None:
        """Take note of others' commits that one client was told."""
        if self.is_measuring:
            now = time.perf_counter()
            self.frames += 1
            self.deliveries += len(commits)
            self.delays += [now - self.sent_at[client_id, sequence] for _, client_id, sequence in commits]

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


def _brief(commit: dict[str, Any]) -> Committed:
    return commit["revision"], commit["client_id"], commit["client_sequence"]
