"""W7: everybody opens a large document at once, while others go on typing elsewhere."""

import asyncio
import random
import time
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from bench.drive import connect_all, type_at_rate
from bench.peers.clients.catalogue import Clients, documents
from bench.peers.quiet import until_quiet
from bench.peers.systems.system import REDIS
from bench.peers.visitors import Visitors
from bench.peers.workload import Figure, Observed, Session, Target, Workload
from bench.tally import DocumentTally, Tally, percentiles

_JOINERS = 150
_SIZES = {"4 MB": 4_000_000, "20 MB": 20_000_000}
_LIVE_RATE = 40.0
_LEAST_SECONDS = 4.0

T = TypeVar("T")


async def _drive(session: Session) -> dict[str, Any]:
    known, address = documents(session.speaks), session.addresses[0]
    sizes = {"4 MB": 400_000} if session.size == "quick" else _SIZES
    for name, size in sizes.items():
        await known.put(address, _document(name), _prose(size))
    tally, counts = Tally(), DocumentTally()
    clients = Clients(session.speaks, tally)
    live = [clients.typist("bench-live", counts) for _ in range(2)]
    await connect_all(live[:1], session.addresses)
    await connect_all(live[1:], session.addresses)
    await until_quiet()
    typing = asyncio.create_task(type_at_rate(live, _LIVE_RATE))
    await asyncio.sleep(1.0)
    tally.is_measuring = True
    _, before = await _p99_during(tally, asyncio.sleep(_LEAST_SECONDS))
    answer: dict[str, Any] = {"before": before}
    for name in sizes:
        joiners = 20 if session.size == "quick" else _JOINERS
        visitors = await Visitors.start(session.speaks, address, _document(name), joiners)
        await until_quiet()
        print(f"before {name}", flush=True)
        seen, p99 = await _p99_during(tally, visitors.visit())
        print(f"after {name}", flush=True)
        answer[name] = seen | {"p99": p99}
        await visitors.leave()
    typing.cancel()
    return answer


async def _p99_during(tally: Tally, what: Awaitable[T]) -> tuple[T, float]:
    """Return what came of it, and the p99 of live edits meanwhile: over equal times, or it is of fewer edits worse."""
    tally.delays.clear()
    started = time.perf_counter()
    answer = await what
    await asyncio.sleep(max(0.0, _LEAST_SECONDS - (time.perf_counter() - started)))
    return answer, percentiles(tally.delays).get("p99", 0.0)


def _document(name: str) -> str:
    return f"bench-{name.replace(' ', '-')}"


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
