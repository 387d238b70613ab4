"""Undo and redo of one replica's own edits, whatever others do in between.

A stack of inverses is a chain: the top one fits the document that is shown, each other one the document after those
above it. What others do is carried down the chain, so that it still fits::

        shown ──top──▶ ● ──next──▶ ●              transform(others', top): the others' side is first, so
          │            │           │              what they inserted is no part of what an inverse deletes,
       others'      others''    others'''         and what they formatted is no longer formatted by it
          ▼            ▼           ▼
        shown'─top'─▶  ● ──next'─▶ ●

It is carried lazily: an entry owes what it was not carried over yet, and passes it on only when it has to know.
See "Undo" in the package's README for what holds and what cannot. Source: Sun, CSCW 2000 (undo as a new edit).
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

from coedit.ot.apply import apply
from coedit.ot.compose import compose
from coedit.ot.delta import Delta
from coedit.ot.invert import invert
from coedit.ot.parts.ops import Insert
from coedit.ot.transform import transform

MAX_STEPS = 100
MAX_UNITS = 1_000_000
"""How much deleted text all steps together may hold, in code units; the newest is kept however large it is."""
_MAX_OWED = 64
"""What one step may owe before it is carried on: bounds memory, and spreads the work."""


class UndoHistory:
    """The newest own edits of a replica, as deltas that undo or redo them. Positions are UTF-16 code units.

    Its owner tells it of every change of the shown document, in order: `record` for own edits, `carry` for others'.
    A delta that `undo` or `redo` returned is applied as an own edit that is not recorded.
    """

    def __init__(self, max_steps: int = MAX_STEPS) -> None:
        self._max_steps = max_steps
        self._done = _Steps(max_steps)
        self._undone = _Steps(max_steps)

    @property
    def can_undo(self) -> bool:
        """Whether anything of an own edit is left to undo; formats may turn out to change nothing any more."""
        return self._done.settle_top() is not None

    @property
    def can_redo(self) -> bool:
        """Whether anything that was undone is left to redo, and nothing was edited since."""
        return self._undone.settle_top() is not None

    def record(self, delta: Delta, before: Delta, group: Hashable = None) -> None:
        """Take note of an own edit of the document ``before``.

        Edits in a row of one ``group`` are one step; None is a step of its own. What was undone cannot be redone now.

        Raises:
            InvalidDeltaError: the delta does not fit.
        """
        if not self._max_steps:
            return
        inverse = invert(delta, before)
        if inverse.ops:
            self._undone = _Steps(self._max_steps)
            self._done.push(inverse, group)

    def carry(self, shown: Delta) -> None:
        """Take note of what others did to the shown document."""
        if shown.ops:
            self._done.carry(shown)
            self._undone.carry(shown)

    def undo(self, document: Delta) -> Delta | None:
        """Return what undoes the newest step on the shown ``document``; None where there is none.

        A step of which others have left nothing is passed over.
        """
        return _step(self._done, self._undone, document)

    def redo(self, document: Delta) -> Delta | None:
        """Return what takes back the newest undo on the shown ``document``; None where there is none."""
        return _step(self._undone, self._done, document)

    def clear(self) -> None:
        """Forget everything: the document was replaced by one that does not continue it."""
        self._done, self._undone = _Steps(self._max_steps), _Steps(self._max_steps)


class TypingGroups:
    """Numbers bursts of typing, for `UndoHistory.record`: edits with shorter pauses between them share a number."""

    def __init__(self, pause_seconds: float = 0.5) -> None:
        self._pause_seconds = pause_seconds
        self._last_seconds = float("-inf")
        self._number = 0

    def at(self, now_seconds: float) -> int:
        """Return the group of an edit made now, by a clock of the caller's that never goes back."""
        if now_seconds - self._last_seconds >= self._pause_seconds:
            self._number += 1
        self._last_seconds = now_seconds
        return self._number


def _step(source: "_Steps", target: "_Steps", document: Delta) -> Delta | None:
    while (delta := source.pop()) is not None:
        if apply(document, delta) != document:
            # Taken from the document as it is now: what others deleted meanwhile does not come back with it.
            target.push(invert(delta, document), None)
            return delta
    return None


@dataclass(slots=True)
class _Step:
    delta: Delta
    group: Hashable
    owed: list[Delta] = field(default_factory=list)
    """What others did to the document that ``delta`` fits, in order, one by one (see the README on compositions)."""

    @property
    def units(self) -> int:
        return sum([len(op.content) for op in self.delta.ops if type(op) is Insert])


class _Steps:
    """A chain of deltas, the last of which fits the shown document."""

    __slots__ = ("_max_steps", "_steps")

    def __init__(self, max_steps: int) -> None:
        self._max_steps = max_steps
        self._steps: list[_Step] = []

    def carry(self, shown: Delta) -> None:
        index = len(self._steps) - 1
        if index < 0:
            return
        self._steps[index].owed.append(shown)
        while index >= 0 and len(self._steps[index].owed) > _MAX_OWED:
            self._settle(index)
            index -= 1

    def push(self, delta: Delta, group: Hashable) -> None:
        top = None if group is None else self.settle_top()
        if top is not None and top.group == group:
            # Both are known only here, so they may be composed.
            top.delta = compose(delta, top.delta)
        else:
            self._steps.append(_Step(delta, group))
        self._forget_oldest()

    def pop(self) -> Delta | None:
        top = self.settle_top()
        if top is None:
            return None
        self._steps.pop()
        if self._steps:
            # What is typed after an undo is a step of its own.
            self._steps[-1].group = None
        return top.delta

    def settle_top(self) -> _Step | None:
        """Return the newest step that is not empty, carried over all that it owed; drop those above it."""
        while self._steps:
            top = self._steps[-1]
            self._settle(len(self._steps) - 1)
            if top.delta.ops:
                return top
        return None

    def _settle(self, index: int) -> None:
        """Carry the step over what it owes; the one below owes it then, as it reads after this one."""
        step = self._steps[index]
        below = self._steps[index - 1].owed if index else []
        for others in step.owed:
            passed, step.delta = transform(others, step.delta)
            if passed.ops:
                below.append(passed)
        step.owed = []
        if not step.delta.ops:
            del self._steps[index]

    def _forget_oldest(self) -> None:
        excess = max(0, len(self._steps) - self._max_steps)
        units = sum([step.units for step in self._steps[excess:]])
        while units > MAX_UNITS and excess < len(self._steps) - 1:
            units -= self._steps[excess].units
            excess += 1
        del self._steps[:excess]
