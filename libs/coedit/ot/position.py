"""A place in the text, carried over a delta."""

from coedit.ot.delta import Delta
from coedit.ot.parts.cursor import target_length
from coedit.ot.parts.ops import Delete, Insert


def transform_position(position: int, delta: Delta, *, stays_before_insert: bool) -> int:
    """Return where ``position`` (UTF-16 code units from the start) is after ``delta``.

    A position inside deleted text ends where that text was. At an insert exactly there it stays in front of
    it or is pushed behind it, as ``stays_before_insert`` says.
    """
    offset = 0
    for op in delta.ops:
        if offset > position:
            break
        if type(op) is Delete:
            position -= min(op.length, position - offset)
            continue
        length = target_length(op)
        if type(op) is Insert and (offset < position or not stays_before_insert):
            position += length
        offset += length
    return position
