"""Looks at all processes of a run, once a second, and records what they take at most in each phase."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from tests.chaos.footprint import LagGauge, resident_bytes
from tests.chaos.world import World
from tests.system import Process

_EVERY_SECONDS = 1.0
_STEP_BYTES = 1024 * 1024
"""A growth by less is no new record."""


class Watch:
    """Use as an async context manager; it records ``memory`` and ``lag`` as they reach new heights, phase by phase."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lags = {process.name: LagGauge() for process in world.services()}
        self._highest: dict[tuple[str, str, str], float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Watch":
        looks = (self._look_at_memory, self._look_at_loops)
        self._tasks = [asyncio.create_task(_again(look)) for look in looks]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_at_memory(self) -> None:
        for process in self._world.services():
            if process.is_running:
                self._note("memory", process, bytes=resident_bytes(process.pid))

    async def _look_at_loops(self) -> None:
        for process in self._world.services():
            with suppress(
                OSError, ValueError
            ):  # down, paused, or busy: what it was is seen when it answers again
                page = await asyncio.to_thread(self._world.system.metrics, process.name)
                self._note_lag(process, self._lags[process.name].read(page))

    def _note_lag(self, process: Process, seconds: float | None) -> None:
        if seconds is None:
            self._note("no lag", process, absent=1)
        else:
            self._note("lag", process, seconds=seconds)

    def _note(self, what: str, process: Process, **figure: float) -> None:
        """Record a figure that is higher than any of this process in this phase."""
        ((_, value),) = figure.items()
        about = what, process.name, self._world.phase
        if value >= self._highest.get(about, -1.0) + (_STEP_BYTES if what == "memory" else 1e-9):
            self._highest[about] = value
            self._world.history.add(what, process=process.name, phase=self._world.phase, **figure)


async def _again(look: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        await look()
        await asyncio.sleep(_EVERY_SECONDS)
