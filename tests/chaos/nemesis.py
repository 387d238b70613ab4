"""Carries out a plan."""

import asyncio
import random
from collections.abc import Sequence

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.plan import SETTLING, Phase, Planned
from tests.chaos.world import World


class Nemesis:
    """Injects and heals faults, and records both, phase by phase."""

    def __init__(self, world: World, phases: Sequence[Phase]) -> None:
        self._world = world
        self._phases = phases

    async def run(self) -> None:
        """Carry out the plans of all phases; each lasts as long as it was planned, or as its faults take."""
        for phase in self._phases:
            self._begin(phase.name)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.sleep(phase.seconds))
                for planned in phase.plan.lanes.values():
                    tasks.create_task(self._follow(planned))
            await self._world.heal()
        self._begin(SETTLING)

    def _begin(self, phase: str) -> None:
        self._world.phase = phase
        self._world.history.add("phase", name=phase)

    async def _follow(self, planned: list[Planned]) -> None:
        for each in planned:
            await asyncio.sleep(each.calm_seconds)
            await self._inject(each, FAULTS[each.kind]())

    async def _inject(self, planned: Planned, fault: Fault) -> None:
        history = self._world.history
        began_at = history.now
        target = await fault.begin(self._world, random.Random(planned.seed))
        history.add("fault", kind=planned.kind, target=target, phase="begin")
        await asyncio.sleep(planned.seconds)
        await fault.end(self._world)
        history.add("fault", kind=planned.kind, target=target, phase="end", began_at=began_at)
