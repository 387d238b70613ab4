"""W5: a document with a long history is opened by somebody who has nothing of it."""

import time
from collections.abc import Mapping
from statistics import median
from typing import Any

from bench.peers.clients.catalogue import documents
from bench.peers.systems.catalogue import SHAREDB
from bench.peers.trace import Trace
from bench.peers.workload import Figure, Observed, Session, Target, Workload
from bench.peers.workloads.typing import cpu_seconds
from bench.tally import BrokenPromiseError

_NAME = "bench-paper"
_OPENINGS = 20


async def _drive(session: Session) -> dict[str, Any]:
    trace, known = Trace.load(), documents(session.speaks)
    address = session.addresses[0]
    await known.put_history(address, _NAME, trace)
    seconds, sizes = list[float](), list[int]()
    for number in range(-1, 3 if session.size == "quick" else _OPENINGS):
        if number == 0:
            print("begin", flush=True)
        visitor = known.visitor(_NAME)
        started = time.perf_counter()
        await visitor.visit(address)
        text = visitor.text()
        if number >= 0:
            seconds.append(time.perf_counter() - started)
            sizes.append(visitor.received_bytes)
        visitor.close()
        if text != trace.text:
            raise BrokenPromiseError(f"opened with {len(text)} characters, not those that were written")
    print("end", flush=True)
    return {"openings": len(seconds), "milliseconds": median(seconds) * 1000, "bytes": median(sizes)}


def _conclude(observed: Observed) -> Mapping[str, float]:
    own, redis = cpu_seconds(observed)
    openings = observed.answer["openings"]
    return {
        "ms to text": observed.answer["milliseconds"],
        "server ms": own / openings * 1000,
        "Redis ms": redis / openings * 1000,
        "kB": observed.answer["bytes"] / 1000,
    }


COLD_OPEN = Workload(
    "W5",
    "cold open of the automerge-paper document (259,778 edits, 104,852 characters), by one visitor after the other",
    (Figure("ms to text", 1), Figure("server ms", 1), Figure("Redis ms", 1), Figure("kB")),
    (Target("ms to text", SHAREDB, 1.0), Target("kB", SHAREDB, 0.5)),
    _drive,
    _conclude,
    systems=("coedit", "ShareDB", "coedit for Yjs", "y-websocket", "Hocuspocus", "pycrdt-websocket"),
)
