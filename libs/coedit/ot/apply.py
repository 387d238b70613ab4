"""A document after a delta."""

from coedit.errors import LengthMismatchError
from coedit.ot.compose import composed_ops
from coedit.ot.delta import Delta


def apply(document: Delta, delta: Delta) -> Delta:
    """Return the document that ``delta`` makes of ``document``.

    Raises:
        InvalidDeltaError: ``document`` is not a document.
        LengthMismatchError: ``delta`` reaches past the end of ``document``.
        SplitSurrogateError: an op of ``delta`` begins or ends inside a surrogate pair of ``document``.
    """
    left_over = length_beyond(document, delta)
    ops = composed_ops(document.ops, delta.ops)
    return Delta.from_normal(ops, document_length=left_over + delta.target_length)


def length_beyond(document: Delta, delta: Delta) -> int:
    """Return how many units of ``document`` stand behind all that ``delta`` reaches.

    Raises:
        InvalidDeltaError: ``document`` is not a document.
        LengthMismatchError: ``delta`` reaches past its end.
    """
    length, needed = document.document_length, delta.base_length
    if needed > length:
        raise LengthMismatchError(f"the delta needs {needed} units, the document has {length}")
    return length - needed
