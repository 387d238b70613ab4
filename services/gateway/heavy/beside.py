"""Where what a client sent, or a document has become, is read that may be large: not on the loop that serves all."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONG_BYTES = 64 * 1024
"""What takes long enough to read for others to feel it is read beside the loop."""


async def beside(read: Callable[[bytes], T], data: bytes) -> T:
    """Return what ``read`` makes of ``data``."""
    if len(data) < LONG_BYTES:
        return read(data)
    return await asyncio.to_thread(read, data)
