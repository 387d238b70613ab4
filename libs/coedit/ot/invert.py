"""The undoing of a delta."""

from collections.abc import Sequence

from coedit.ot.apply import length_beyond
from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import Attributes, invert_attributes
from coedit.ot.parts.cursor import OpCursor, target_length
from coedit.ot.parts.ops import Delete, Insert, Op
from coedit.ot.parts.splice import Ops, invert_splice
from coedit.ot.parts.writer import OpWriter


def invert(delta: Delta, base: Delta) -> Delta:
    """Return the delta that undoes ``delta``, made on the document ``base``::

        apply(apply(base, delta), invert(delta, base)) == base

    Raises:
        InvalidDeltaError: ``base`` is not a document.
        LengthMismatchError: ``delta`` reaches past the end of ``base``.
        SplitSurrogateError: an op of ``delta`` begins or ends inside a surrogate pair of ``base``.
    """
    length_beyond(base, delta)
    quick = invert_splice(delta.ops, base.ops)
    return Delta.from_normal(inverted_in_general(delta.ops, base.ops) if quick is None else quick)


def inverted_in_general(delta: Ops, base: Ops) -> Ops:
    """Return the ops of `invert`, whatever the ops are; ``delta`` fits ``base``."""
    cursor = OpCursor(base)
    writer = OpWriter()
    for op in delta:
        if type(op) is Insert:
            writer.delete(target_length(op))
            continue
        taken, _ = cursor.take(op.length)
        if type(op) is Delete:
            writer.extend(taken)
        elif op.attributes is None:
            writer.retain(op.length, None)
        else:
            _restore_format(writer, taken, op.attributes)
    return writer.finish()[0]


def _restore_format(writer: OpWriter, taken: Sequence[Op], attributes: Attributes) -> None:
    for op in taken:
        if type(op) is Insert:
            writer.retain(target_length(op), invert_attributes(attributes, op.attributes))
