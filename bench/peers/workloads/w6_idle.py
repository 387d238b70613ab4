"""W6: people who have a document open and do nothing."""

import asyncio
from collections.abc import Mapping
from typing import Any

from bench.drive import connect_all
from bench.peers.clients.catalogue import Clients
from bench.peers.systems.system import REDIS
from bench.peers.workload import Figure, Observed, Session, Target, Workload
from bench.peers.workloads.typing import cpu_seconds
from bench.tally import DocumentTally, Tally

_CONNECTIONS = 2000
_DOCUMENTS = 200
_WARM_CONNECTIONS = 100
_IDLE_SECONDS = 5.0


async def _drive(session: Session) -> dict[str, Any]:
    tally, counts = Tally(), DocumentTally()
    clients = Clients(session.speaks, tally)
    number = _CONNECTIONS // 10 if session.size == "quick" else _CONNECTIONS
    typists = [clients.typist(f"bench-{at % _DOCUMENTS}", counts) for at in range(number + _WARM_CONNECTIONS)]
    for typist in typists[:_WARM_CONNECTIONS]:  # one after the other: each makes its document
        await connect_all([typist], session.addresses)
    await asyncio.sleep(1.0)
    print("empty", flush=True)
    await connect_all(typists[_WARM_CONNECTIONS : 2 * _WARM_CONNECTIONS], session.addresses)
    await connect_all(typists[2 * _WARM_CONNECTIONS :], session.addresses)
    await asyncio.sleep(2.0)
    print("begin", flush=True)
    seconds = 1.0 if session.size == "quick" else _IDLE_SECONDS
    await asyncio.sleep(seconds)
    print("end", flush=True)
    for typist in typists:
        typist.close()
    return {"connections": number, "seconds": seconds}


def _conclude(observed: Observed) -> Mapping[str, float]:
    before, after = observed.marks["empty"].resident_bytes, observed.marks["end"].resident_bytes
    grown = {name: after[name] - before[name] for name in after}
    redis = grown.pop(REDIS, 0)
    own_cpu, redis_cpu = cpu_seconds(observed)
    return {
        "kB/connection": sum(grown.values()) / observed.answer["connections"] / 1000,
        "Redis kB": redis / observed.answer["connections"] / 1000,
        "MB in all": sum(after.values()) / 1e6,
        "idle CPU %": own_cpu / observed.answer["seconds"] * 100,
        "Redis idle CPU %": redis_cpu / observed.answer["seconds"] * 100,
    }


IDLE = Workload(
    "W6",
    f"idle: {_CONNECTIONS:,} connections on {_DOCUMENTS} documents",
    (
        Figure("kB/connection", 1),
        Figure("Redis kB", 1),
        Figure("MB in all"),
        Figure("idle CPU %", 1),
        Figure("Redis idle CPU %", 1),
    ),
    (Target("kB/connection", bound=15.0),),
    _drive,
    _conclude,
    systems=(
        "coedit",
        "ShareDB",
        "coedit for Yjs",
        "y-websocket",
        "Hocuspocus",
        "pycrdt-websocket",
        "floor: ws",
        "floor: shared frames",
    ),
    for_floors=True,
    is_long=True,
)
