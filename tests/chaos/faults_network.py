"""Faults of the ways between: from clients to gateways, and from each service to Redis."""

import random
from typing import ClassVar

from coedit.testing.fault_proxy import FaultProxy, Flow
from tests.chaos.faults import Fault, register
from tests.chaos.world import World

LINKS = ("client", "gateway", "transformer", "snapshotter")
"""Whose way: a client's to the gateways, or a service's to Redis."""


def pick_link(world: World, rng: random.Random) -> tuple[str, list[FaultProxy]]:
    """Return whose way a fault is on, and the proxies on it: one, so that others go on and take over, or all."""
    link = rng.choice(LINKS)
    proxies = world.doors if link == "client" else [world.redis_links[name] for name in world.names(link)]
    return link, proxies if rng.random() < 0.4 else [rng.choice(proxies)]


class _OnLink(Fault):
    lane = "network"
    seconds: ClassVar[tuple[float, float]] = (0.8, 4.0)

    async def begin(self, world: World, rng: random.Random) -> str:
        link, self._proxies = pick_link(world, rng)
        for proxy in self._proxies:
            self.harm(proxy, rng)
        return link

    async def end(self, world: World) -> None:
        for proxy in self._proxies:
            proxy.heal()

    def harm(self, proxy: FaultProxy, rng: random.Random) -> None:
        """Let one proxy misbehave."""
        raise NotImplementedError


@register
class Delay(_OnLink):
    """Everything takes longer, by up to seconds, and not always as long."""

    kind = "delay"

    def harm(self, proxy: FaultProxy, rng: random.Random) -> None:
        """Delay both directions."""
        seconds = rng.choice([0.05, 0.2, 1.0])
        proxy.there = Flow(delay_seconds=seconds, jitter_seconds=seconds)
        proxy.back = Flow(delay_seconds=seconds, jitter_seconds=seconds)


@register
class Blackhole(_OnLink):
    """Nothing comes through, and nobody is told; afterwards it does, late."""

    kind = "blackhole"
    seconds = (1.0, 7.0)

    def harm(self, proxy: FaultProxy, rng: random.Random) -> None:
        """Hold everything."""
        proxy.hold()


@register
class Reset(_OnLink):
    """Every connection is reset, and for a while there is no new one."""

    kind = "reset"
    seconds = (0.1, 2.0)

    def harm(self, proxy: FaultProxy, rng: random.Random) -> None:
        """Reset all, and sometimes refuse new ones."""
        proxy.refuses = rng.random() < 0.5
        proxy.cut()


@register
class HalfOpen(_OnLink):
    """One side has lost the connections, and the other believes in them."""

    kind = "half-open"
    seconds = (1.0, 7.0)

    def harm(self, proxy: FaultProxy, rng: random.Random) -> None:
        """Lose either side."""
        proxy.half_open(rng.choice(["near", "far"]))


@register
class Narrow(_OnLink):
    """There is little bandwidth."""

    kind = "narrow"

    def harm(self, proxy: FaultProxy, rng: random.Random) -> None:
        """Limit both directions."""
        limit = rng.choice([500.0, 2_000.0, 10_000.0])
        proxy.there, proxy.back = Flow(bytes_per_second=limit), Flow(bytes_per_second=limit)


@register
class Flaky(_OnLink):
    """Connections break again and again, in the middle of what is said."""

    kind = "flaky"

    def harm(self, proxy: FaultProxy, rng: random.Random) -> None:
        """Cut some of them with every block."""
        proxy.there, proxy.back = Flow(cut_probability=0.03), Flow(cut_probability=0.03)


@register
class OneWay(_OnLink):
    """What is said arrives, and the answer does not, or the other way round; then the connections break."""

    kind = "one-way"
    seconds = (0.5, 7.0)

    def harm(self, proxy: FaultProxy, rng: random.Random) -> None:
        """Hold one direction."""
        flow = rng.choice([proxy.there, proxy.back])
        flow.is_held = True

    async def end(self, world: World) -> None:
        """What was held back is lost with its connections."""
        for proxy in self._proxies:
            proxy.cut()
            proxy.heal()
