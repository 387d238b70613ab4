"""What a Yjs client sent and has no answer to: it is sent again, which does nothing the second time."""

from collections.abc import Iterator
from dataclasses import dataclass

from coedit.identifiers import ClientSequence
from coedit.protocol.yjs.gate import Needs
from services.gateway.traces import EditTrace

ANSWER_SECONDS = 5.0
"""A submission unanswered for this long is sent again; then, while nobody answers, ever more rarely."""
_MOST_DOUBLINGS = 4
_MOST_BYTES = 4 * 1024 * 1024
_MOST_COUNT = 1_024
"""Above these, nothing more is read from the client until something is answered."""
_MOST_HELD_BYTES = 16 * 1024 * 1024
_MOST_HELD_COUNT = 512
"""Of what waits for what the client has not sent: with more, it had better begin afresh."""


@dataclass(slots=True)
class Submitted:
    """An update that is on its way."""

    sequence: ClientSequence
    update: bytes
    needs: Needs
    """What has to be in the document before it."""
    is_counted: bool
    """Whether the client counts it, and wants to know what became of it."""
    came_at: float
    sent_at: float
    tries: int = 0
    is_held: bool = False
    """Whether it waits for others before it, which did not come yet."""
    trace: EditTrace | None = None
    """Its trace, where it is sampled."""


class Unanswered:
    """The unanswered submissions of one client in one document; times are seconds of one clock."""

    def __init__(self) -> None:
        self._submitted: dict[int, Submitted] = {}
        self._sequence = 0
        self._bytes = 0
        self._held_bytes = 0
        self._held_count = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for an answer, but for what is held."""
        return len(self._submitted) == self._held_count

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be sent before something is answered."""
        return (
            self._bytes - self._held_bytes > _MOST_BYTES
            or len(self._submitted) - self._held_count >= _MOST_COUNT
        )

    @property
    def holds(self) -> bool:
        """Whether something is held."""
        return self._held_count > 0

    @property
    def holds_too_much(self) -> bool:
        """Whether more is held than is good for anybody."""
        return self._held_bytes > _MOST_HELD_BYTES or self._held_count > _MOST_HELD_COUNT

    @property
    def newest(self) -> int:
        """The number of the submission that was sent last."""
        return self._sequence

    def has_answers_to(self, sequence: int) -> bool:
        """Return whether no submission up to ``sequence`` waits for its answer, but for what is held."""
        return all(number > sequence or sent.is_held for number, sent in self._submitted.items())

    def add(self, update: bytes, needs: Needs, now: float, *, is_counted: bool) -> Submitted:
        """Take note of an update that is sent now; return it with its number."""
        self._sequence += 1
        sent = Submitted(ClientSequence(self._sequence), update, needs, is_counted, now, now)
        self._submitted[self._sequence] = sent
        self._bytes += len(update)
        return sent

    def take(self, sequence: int) -> Submitted | None:
        """Remove what has its answer; None: it is not known, or had one."""
        sent = self._submitted.pop(sequence, None)
        if sent is not None:
            self._let_go(sent)
            self._bytes -= len(sent.update)
        return sent

    def knows(self, sequence: int) -> bool:
        """Return whether a submission waits for its answer."""
        return sequence in self._submitted

    def trace_of(self, sequence: int) -> EditTrace | None:
        """Return the trace of a submission that waits for its answer; None: it is not traced, or does not wait."""
        sent = self._submitted.get(sequence)
        return None if sent is None else sent.trace

    def is_full_of(self, sequence: int) -> bool:
        """Return whether nothing more is read from the client because of this one submission."""
        sent = self._submitted.get(sequence)
        return sent is not None and not sent.is_held and len(sent.update) > _MOST_BYTES

    def hold(self, sequence: int) -> bool:
        """Take note that a submission is held; return whether it is known."""
        sent = self._submitted.get(sequence)
        if sent is None:
            return False
        if not sent.is_held:
            sent.is_held = True
            self._held_count += 1
            self._held_bytes += len(sent.update)
        return True

    def held(self) -> list[Submitted]:
        """Return what is held."""
        return [sent for sent in self._submitted.values() if sent.is_held] if self._held_count else []

    def send_again(self, sent: Submitted, now: float) -> None:
        """Take note that a submission is sent once more."""
        self._let_go(sent)
        sent.sent_at = now
        sent.tries += 1

    def due(self, now: float) -> Iterator[Submitted]:
        """Yield what is to be sent again, in order."""
        for sent in list(self._submitted.values()):
            if now - sent.sent_at >= ANSWER_SECONDS * 2 ** min(sent.tries, _MOST_DOUBLINGS):
                yield sent

    def _let_go(self, sent: Submitted) -> None:
        if sent.is_held:
            sent.is_held = False
            self._held_count -= 1
            self._held_bytes -= len(sent.update)
