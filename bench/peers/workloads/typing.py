"""What the workloads share in which clients type: how they are driven, and what an edit costs."""

import asyncio
from collections.abc import Mapping
from typing import Any

from bench.drive import connect_all, drained, measured, type_at_rate, type_closed
from bench.peers.clients.catalogue import Clients
from bench.peers.systems.system import REDIS
from bench.peers.workload import Observed, Session
from bench.scenarios import Load
from bench.tally import DocumentTally, Tally


async def drive(load: Load, session: Session) -> dict[str, Any]:
    """Let the clients of ``load`` type at one place each; return the counts.

    Raises:
        BrokenPromiseError: something that was sent did not arrive as promised.
    """
    tally = Tally()
    clients = Clients(session.speaks, tally)
    counts = {f"bench-{number}": DocumentTally() for number in range(load.documents)}
    typists = [clients.typist(document, counts[document]) for _ in range(load.clients) for document in counts]
    # One of each document first: pycrdt-websocket forgets a second client that comes while the room is being made.
    await connect_all(typists[: load.documents], session.addresses)
    await connect_all(typists[load.documents :], session.addresses)
    typing = asyncio.create_task(type_at_rate(typists, load.rate)) if load.rate else None
    if typing is None:
        type_closed(typists, load.outstanding)
    seconds = await measured(tally, session.warm_seconds, session.seconds)
    if typing is not None:
        typing.cancel()
    await drained(tally, typists)
    for typist in typists:
        typist.close()
    return tally.summary(seconds)


def cpu_seconds(observed: Observed) -> tuple[float, float]:
    """Return what the system used while it was measured, without its Redis, and its Redis."""
    before, after = observed.marks["begin"].cpu_seconds, observed.marks["end"].cpu_seconds
    used = {name: after[name] - before[name] for name in after}
    redis = used.pop(REDIS, 0.0)
    return sum(used.values()), redis


def per(unit: str, observed: Observed) -> dict[str, float]:
    """Return CPU per unit, microseconds, and the delays, milliseconds."""
    count = max(1, observed.answer["edits" if unit == "edit" else "deliveries"])
    own, redis = (seconds / count * 1e6 for seconds in cpu_seconds(observed))
    return {
        f"us/{unit}": own,
        "Redis": redis,
        "with Redis": own + redis,
        "edits/s": observed.answer["edits"] / observed.answer["seconds"],
        **delays(observed.answer["delay_ms"]),
    }


def delays(milliseconds: Mapping[str, float]) -> dict[str, float]:
    """Return percentiles as figures."""
    return {f"{name} ms": value for name, value in milliseconds.items()}
