"""W1: people who type, each in company of one other."""

from functools import partial

from bench.peers.systems.catalogue import SHAREDB_REDIS
from bench.peers.workload import Figure, Target, Workload
from bench.peers.workloads.typing import drive, per
from bench.scenarios import Load

_LOAD = Load("light", "20 documents x 2 clients, 10 edits/s each", 20, 2, rate=400)

LIGHT = Workload(
    "W1",
    f"light load: {_LOAD.title}",
    (
        Figure("us/edit"),
        Figure("Redis"),
        Figure("with Redis"),
        Figure("edits/s"),
        Figure("p50 ms", 2),
        Figure("p95 ms", 2),
        Figure("p99 ms", 2),
    ),
    (Target("us/edit", SHAREDB_REDIS, 1.3), Target("p50 ms", SHAREDB_REDIS, 1.5)),
    partial(drive, _LOAD),
    partial(per, "edit"),
    for_floors=True,
)
