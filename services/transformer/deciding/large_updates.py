"""Large updates of Yjs clients, decoded beside the batches.

A third of a second per megabyte is usual, and a client that was away may send a whole document.
"""

import asyncio

from coedit.protocol.yjs.update import Update, decode_update
from coedit.protocol.yjs_submission import YjsSubmission
from services.transformer.deciding.comes_again import ComesAgain

LARGE_BYTES = 64 * 1024
"""Decoded in some hundredths of a second."""

LargeUpdates = ComesAgain[bytes, Update]


def is_large(submission: YjsSubmission) -> bool:
    """Return whether a submission's update takes long to decode."""
    return len(submission.update) > LARGE_BYTES


async def decode(data: bytes) -> Update:
    """Return what an update holds.

    In a thread: what it holds takes about as long to bring over from another process as to decode here.

    Raises:
        InvalidUpdateError: it is none.
    """
    return await asyncio.to_thread(decode_update, data)
