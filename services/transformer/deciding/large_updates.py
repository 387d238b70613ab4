"""Large updates of Yjs clients, decoded beside the batches.

A third of a second per megabyte is usual, and a client that was away may send a whole document.
"""

from coedit.protocol.yjs.update import Update, decode_update
from coedit.protocol.yjs_submission import YjsSubmission
from services.transformer.deciding.comes_again import ComesAgain

LARGE_BYTES = 64 * 1024
"""Decoded in some hundredths of a second."""

LargeUpdates = ComesAgain[bytes, Update]


def is_large(submission: YjsSubmission) -> bool:
    """Return whether a submission's update takes long to decode."""
    return len(submission.update) > LARGE_BYTES


def decode(data: bytes) -> Update:
    """Return what an update holds.

    Raises:
        InvalidUpdateError: it is none.
    """
    return decode_update(data)
