"""Faults of packets, by a packet filter in a network namespace: what TCP does about them is real."""

import asyncio
import random

from tests.chaos import namespace
from tests.chaos.faults import Fault, register
from tests.chaos.faults_network import pick_link
from tests.chaos.world import World


class _OnPackets(Fault):
    lane = "network"

    @classmethod
    def missing(cls, world: World) -> str:
        return world.no_packet_filter

    async def begin(self, world: World, rng: random.Random) -> str:
        link, proxies = pick_link(world, rng)
        for proxy in proxies:
            await asyncio.to_thread(namespace.drop, proxy.port, self.probability(rng))
        return link

    async def end(self, world: World) -> None:
        await asyncio.to_thread(namespace.drop_nothing)

    def probability(self, rng: random.Random) -> float:
        """Return which part of the packets is lost."""
        raise NotImplementedError


@register
class PacketLoss(_OnPackets):
    """Some packets are lost, and sent again by TCP, later and later."""

    kind = "packet-loss"
    seconds = (1.0, 5.0)

    def probability(self, rng: random.Random) -> float:
        """Between a little and much."""
        return rng.choice([0.05, 0.2, 0.4])


@register
class Partition(_OnPackets):
    """No packet gets through, not even to make or to end a connection."""

    kind = "partition"
    seconds = (1.0, 7.0)

    def probability(self, rng: random.Random) -> float:
        """All."""
        return 1.0
