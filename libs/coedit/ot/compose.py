"""Two deltas, one after the other, as one."""

from collections.abc import Sequence

from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import Attributes, compose_attributes
from coedit.ot.parts.cursor import OpCursor
from coedit.ot.parts.ops import Delete, Insert, Op
from coedit.ot.parts.splice import Ops, compose_splices
from coedit.ot.parts.writer import OpWriter


def compose(first: Delta, second: Delta) -> Delta:
    """Return the one delta that does what ``first`` and then ``second`` do.

    For every document ``d`` of the right length::

        apply(d, compose(a, b)) == apply(apply(d, a), b)
        compose(compose(a, b), c) == compose(a, compose(b, c))

    Both go on beyond their last op with an endless retain, so lengths are not compared. The result does not
    transform others as the two do one by one: see "What does not hold" in the package's README.

    Raises:
        SplitSurrogateError: ``second`` cuts a surrogate pair that ``first`` inserts.
    """
    return Delta.from_normal(composed_ops(first.ops, second.ops))


def composed_ops(first: Ops, second: Ops) -> Ops:
    """Return the ops of `compose`, from those of both."""
    if not first or not second:
        return first or second
    quick = compose_splices(first, second)
    return composed_in_general(first, second) if quick is None else quick


def composed_in_general(first: Ops, second: Ops) -> Ops:
    """Return what `composed_ops` does, whatever the ops are."""
    cursor = OpCursor(first)
    writer = OpWriter()
    for op in second:
        if type(op) is Insert:
            writer.insert(op.content, op.attributes)
            continue
        taken, beyond = cursor.take(op.length)
        if type(op) is Delete:
            _delete(writer, taken, beyond)
        elif op.attributes is None:
            writer.extend(taken)
            if beyond:
                writer.retain(beyond, None)
        else:
            _format(writer, taken, beyond, op.attributes)
    writer.extend(cursor.rest())
    return writer.finish()[0]


def _delete(writer: OpWriter, taken: Sequence[Op], beyond: int) -> None:
    """Delete what is taken: what ``first`` inserted leaves no trace, what it kept or deleted is deleted."""
    length = beyond + sum([op.length for op in taken if type(op) is not Insert])
    if length:
        writer.delete(length)


def _format(writer: OpWriter, taken: Sequence[Op], beyond: int, attributes: Attributes) -> None:
    for op in taken:
        if type(op) is Insert:
            writer.insert(op.content, compose_attributes(op.attributes, attributes, keep_null=False))
        elif type(op) is Delete:
            writer.delete(op.length)
        else:
            writer.retain(op.length, compose_attributes(op.attributes, attributes, keep_null=True))
    if beyond:
        writer.retain(beyond, attributes)
