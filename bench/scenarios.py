"""The loads that are measured."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Load:
    """Who types how much. ``rate`` is edits/s of all clients together; None: as fast as acks come (closed loop).

    ``outstanding`` is how many unacked edits a client of a closed loop has: one submission is in flight, and the rest
    is composed into the next one.
    """

    name: str
    title: str
    documents: int
    clients: int
    """Per document."""
    rate: float | None = None
    outstanding: int = 1

    def fields(self) -> dict[str, Any]:
        """Return the load as JSON."""
        return asdict(self)


LOADS = (
    Load("closed", "50 documents x 2 clients, closed loop, 1 edit outstanding", 50, 2),
    Load(
        "composed",
        "50 documents x 2 clients, closed loop, 8 edits outstanding, composed",
        50,
        2,
        outstanding=8,
    ),
    Load("light", "20 documents x 2 clients, 10 edits/s each", 20, 2, rate=400),
    Load("fan-out", "1 document x 500 clients, 50 edits/s together", 1, 500, rate=50),
)
