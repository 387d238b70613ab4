"""W7: everybody opens a large document at once, while others go on typing elsewhere."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any

from bench.drive import connect_all, type_at_rate
from bench.peers.clients.catalogue import Clients, documents
from bench.peers.systems.system import REDIS
from bench.peers.workload import Figure, Observed, Session, Target, Workload
from bench.tally import DocumentTally, Tally, percentiles

_JOINERS = 150
_SIZES = {"4 MB": 4_000_000, "20 MB": 20_000_000}
_LIVE_RATE = 40.0
_BEFORE_SECONDS = 4.0
_DEADLINE_SECONDS = 90.0


async def _drive(session: Session) -> dict[str, Any]:
    known, address = documents(session.speaks), session.addresses[0]
    sizes = {"4 MB": 400_000} if session.size == "quick" else _SIZES
    for name, size in sizes.items():
        await known.put(address, f"bench-{name.replace(' ', '-')}", _prose(size))
    tally, counts = Tally(), DocumentTally()
    clients = Clients(session.speaks, tally)
    live = [clients.typist("bench-live", counts) for _ in range(2)]
    await connect_all(live[:1], session.addresses)
    await connect_all(live[1:], session.addresses)
    typing = asyncio.create_task(type_at_rate(live, _LIVE_RATE))
    await asyncio.sleep(1.0)
    tally.is_measuring = True
    answer: dict[str, Any] = {"before": (await _p99_during(tally, asyncio.sleep(_BEFORE_SECONDS)))[1]}
    for name in sizes:
        print(f"before {name}", flush=True)
        visitors = [
            known.visitor(f"bench-{name.replace(' ', '-')}")
            for _ in range(20 if session.size == "quick" else _JOINERS)
        ]
        async with asyncio.timeout(_DEADLINE_SECONDS):
            seconds, p99 = await _p99_during(
                tally, asyncio.gather(*(visitor.visit(address) for visitor in visitors))
            )
        answer[name] = {
            "seconds": seconds,
            "p99": p99,
            "joiners": len(visitors),
            "bytes": max(visitor.received_bytes for visitor in visitors),
        }
        for visitor in visitors:
            visitor.close()
        print(f"after {name}", flush=True)
    typing.cancel()
    return answer


async def _p99_during(tally: Tally, what: Any) -> tuple[float, float]:
    """Return how long it took, and the p99 of live edits meanwhile, of at least one second."""
    tally.delays.clear()
    started = time.perf_counter()
    await what
    seconds = time.perf_counter() - started
    await asyncio.sleep(max(0.0, 1.0 - seconds))
    return seconds, percentiles(tally.delays).get("p99", 0.0)


def _prose(size: int) -> str:
    """Return text that compresses as prose does, about 3 to 1."""
    chance = random.Random(1)
    letters = "etaoinshrdlucmfwypvbgk"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(3000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    return " ".join(chance.choices(words, weights, k=size // 5))[:size].ljust(size)


def _conclude(observed: Observed) -> Mapping[str, float]:
    before = observed.answer["before"]
    figures = {"p99 before": before}
    for name in _SIZES:
        if name in observed.answer:
            seen, start = observed.answer[name], observed.marks[f"before {name}"]
            end = observed.marks[f"after {name}"]
            used = sum(end.cpu_seconds[part] - start.cpu_seconds[part] for part in end.cpu_seconds)
            peak = sum(size for part, size in end.peak_bytes.items() if part != REDIS)
            figures |= {
                f"{name}: s": seen["seconds"],
                f"{name}: MB each": seen["bytes"] / 1e6,
                f"{name}: CPU s": used,
                f"{name}: peak MB": peak / 1e6,
                f"{name}: p99 x": seen["p99"] / before if before else 0.0,
            }
    return figures


JOIN_STORM = Workload(
    "W7",
    f"join storm: {_JOINERS} clients open one document at once, of 4 MB and then of 20 MB, while two type in another",
    (
        Figure("p99 before", 1),
        *(
            Figure(f"{name}: {what}", digits)
            for name in _SIZES
            for what, digits in (("s", 1), ("MB each", 1), ("CPU s", 1), ("peak MB", 0), ("p99 x", 1))
        ),
    ),
    (Target("4 MB: p99 x", bound=3.0), Target("20 MB: p99 x", bound=3.0)),
    _drive,
    _conclude,
    systems=("coedit", "ShareDB", "coedit for Yjs", "y-websocket", "Hocuspocus"),
    is_long=True,
    is_upright=True,
)
