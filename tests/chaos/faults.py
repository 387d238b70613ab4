"""What a fault is, and the registry of all kinds: import a module of them to have them registered.

To add one, derive from `Fault`, and decorate it with `register`; the plan, the report and the checks follow.
"""

import random
from abc import ABC, abstractmethod
from typing import ClassVar, Literal, TypeVar

from tests.chaos.world import Level, World

Lane = Literal["servers", "network", "people"]
"""Faults of one lane come one after the other; the lanes run side by side, so that faults meet."""


class Fault(ABC):
    """One fault: `begin` does it, `end` heals it; between them lie seconds that the plan draws from `seconds`."""

    kind: ClassVar[str]
    lane: ClassVar[Lane]
    seconds: ClassVar[tuple[float, float]]
    takes_seconds: ClassVar[float] = 0.0
    """About how long `begin` and `end` themselves take."""
    may_lose: ClassVar[frozenset[Level]] = frozenset()
    """The levels at which Redis may forget by it what it had acknowledged, so that a loss may be reported."""

    @classmethod
    def missing(cls, world: World) -> str:
        """Return why it cannot be done here; empty if it can."""
        return ""

    @abstractmethod
    async def begin(self, world: World, rng: random.Random) -> str:
        """Do it; return what it was done to."""

    @abstractmethod
    async def end(self, world: World) -> None:
        """Heal it; what takes time to come back need not be waited for."""


FAULTS: dict[str, type[Fault]] = {}
FaultT = TypeVar("FaultT", bound=type[Fault])


def register(fault: FaultT) -> FaultT:
    """Make a kind of faults known."""
    FAULTS[fault.kind] = fault
    return fault
