"""What the agents of a concurrent trace meant: not "at 17", but "behind this character", so that it can be done again
in a text that differs from the recorded one.

Each UTF-16 code unit that is ever inserted has an identity, a number from 1; `START` stands in front of the text.
Source: reading 2 in the README of the editing traces (the order of the file is the log; clients do not wait for acks).
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from coedit.ot.compose import compose
from coedit.ot.delta import Delta
from coedit.ot.parts.ops import Delete, Insert
from coedit.ot.parts.utf16 import from_units, to_units, unit_length
from coedit.ot.transform import transform
from coedit.replay.traces import ConcurrentTrace, Patch, TraceError, Transaction, has_astral

START = 0


class Step(NamedTuple):
    """Delete the characters ``deleted``, and put ``inserted`` behind the character ``after``."""

    deleted: tuple[int, ...]
    after: int
    inserted: tuple[int, ...]


class Intent(NamedTuple):
    """What one transaction meant, step by step."""

    agent: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Intents:
    """A concurrent trace, freed of positions."""

    intents: tuple[Intent, ...]
    units: str
    """The code unit of each identity; that of `START` means nothing."""
    anchors: tuple[int, ...]
    """Behind which character each was inserted."""
    recorded_end: tuple[int, ...]
    """The characters in the end, as every agent saw them."""

    def text(self, identities: Sequence[int]) -> str:
        """Return the unit string that the characters make."""
        return "".join([self.units[identity] for identity in identities])


def find_intents(trace: ConcurrentTrace, limit: int | None = None) -> Intents:
    """Return what the first ``limit`` transactions meant, or all of them.

    Raises:
        TraceError: a patch reaches behind the end of what its agent saw, or in the end there are other characters
            than recorded.
    """
    views = [_View(agent) for agent in range(trace.agent_count)]
    reader = _Reader(has_astral(patch for one in trace.transactions for patch in one.patches))
    intents = []
    for number, transaction in enumerate(trace.transactions[:limit]):
        author = views[transaction.agent]
        author.see(transaction.seen)
        steps, delta, inserted = reader.read(number, transaction, author)
        intents.append(Intent(transaction.agent, steps))
        entry = _Entry(number, transaction.agent, author.carry(delta), inserted)
        for view in views:
            if view is not author:
                view.unseen.append(entry)
    views[0].see(len(trace.transactions))
    found = Intents(tuple(intents), "".join(reader.units), tuple(reader.anchors), tuple(views[0].identities))
    if limit is None and Counter(found.text(found.recorded_end)) != Counter(to_units(trace.text)):
        raise TraceError("the transactions do not end in the characters of the recorded text")
    return found


def change_identities(identities: list[int], delta: Delta, inserted: Sequence[int]) -> list[tuple[int, int]]:
    """Do to a text's identities what ``delta`` does to the text; ``inserted`` are those of its inserts, in order.

    Return what was deleted, each with its left neighbour.

    Raises:
        ValueError: the delta inserts another number of code units.
    """
    position, taken = 0, 0
    gone: list[tuple[int, int]] = []
    for op in delta.ops:
        if type(op) is Insert:
            length = len(op.content)
            identities[position:position] = inserted[taken : taken + length]
            position, taken = position + length, taken + length
        elif type(op) is Delete:
            left = identities[position - 1] if position else START
            gone += [(identity, left) for identity in identities[position : position + op.length]]
            del identities[position : position + op.length]
        else:
            position += op.length
    if taken != len(inserted):
        raise ValueError(f"the delta inserts {taken} code units, not {len(inserted)}")
    return gone


def inserted_identities(delta: Delta, identities: Sequence[int]) -> tuple[int, ...]:
    """Return the identities of what ``delta`` inserted, ``identities`` being those of the text right after it."""
    position = 0
    found: list[int] = []
    for op in delta.ops:
        if type(op) is Insert:
            found += identities[position : position + len(op.content)]
            position += len(op.content)
        elif type(op) is not Delete:
            position += op.length
    return tuple(found)


class _Entry(NamedTuple):
    """A transaction in the log; its delta is in the frame of the view whose queue it stands in."""

    number: int
    agent: int
    delta: Delta
    inserted: tuple[int, ...]


@dataclass(slots=True)
class _View:
    """What one agent sees: its own transactions all, the others' up to a place in the log."""

    agent: int
    identities: list[int] = field(default_factory=list)
    unseen: deque[_Entry] = field(default_factory=deque)

    def see(self, count: int) -> None:
        """Take in the others' transactions among the first ``count`` of the log."""
        while self.unseen and self.unseen[0].number < count:
            entry = self.unseen.popleft()
            change_identities(self.identities, entry.delta, entry.inserted)

    def carry(self, delta: Delta) -> Delta:
        """Return this agent's own delta as it enters the log, behind what it had not seen."""
        unseen: deque[_Entry] = deque()
        for entry in self.unseen:
            # On a tie the lower agent's text comes first: so the recorded views come out exactly.
            if entry.agent < self.agent:
                theirs, delta = transform(entry.delta, delta)
            else:
                delta, theirs = transform(delta, entry.delta)
            unseen.append(entry._replace(delta=theirs))
        self.unseen = unseen
        return delta


class _Reader:
    """Reads patches as steps, and gives out identities."""

    def __init__(self, has_astral: bool) -> None:
        self.units = ["\0"]
        self.anchors = [START]
        self._has_astral = has_astral

    def read(
        self, number: int, transaction: Transaction, view: _View
    ) -> tuple[tuple[Step, ...], Delta, tuple[int, ...]]:
        """Return the steps, and what they do to ``view`` together; the view has them afterwards."""
        steps, delta = [], Delta()
        for patch in transaction.patches:
            start, end = self._range(patch, view.identities)
            if end > len(view.identities):
                raise TraceError(f"transaction {number} reaches behind the end of what its agent saw")
            after = view.identities[start - 1] if start else START
            step = Step(tuple(view.identities[start:end]), after, self._issue(patch.inserted, after))
            view.identities[start:end] = step.inserted
            steps.append(step)
            done = Delta().retain(start).delete(end - start).insert(patch.inserted)
            delta = compose(delta, done) if delta.ops else done
        return tuple(steps), delta, inserted_identities(delta, view.identities)

    def _issue(self, text: str, after: int) -> tuple[int, ...]:
        units = to_units(text)
        first = len(self.units)
        self.units += units
        issued = tuple(range(first, first + len(units)))
        self.anchors += [after, *issued[:-1]] if issued else []
        return issued

    def _range(self, patch: Patch, identities: list[int]) -> tuple[int, int]:
        """Return where the patch's code points begin and end in code units."""
        start, end = patch.position, patch.position + patch.deleted
        if not self._has_astral:
            return start, end
        lengths = list(self._code_point_lengths(identities))
        if end > len(lengths):
            return start, len(identities) + 1
        return sum(lengths[:start]), sum(lengths[:end])

    def _code_point_lengths(self, identities: list[int]) -> Iterator[int]:
        text = "".join([self.units[identity] for identity in identities])
        return map(unit_length, from_units(text))
