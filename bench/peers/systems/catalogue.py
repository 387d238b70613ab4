"""All systems by name, in the order in which they are measured and shown."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.peers.systems import node
from bench.peers.systems.coedit import Coedit
from bench.peers.systems.system import SystemUnderTest


@dataclass(frozen=True, slots=True)
class Entry:
    """How to make a system, and which of our clients speaks to it."""

    name: str
    title: str
    speaks: str
    make: Callable[[Path], SystemUnderTest]
    is_judged: bool = False
    """Whether coedit's targets are about it: measured in every pass. The others are measured in the first one only."""


SHAREDB = "ShareDB"
SHAREDB_REDIS = "ShareDB + Redis"
COEDIT = "coedit"

SYSTEMS = (
    Entry(COEDIT, "1 gateway + 1 transformer, fsync", "coedit", Coedit, is_judged=True),
    Entry(SHAREDB, "ShareDB 7 + rich-text, one process, in memory", "sharedb", node.sharedb, is_judged=True),
    Entry(
        SHAREDB_REDIS,
        "the same, with its Redis pubsub",
        "sharedb",
        partial(node.sharedb, with_redis=True),
        is_judged=True,
    ),
    Entry("coedit memory", "1 + 1, memory", "coedit", partial(Coedit, durability="memory")),
    Entry("coedit 2+2", "2 gateways + 2 transformers, fsync", "coedit", partial(Coedit, pairs=2)),
)
