"""What a client is told of any error, whichever door it came in by."""

from coedit.errors import CoeditError, InternalError
from coedit.store.redis.connection import TROUBLE, told


def as_answer(error: BaseException) -> CoeditError:
    """Return what a client is told of any error."""
    if isinstance(error, CoeditError):
        return error
    if isinstance(error, TROUBLE):
        return told(error)
    return InternalError("a defect of the server; it is logged there")
