"""W3: many who look on."""

from functools import partial

from bench.peers.systems.catalogue import SHAREDB
from bench.peers.workload import Figure, Target, Workload
from bench.peers.workloads.typing import drive, per
from bench.scenarios import Load

_LOAD = Load("fan-out", "1 document x 500 clients, 50 edits/s together", 1, 500, rate=50)

FAN_OUT = Workload(
    "W3",
    f"fan-out: {_LOAD.title}",
    (
        Figure("us/delivery", 1),
        Figure("Redis", 1),
        Figure("with Redis", 1),
        Figure("edits/s"),
        Figure("p50 ms", 1),
        Figure("p99 ms", 1),
    ),
    (Target("us/delivery", SHAREDB, 0.6),),
    partial(drive, _LOAD),
    partial(per, "delivery"),
    for_floors=True,
)
