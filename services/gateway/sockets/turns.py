"""What many want at once, one by one, so that others' small frames come in between."""

import asyncio
from types import TracebackType


class Turns:
    """Whoever writes something large, or has come with many others, does it inside; then the loop goes round once.

    First come, first served, and nobody waits inside for a client: so a slow one holds up nobody.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await asyncio.sleep(0)
        finally:
            self._lock.release()
