"""W2: as much as goes."""

from collections.abc import Mapping
from functools import partial

from bench.peers.systems.catalogue import SHAREDB
from bench.peers.workload import Figure, Observed, Target, Workload
from bench.peers.workloads.typing import cpu_seconds, drive, per
from bench.scenarios import Load

_LOAD = Load(
    "throughput",
    "50 documents x 2 clients, closed loop, 8 edits outstanding, composed where one submission is in flight",
    50,
    2,
    outstanding=8,
)


def _conclude(observed: Observed) -> Mapping[str, float]:
    own, _ = cpu_seconds(observed)
    edits, submissions = observed.answer["edits"], observed.answer["submissions"]
    return per("edit", observed) | {
        "edits/s/core": edits / own if own else 0.0,
        "edits/message": edits / max(1, submissions),
    }


THROUGHPUT = Workload(
    "W2",
    f"throughput: {_LOAD.title}",
    (
        Figure("us/edit", 1),
        Figure("Redis", 1),
        Figure("with Redis", 1),
        Figure("edits/s"),
        Figure("edits/s/core"),
        Figure("edits/message", 1),
        Figure("p50 ms", 1),
        Figure("p99 ms", 1),
    ),
    (Target("us/edit", SHAREDB, 0.5),),
    partial(drive, _LOAD),
    _conclude,
    for_floors=True,
)
