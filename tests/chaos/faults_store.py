"""Faults of the object store, a folder."""

import random

from tests.chaos.faults import Fault, register
from tests.chaos.world import World


@register
class StoreAway(Fault):
    """Every access to the object store fails, as with a file system that is gone."""

    kind = "store-away"
    lane = "network"
    seconds = (0.5, 3.0)

    async def begin(self, world: World, rng: random.Random) -> str:
        """Let the folder's name lead to a file, in one step: an empty folder would be another store, not none."""
        self._switch(world, "objects-away")
        return "objects"

    async def end(self, world: World) -> None:
        """Let it lead to the folder."""
        self._switch(world, "objects-here")

    @staticmethod
    def _switch(world: World, target: str) -> None:
        folder = world.system.folder
        (folder / "objects-next").symlink_to(target)
        (folder / "objects-next").replace(folder / "objects")
