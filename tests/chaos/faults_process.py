"""Faults of coedit's own processes: killed, put to sleep, restarted."""

import random
import signal
from typing import Any

from tests.chaos.faults import Fault, register
from tests.chaos.world import LEASE_SECONDS, World

SERVICES = ("gateway", "transformer", "presence", "snapshotter")


class _Kill(Fault):
    lane = "servers"
    seconds = (0.1, 1.5)
    service: str

    async def begin(self, world: World, rng: random.Random) -> str:
        self._name = rng.choice(world.names(self.service))
        await world.kill(self._name)
        return self._name

    async def end(self, world: World) -> None:
        await world.start(self._name)


class _Pause(Fault):
    lane = "servers"
    service: str

    async def begin(self, world: World, rng: random.Random) -> str:
        self._name = rng.choice(world.names(self.service))
        world.system.processes[self._name].signal(signal.SIGSTOP)
        return self._name

    async def end(self, world: World) -> None:
        process = world.system.processes[self._name]
        if process.is_running:
            process.signal(signal.SIGCONT)


def _make(service: str) -> None:
    """Register the faults of one service; a pause is always longer than its lease, so others take over meanwhile."""
    about: dict[str, Any] = {"service": service}
    about |= {"__doc__": f"kill -9 of a {service}.", "kind": f"kill-{service}"}
    register(type(f"Kill{service.title()}", (_Kill,), about))
    about |= {"__doc__": f"SIGSTOP of a {service}, past its lease.", "kind": f"pause-{service}"}
    about |= {"seconds": (LEASE_SECONDS * 1.2, LEASE_SECONDS * 2.5)}
    register(type(f"Pause{service.title()}", (_Pause,), about))


for _service in SERVICES:
    _make(_service)


@register
class RollingRestart(Fault):
    """SIGTERM and a new start of every process, one after the other, each waited for: a deployment."""

    kind = "rolling-restart"
    lane = "servers"
    seconds = (0.1, 0.5)
    takes_seconds = 10.0

    async def begin(self, world: World, rng: random.Random) -> str:
        """Restart all, in a random order."""
        processes = [process.name for process in world.services()]
        rng.shuffle(processes)
        for name in processes:
            await world.stop(name)
            await world.start(name)
            await world.back(name, 5)
        return "every service"

    async def end(self, world: World) -> None:
        """Nothing is left to heal."""
