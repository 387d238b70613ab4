"""Two concurrent deltas, each carried over the other."""

from collections.abc import Sequence

from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import transform_attributes
from coedit.ot.parts.cursor import target_length
from coedit.ot.parts.ops import Delete, Insert, Op, Retain
from coedit.ot.parts.splice import Ops, transform_splices
from coedit.ot.parts.writer import OpWriter


def transform(first: Delta, second: Delta) -> tuple[Delta, Delta]:
    """Return ``first`` as it reads after ``second``, and ``second`` as it reads after ``first``.

    For every document ``d`` that both were made on, with ``(f, s) = transform(first, second)``::

        apply(apply(d, first), s) == apply(apply(d, second), f)      (TP1)

    Where both insert at one place, the text of ``first`` comes first; where both set one attribute, its value
    wins. Between server and client, ``first`` is the committed one, at both ends.

    Nothing is checked: both are taken to fit one document and to cut no surrogate pair of it, and then so do
    the results. Only `apply` and `invert` know the document and can tell.

    Source: Ressel et al., CSCW 1996 (TP1); Nichols et al., UIST 1995 (one server, one order).
    """
    if not first.ops or not second.ops:
        return Delta.from_normal(first.ops), Delta.from_normal(second.ops)
    results = transform_splices(first.ops, second.ops) or transformed_in_general(first.ops, second.ops)
    return Delta.from_normal(results[0]), Delta.from_normal(results[1])


def transformed_in_general(first: Ops, second: Ops) -> tuple[Ops, Ops]:
    """Return the ops of both results of `transform`, whatever the ops are; neither side is empty."""
    one, two = _Steps(first), _Steps(second)
    first_after, second_after = OpWriter(), OpWriter()
    while one.left and two.left:
        if type(one.op) is Insert:
            first_after.push(one.op)
            second_after.retain(one.left, None)
            one.advance(one.left)
        elif type(two.op) is Insert:
            second_after.push(two.op)
            first_after.retain(two.left, None)
            two.advance(two.left)
        else:
            length = min(one.left, two.left)
            _keep_or_delete(one.op, two.op, length, first_after, second_after)
            one.advance(length)
            two.advance(length)
    first_after.extend(one.rest())
    second_after.extend(two.rest())
    return first_after.finish()[0], second_after.finish()[0]


def _keep_or_delete(
    one: Retain | Delete, two: Retain | Delete, length: int, first_after: OpWriter, second_after: OpWriter
) -> None:
    """Write what is left for each to do on ``length`` units: nothing on what the other deleted."""
    if type(one) is Delete:
        if type(two) is Retain:
            first_after.delete(length)
    elif type(two) is Delete:
        second_after.delete(length)
    else:
        first_after.retain(length, one.attributes)
        second_after.retain(length, transform_attributes(one.attributes, two.attributes))


class _Steps:
    """A place among ops, counted in units of the op at hand."""

    __slots__ = ("_index", "_ops", "left", "op")

    def __init__(self, ops: tuple[Op, ...]) -> None:
        self._ops = ops
        self._index = 0
        self.op: Op = ops[0]
        self.left = _size(self.op)
        """Units of ``op`` that are still ahead; 0 behind the last op."""

    def advance(self, length: int) -> None:
        """Leave ``length`` units behind, at most those of the op at hand."""
        self.left -= length
        if not self.left:
            self._index += 1
            if self._index < len(self._ops):
                self.op = self._ops[self._index]
                self.left = _size(self.op)

    def rest(self) -> Sequence[Op]:
        """Return all ops ahead. An insert is never left in part."""
        if not self.left:
            return ()
        return (_shortened(self.op, self.left), *self._ops[self._index + 1 :])


def _size(op: Op) -> int:
    return op.length if type(op) is Delete else target_length(op)


def _shortened(op: Op, length: int) -> Op:
    if type(op) is Retain:
        return Retain(length, op.attributes)
    return Delete(length) if type(op) is Delete else op
