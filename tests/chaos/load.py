"""Writers who type on, whatever happens."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.writers import Writer

Step = Callable[[Writer], Awaitable[None]]


class Load:
    """Each writer makes one step in ``pause_seconds``, if it can; ``on_error`` gets what ends one."""

    def __init__(
        self, pause_seconds: float, step: Step, on_error: Callable[[Writer, Exception], None] | None = None
    ) -> None:
        self._pause_seconds = pause_seconds
        self._step = step
        self._on_error = on_error
        self.writers: list[Writer] = []
        self._tasks: dict[Writer, asyncio.Task[None]] = {}
        self._is_over = False

    @property
    def edits(self) -> int:
        """How many edits were made by who is there."""
        return sum(writer.edits for writer in self.writers)

    def add(self, writer: Writer) -> None:
        """Let one more writer type."""
        self.writers.append(writer)
        self._tasks[writer] = asyncio.create_task(self._type(writer))

    def remove(self, writer: Writer) -> asyncio.Task[None]:
        """Let a writer go; return the task that ends when it has made the step that it is in."""
        self.writers.remove(writer)
        return self._tasks.pop(writer)

    async def stop(self) -> None:
        """End all typing; raises what ended a writer that had nobody to tell."""
        self._is_over = True
        await asyncio.gather(*self._tasks.values())

    async def _type(self, writer: Writer) -> None:
        due_at = time.monotonic()
        try:
            while not self._is_over and writer in self._tasks:
                await self._step(writer)
                due_at += self._pause_seconds
                await asyncio.sleep(max(0.0, due_at - time.monotonic()))
        except Exception as error:
            if self._on_error is None:
                raise
            self._on_error(writer, error)
