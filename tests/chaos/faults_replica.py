"""Faults of a replica, at the level that waits for it: nothing is acked while it is away."""

import asyncio
import random
import signal

from tests.chaos.faults import Fault, register
from tests.chaos.replicated import ReplicatedSystem
from tests.chaos.world import World
from tests.system import Process, eventually


class _OfReplica(Fault):
    lane = "servers"
    seconds = (0.5, 4.0)

    @classmethod
    def missing(cls, world: World) -> str:
        return "" if isinstance(world.system, ReplicatedSystem) else "only at LEVEL=replicated"

    async def begin(self, world: World, rng: random.Random) -> str:
        assert isinstance(world.system, ReplicatedSystem)
        self._system = world.system
        await asyncio.to_thread(self.harm, self._system.replica)
        return self._system.replica.name

    async def end(self, world: World) -> None:
        await asyncio.to_thread(self.mend, self._system.replica)
        await eventually(self._system.is_replicated, "the replica follows its master")

    def harm(self, replica: Process) -> None:
        """Do it."""
        raise NotImplementedError

    def mend(self, replica: Process) -> None:
        """Take it back."""
        raise NotImplementedError


@register
class ReplicaKill(_OfReplica):
    """kill -9 of the replica, and a new start."""

    kind = "replica-kill"

    def harm(self, replica: Process) -> None:
        """Kill it."""
        replica.kill()

    def mend(self, replica: Process) -> None:
        """Start it."""
        replica.start()


@register
class ReplicaPause(_OfReplica):
    """SIGSTOP of the replica: the master believes in it for a while."""

    kind = "replica-pause"

    def harm(self, replica: Process) -> None:
        """Put it to sleep."""
        replica.signal(signal.SIGSTOP)

    def mend(self, replica: Process) -> None:
        """Wake it."""
        replica.signal(signal.SIGCONT)
