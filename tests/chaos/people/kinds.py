"""All attacks, by name; a new module of them is named here."""

from tests.chaos.people import (
    bodies,
    claims,
    frames,
    heavy,
    names,
    neighbours,
    origins,
    pairs,
    slow,
    strangers,
)
from tests.chaos.people.scene import ATTACKS

MODULES = (bodies, claims, frames, heavy, names, neighbours, origins, pairs, slow, strangers)
"""Having been imported, they have registered their attacks."""

__all__ = ["ATTACKS", "MODULES"]
