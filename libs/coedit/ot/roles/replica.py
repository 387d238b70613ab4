"""The client's role for one document, as three states (Source: Nichols et al., UIST 1995, with one op in flight)::

    Synchronized --edit--> AwaitingAck --edit--> AwaitingAckWithBuffer
         ^                  |       ^                  |
         +-------ack--------+       +-------ack--------+

Each is an immutable value. `edit`, `receive` and `acknowledge` return the next state, and what to send or to show.
The committed side always comes first in `transform`, here as on the server.
"""

from dataclasses import dataclass
from typing import TypeAlias

from coedit.errors import UnexpectedMessageError
from coedit.identifiers import Revision
from coedit.ot.compose import compose
from coedit.ot.delta import Delta
from coedit.ot.transform import transform


@dataclass(frozen=True, slots=True)
class Synchronized:
    """Nothing is unacknowledged: the replica is the document at ``revision``."""

    revision: Revision

    def edit(self, delta: Delta) -> tuple["Replica", Delta | None]:
        """Return the next state and the delta to submit."""
        return AwaitingAck(self.revision, delta), delta

    def receive(self, delta: Delta) -> tuple["Replica", Delta]:
        """Return the next state and what the commit ``delta`` does to the replica's document."""
        return Synchronized(Revision(self.revision + 1)), delta

    def acknowledge(self) -> tuple["Replica", Delta | None]:
        """Refuse: nothing is in flight."""
        raise UnexpectedMessageError("an ack, but nothing is in flight")


@dataclass(frozen=True, slots=True)
class AwaitingAck:
    """``in_flight`` was submitted; it is kept carried over what came since."""

    revision: Revision
    in_flight: Delta

    def edit(self, delta: Delta) -> tuple["Replica", Delta | None]:
        """Return the next state; the delta waits in the buffer."""
        return _awaiting(self.revision, self.in_flight, delta), None

    def receive(self, delta: Delta) -> tuple["Replica", Delta]:
        """Return the next state and what the commit ``delta`` does to the replica's document."""
        carried, in_flight = transform(delta, self.in_flight)
        return AwaitingAck(Revision(self.revision + 1), in_flight), carried

    def acknowledge(self) -> tuple["Replica", Delta | None]:
        """Return the next state: ``in_flight`` is the next revision."""
        return Synchronized(Revision(self.revision + 1)), None


@dataclass(frozen=True, slots=True)
class AwaitingAckWithBuffer:
    """``in_flight`` was submitted; ``buffer`` holds, composed, what was edited since."""

    revision: Revision
    in_flight: Delta
    buffer: Delta

    def edit(self, delta: Delta) -> tuple["Replica", Delta | None]:
        """Return the next state; the delta is composed into the buffer."""
        return _awaiting(self.revision, self.in_flight, compose(self.buffer, delta)), None

    def receive(self, delta: Delta) -> tuple["Replica", Delta]:
        """Return the next state and what the commit ``delta`` does to the replica's document."""
        carried, in_flight = transform(delta, self.in_flight)
        carried, buffer = transform(carried, self.buffer)
        return _awaiting(Revision(self.revision + 1), in_flight, buffer), carried

    def acknowledge(self) -> tuple["Replica", Delta | None]:
        """Return the next state, and the buffer to submit: it is now in flight."""
        return AwaitingAck(Revision(self.revision + 1), self.buffer), self.buffer


Replica: TypeAlias = Synchronized | AwaitingAck | AwaitingAckWithBuffer
"""One client's replica of one document."""


def _awaiting(revision: Revision, in_flight: Delta, buffer: Delta) -> Replica:
    """Edits may cancel out, and others may have deleted what the buffer was to delete: then nothing waits."""
    if buffer.ops:
        return AwaitingAckWithBuffer(revision, in_flight, buffer)
    return AwaitingAck(revision, in_flight)
