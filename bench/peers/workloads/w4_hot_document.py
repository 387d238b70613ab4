"""W4: thirty people in one document, everywhere in it."""

import asyncio
from functools import partial
from typing import Any

from bench.drive import connect_all, drained, measured, type_at_rate
from bench.peers.clients.catalogue import Clients
from bench.peers.systems.catalogue import SHAREDB
from bench.peers.workload import Figure, Session, Target, Workload
from bench.peers.workloads.typing import per
from bench.tally import BrokenPromiseError, DocumentTally, Tally

_CLIENTS = 30
_RATE = 5.0
_TEXT = "all work and no play " * 100


async def _drive(session: Session) -> dict[str, Any]:
    tally, counts = Tally(), DocumentTally()
    clients = Clients(session.speaks, tally)
    roamers = [clients.roamer("bench-hot", counts) for _ in range(_CLIENTS)]
    await connect_all(roamers[:1], session.addresses)
    roamers[0].paste(_TEXT)
    await drained(tally, roamers[:1])
    await connect_all(roamers[1:], session.addresses)
    typing = asyncio.create_task(type_at_rate(roamers, _CLIENTS * _RATE))
    seconds = await measured(tally, session.warm_seconds, session.seconds)
    typing.cancel()
    await drained(tally, roamers)
    texts = {roamer.text for roamer in roamers}
    if len(texts) != 1 or len(texts.pop()) != counts.edits:
        raise BrokenPromiseError("the clients do not hold the same text, or not all of it")
    for roamer in roamers:
        roamer.close()
    return tally.summary(seconds)


HOT_DOCUMENT = Workload(
    "W4",
    f"hot document: {_CLIENTS} clients, each {_RATE:g} edits/s at random positions; all converge",
    (
        Figure("us/delivery", 1),
        Figure("Redis", 1),
        Figure("with Redis", 1),
        Figure("edits/s"),
        Figure("p50 ms", 2),
        Figure("p99 ms", 2),
    ),
    (Target("us/delivery", SHAREDB, 0.5), Target("p99 ms", SHAREDB, 1.0)),
    _drive,
    partial(per, "delivery"),
)
