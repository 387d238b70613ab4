"""Reads the ops of a delta by lengths that fall anywhere in them."""

from collections.abc import Sequence

from coedit.errors import SplitSurrogateError
from coedit.ot.parts.ops import Insert, Op, Retain
from coedit.ot.parts.utf16 import splits_pair


class OpCursor:
    """A place among ops, counted in units of the text *after* them, where a delete takes no room."""

    __slots__ = ("_index", "_offset", "_ops")

    def __init__(self, ops: tuple[Op, ...]) -> None:
        self._ops = ops
        self._index = 0
        self._offset = 0
        """Units of the op at ``_index`` that were read already."""

    def take(self, length: int) -> tuple[Sequence[Op], int]:
        """Return the next ops that make ``length`` units, the last one cut to fit, and how many units were
        missing.

        Raises:
            SplitSurrogateError: the cut would fall inside a surrogate pair.
        """
        ops, start, offset = self._ops, self._index, self._offset
        index, left = start, length + offset
        count = len(ops)
        while index < count:
            op = ops[index]
            if type(op) is Insert:  # `target_length`, without the call: documents may have many runs
                size = len(op.content) if type(op.content) is str else 1
            else:
                size = target_length(op)
            if size > left:
                break
            left -= size
            index += 1
        taken: tuple[Op, ...] = ops[start:index]
        self._index, self._offset = index, 0
        if index == count:
            return _without_start(taken, offset), left
        if index > start:
            taken = _without_start(taken, offset)
            offset = 0
        if left > offset:
            taken += (cut(ops[index], offset, left),)
        self._offset = left
        return taken, 0

    def rest(self) -> Sequence[Op]:
        """Return all ops that were not taken."""
        return _without_start(self._ops[self._index :], self._offset)


def target_length(op: Op) -> int:
    """Return how many units the op makes in the text after it."""
    if type(op) is Insert:
        return len(op.content) if type(op.content) is str else 1
    return op.length if type(op) is Retain else 0


def cut(op: Op, start: int, end: int) -> Op:
    """Return the units of ``op`` from ``start`` to before ``end``.

    Raises:
        SplitSurrogateError: ``end`` falls inside a surrogate pair of its text.
    """
    if type(op) is Insert:
        if type(op.content) is not str:
            return op
        if splits_pair(op.content, end):
            raise SplitSurrogateError("an op begins or ends inside a surrogate pair")
        return Insert(op.content[start:end], op.attributes)
    if type(op) is Retain:
        return Retain(end - start, op.attributes)
    return op


def _without_start(ops: tuple[Op, ...], offset: int) -> tuple[Op, ...]:
    if not offset or not ops:
        return ops
    return (cut(ops[0], offset, target_length(ops[0])), *ops[1:])
