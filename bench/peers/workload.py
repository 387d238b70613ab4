"""A workload: what the load process does, what is made of it, and what coedit has to reach."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.drive import Address

Answer = Mapping[str, Any]
"""What the load process counted."""

SETTLE = "settle"
"""What a load process prints that then waits for a line: until the system has nothing left to do of what was sent."""

Size = Literal["quick", "usual", "full"]
"""``quick`` is to see that everything runs, with smaller numbers; ``full`` goes where it takes many minutes (W9)."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the load process is told: whom to drive, and for how long."""

    speaks: str
    addresses: Sequence[Address]
    warm_seconds: float
    seconds: float
    size: Size


@dataclass(frozen=True, slots=True)
class Sample:
    """The processes of a system at one moment, by name."""

    cpu_seconds: Mapping[str, float]
    resident_bytes: Mapping[str, int]
    peak_bytes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Observed:
    """One run: the system at the moments that the load process marked, and what that counted."""

    marks: Mapping[str, Sample]
    answer: Answer


@dataclass(frozen=True, slots=True)
class Figure:
    """One column of a workload's table."""

    name: str
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """coedit's figure is to be at most ``ratio`` times the peer's in the same pass, or at most ``bound``."""

    figure: str
    against: str = ""
    ratio: float = 0.0
    bound: float = 0.0


@dataclass(frozen=True, slots=True)
class Workload:
    """One load for all systems that ``systems`` names; empty: for all, the floors only if it says so."""

    name: str
    title: str
    figures: Sequence[Figure]
    targets: Sequence[Target]
    drive: Callable[[Session], Coroutine[Any, Any, dict[str, Any]]]
    conclude: Callable[[Observed], Mapping[str, float]]
    systems: Sequence[str] = ()
    for_floors: bool = False
    is_long: bool = False
    """Measured in the first pass only."""
    is_upright: bool = False
    """Shown with a column for each system, since there are more figures than systems."""
    tables: Callable[[Mapping[str, Mapping[str, float]]], str] | None = None
    """Makes all its tables of the figures of each system's first pass, by the systems' names."""
