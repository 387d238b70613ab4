"""All systems by name, in the order in which they are measured and shown."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.peers.systems import node, python
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
FLOOR = "forward"
"""What the clients of the floors speak."""

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
    Entry(
        "coedit gathering", "1 + 1, fsync, gathers for 10 ms", "coedit", partial(Coedit, gather_seconds=0.01)
    ),
    Entry("coedit 2+2", "2 gateways + 2 transformers, fsync", "coedit", partial(Coedit, pairs=2)),
    Entry("coedit for Yjs", "1 + 1, fsync, its /yjs", "coedit-yjs", Coedit),
    Entry("y-websocket", "@y/websocket-server, one process", "y-websocket", node.y_websocket),
    Entry("Hocuspocus", "Hocuspocus 4, one process", "hocuspocus", node.hocuspocus),
    Entry(
        "Hocuspocus + Redis",
        "two processes with its Redis extension",
        "hocuspocus",
        partial(node.hocuspocus, with_redis=True),
    ),
    Entry("pycrdt-websocket", "on uvicorn, one process", "y-websocket", python.pycrdt_rooms),
    Entry("floor: ws", "Node, forwards what it gets", FLOOR, node.forwarding),
    Entry("floor: aiohttp", "send_bytes, asyncio's loop", FLOOR, python.send_bytes),
    Entry("floor: shared frames", "aiohttp + uvloop, frame made once", FLOOR, python.shared_frames),
)
