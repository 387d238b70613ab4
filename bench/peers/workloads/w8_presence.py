"""W8: hundreds of carets that move, and one who types."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bench.drive import connect_all, type_at_rate
from bench.peers.clients.carets import CaretClient, CaretTally
from bench.peers.clients.catalogue import Clients
from bench.peers.systems.system import REDIS
from bench.peers.workload import Figure, Observed, Session, Target, Workload
from bench.tally import DocumentTally, Tally, percentiles

_CLIENTS = 500
_RATES = (1, 10)
"""Moves per second and client."""
_WRITER_RATE = 5.0
_WATCHERS = 5
_PLACES = 2000
_SETTLE_SECONDS = 15.0


async def _drive(session: Session) -> dict[str, Any]:
    tally, carets, counts = Tally(), CaretTally(), DocumentTally()
    clients = Clients(session.speaks, tally)
    number = 50 if session.size == "quick" else _CLIENTS
    crowd = [clients.caret_client("bench-crowd", counts, carets) for _ in range(number)]
    await connect_all(crowd[:1], session.addresses)
    await connect_all(crowd[1:], session.addresses)
    writer, movers = crowd[0], crowd[1:]
    for watcher in movers[:_WATCHERS]:
        watcher.watches = True
    typing = asyncio.create_task(type_at_rate([writer], _WRITER_RATE))
    answer = dict[str, Any]()
    # A Yjs server sends each move to everybody: 2,500,000 messages/s at 10 Hz are beyond this machine.
    for rate in _RATES if session.speaks == "coedit" else _RATES[:1]:
        moving = asyncio.create_task(_move(movers, rate))
        await asyncio.sleep(session.warm_seconds)
        tally.is_measuring = True
        tally.delays.clear()
        carets.delays.clear()
        print(f"begin {rate}", flush=True)
        started = time.perf_counter()
        await asyncio.sleep(session.seconds)
        print(f"end {rate}", flush=True)
        answer[f"{rate} Hz"] = {
            "seconds": time.perf_counter() - started,
            "edits": percentiles(tally.delays),
            "carets": percentiles(carets.delays),
        }
        moving.cancel()
        answer[f"{rate} Hz"]["undelivered"] = await _undelivered(crowd, carets)
    typing.cancel()
    for client in crowd:
        client.close()
    return answer


async def _move(movers: Sequence[CaretClient], rate: int) -> None:
    """Move every caret so often, evenly spread."""
    started, made = time.perf_counter(), 0
    while True:
        due = int((time.perf_counter() - started) * rate * len(movers))
        for number in range(made, due):
            # By steps of 7, so that a place does not come again while the move before is under way.
            movers[number % len(movers)].move(number // len(movers) * 7 % _PLACES)
        made = due
        await asyncio.sleep(0.01)


async def _undelivered(crowd: Sequence[CaretClient], carets: CaretTally) -> int:
    """Wait until everybody knows where everybody else is; return how many carets are not known after a while."""
    deadline = time.perf_counter() + _SETTLE_SECONDS
    while True:
        missing = sum(
            client.seen.get(who) != place
            for client in crowd
            for who, place in carets.newest.items()
            if who != client.who
        )
        if not missing or time.perf_counter() > deadline:
            return missing
        await asyncio.sleep(0.5)


def _conclude(observed: Observed) -> Mapping[str, float]:
    figures = dict[str, float]()
    for name, seen in observed.answer.items():
        rate = name.removesuffix(" Hz")
        before, after = observed.marks[f"begin {rate}"], observed.marks[f"end {rate}"]
        used = {part: after.cpu_seconds[part] - before.cpu_seconds[part] for part in after.cpu_seconds}
        redis = used.pop(REDIS, 0.0)
        figures |= {
            f"{name}: CPU %": sum(used.values()) / seen["seconds"] * 100,
            f"{name}: Redis %": redis / seen["seconds"] * 100,
            f"{name}: edit p95 ms": seen["edits"].get("p95", 0.0),
            f"{name}: caret p95 ms": seen["carets"].get("p95", 0.0),
            f"{name}: undelivered": seen["undelivered"],
        }
    return figures


PRESENCE = Workload(
    "W8",
    f"presence: {_CLIENTS} clients in one document, carets at 1 and at 10 Hz, one writer at {_WRITER_RATE:g} edits/s",
    tuple(
        Figure(f"{rate} Hz: {what}")
        for rate in _RATES
        for what in ("CPU %", "Redis %", "edit p95 ms", "caret p95 ms", "undelivered")
    ),
    tuple(Target(f"{rate} Hz: undelivered") for rate in _RATES),
    _drive,
    _conclude,
    systems=("coedit", "y-websocket"),
    is_long=True,
    is_upright=True,
)
