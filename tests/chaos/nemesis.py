"""Carries out a plan."""

import asyncio
import random

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.plan import Plan, Planned
from tests.chaos.world import World


class Nemesis:
    """Injects and heals faults, and records both."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan

    async def run(self) -> None:
        """Carry out the plan."""
        async with asyncio.TaskGroup() as tasks:
            for planned in self._plan.lanes.values():
                tasks.create_task(self._follow(planned))

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
