"""What the sockets of a process hold of messages that have not come whole, within one budget.

Beyond it a socket is ended: first those that have not said who they are, and of these, or else of all, the largest.
"""

import logging
from typing import Protocol

from services.gateway.metrics import CROWDED_OUT, HALF_RECEIVED_BYTES

logger = logging.getLogger(__name__)


class Holder(Protocol):
    """A socket that holds something."""

    @property
    def is_trusted(self) -> bool:
        """Whether its client has said who it is, and proved it."""

    def crowd_out(self) -> None:
        """Hold nothing more, and end."""


class HalfReceived:
    """The budget, and who holds how much of it."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held: dict[Holder, int] = {}
        self._total = 0

    def note(self, holder: Holder, held_bytes: int) -> None:
        """Take note of what somebody holds now; it may be this one that is ended."""
        before = self._held.pop(holder, 0)
        if held_bytes:
            self._held[holder] = held_bytes
        self._total += held_bytes - before
        HALF_RECEIVED_BYTES.set(self._total)
        while self._total > self._most_bytes:
            self._end_one()

    def _end_one(self) -> None:
        holder = max(self._held, key=lambda one: (not one.is_trusted, self._held[one]))
        held_bytes = self._held.pop(holder)
        self._total -= held_bytes
        HALF_RECEIVED_BYTES.set(self._total)
        CROWDED_OUT.inc()
        facts = {"event": "crowded-out", "bytes": held_bytes, "is_trusted": holder.is_trusted}
        logger.warning("a socket ends: too much is half received", extra=facts)
        holder.crowd_out()
