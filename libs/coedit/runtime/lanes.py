"""Loops that come and go while a process runs."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

from coedit.runtime.lifecycle import survive

K = TypeVar("K")
Step = Callable[[], Awaitable[None]]


class Lanes(Generic[K]):
    """One loop per key, side by side: what one waits for, or fails at, holds up no other.

    Each repeats its step until ``stop``, and outlives its errors (see `survive`).
    """

    def __init__(
        self, tasks: asyncio.TaskGroup, what: str, stop: asyncio.Event, on_error: Callable[[], None]
    ) -> None:
        self._tasks = tasks
        self._what = what
        self._stop = stop
        self._on_error = on_error
        self._lanes: dict[K, asyncio.Task[None]] = {}

    def start(self, key: K, step: Step) -> None:
        """Begin a loop; ``key`` has none. Whoever begins it, it goes on in a context of its own."""
        repeating = survive(self._what, step, self._stop, self._on_error)
        self._lanes[key] = self._tasks.create_task(repeating, context=Context())

    def end(self, key: K) -> None:
        """End a loop, wherever it is."""
        self._lanes.pop(key).cancel()

    def end_all(self) -> None:
        """End every loop, wherever it is."""
        for key in list(self._lanes):
            self.end(key)

    async def join(self) -> None:
        """Wait until every loop has ended by itself, which is after ``stop``."""
        await asyncio.gather(*self._lanes.values())
