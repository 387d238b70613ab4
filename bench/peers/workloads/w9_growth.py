"""W9: what should stay flat as there is more of it: documents, history, text, clients in one document."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bench.drive import Typist, connect_all, drained, type_at_rate, type_closed
from bench.peers.clients.catalogue import Clients
from bench.peers.systems.system import REDIS
from bench.peers.workload import Figure, Observed, Session, Workload
from bench.tally import DocumentTally, Tally

_STEPS = {"quick": 2, "usual": 4, "full": 6}
"""How far each of these is gone. A million revisions, an edit each, take some ten minutes to write."""
_DOCUMENTS = (1, 10, 100, 1_000, 10_000)
_HISTORY = (100, 1_000, 3_000, 10_000, 100_000, 1_000_000)
_CLIENTS = (2, 10, 100, 1_000)
_CHARACTERS = (1_000, 10_000, 100_000)
_RATE = 200.0
_RATE_OF_MANY = 20.0
_HISTORY_SECONDS = 3600.0


async def _drive(session: Session) -> dict[str, Any]:
    answer = dict[str, Any]()
    steps = _STEPS[session.size]
    for number in _DOCUMENTS[:steps]:
        name = f"{number:,} documents"
        async with _writing(session, [f"{name} {at}" for at in range(number)], 1) as (tally, typists):
            answer[name] = await _measured(name, session, tally, typists, _RATE)
    async with _writing(session, ["history"], 1) as (tally, typists):
        for number in _HISTORY[:steps]:
            await _until_written(tally, typists, number)
            name = f"{number:,} revisions"
            answer[name] = await _measured(name, session, tally, typists, _RATE)
    for number in _CHARACTERS[:steps]:
        name = f"{number:,} characters"
        async with _writing(session, [name], 1) as (tally, typists):
            typists[0].type(number)
            await drained(tally, typists)
            answer[name] = await _measured(name, session, tally, typists, _RATE)
    for number in _CLIENTS[:steps]:
        name = f"{number:,} clients"
        async with _writing(session, [name], number) as (tally, typists):
            answer[name] = await _measured(name, session, tally, typists, _RATE_OF_MANY)
    return answer


@asynccontextmanager
async def _writing(
    session: Session, documents: Sequence[str], clients_each: int
) -> AsyncIterator[tuple[Tally, list[Typist]]]:
    """Connect so many clients to each document; check at the end that everything has arrived."""
    tally, counts = Tally(), {name: DocumentTally() for name in documents}
    clients = Clients(session.speaks, tally)
    names = [name.replace(" ", "-").replace(",", "") for name in documents]
    typists = [
        clients.typist(name, counts[document])
        for _ in range(clients_each)
        for name, document in zip(names, documents, strict=True)
    ]
    await connect_all(typists[: len(documents)], session.addresses)
    await connect_all(typists[len(documents) :], session.addresses)
    yield tally, typists
    await drained(tally, typists)
    for typist in typists:
        typist.close()


async def _measured(
    name: str, session: Session, tally: Tally, typists: Sequence[Typist], rate: float
) -> dict[str, Any]:
    typing = asyncio.create_task(type_at_rate(typists, rate))
    await asyncio.sleep(session.warm_seconds)
    edits, deliveries = tally.edits, tally.deliveries
    tally.is_measuring = True
    print(f"begin {name}", flush=True)
    await asyncio.sleep(session.seconds)
    tally.is_measuring = False
    print(f"end {name}", flush=True)
    typing.cancel()
    return {"edits": tally.edits - edits, "deliveries": tally.deliveries - deliveries}


async def _until_written(tally: Tally, typists: Sequence[Typist], revisions: int) -> None:
    """Let one client write, an edit a revision, until there are so many."""
    tally.is_measuring = True
    type_closed(typists, 1)
    async with asyncio.timeout(_HISTORY_SECONDS):
        while tally.edits < revisions:
            await asyncio.sleep(0.05)
    tally.is_measuring = False
    await drained(tally, typists)


def _conclude(observed: Observed) -> Mapping[str, float]:
    figures = dict[str, float]()
    for name, seen in observed.answer.items():
        before, after = observed.marks[f"begin {name}"], observed.marks[f"end {name}"]
        used = sum(after.cpu_seconds[part] - before.cpu_seconds[part] for part in after.cpu_seconds)
        per_delivery = name.endswith("clients")
        count = max(1, seen["deliveries" if per_delivery else "edits"])
        figures[f"{name}: us"] = used / count * 1e6
        own = sum(size for part, size in after.resident_bytes.items() if part != REDIS)
        figures[f"{name}: MB"] = own / 1e6
    return figures


def _names() -> list[str]:
    return [
        *(f"{number:,} documents" for number in _DOCUMENTS),
        *(f"{number:,} revisions" for number in _HISTORY),
        *(f"{number:,} characters" for number in _CHARACTERS),
        *(f"{number:,} clients" for number in _CLIENTS),
    ]


GROWTH = Workload(
    "W9",
    f"growth, Redis included: us per edit by documents, history and text ({_RATE:g} edits/s), us per delivery by "
    f"clients in one document ({_RATE_OF_MANY:g} edits/s); MB of all processes without Redis, at that moment",
    tuple(Figure(f"{name}: {what}", digits) for name in _names() for what, digits in (("us", 0), ("MB", 0))),
    (),
    _drive,
    _conclude,
    systems=("coedit", "ShareDB", "y-websocket"),
    is_long=True,
    is_upright=True,
)
