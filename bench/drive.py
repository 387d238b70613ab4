"""How the clients of a load are driven: connected, made to type, measured, and waited for."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from bench.tally import BrokenPromiseError, Tally

Address = tuple[str, int]
_OPEN_SECONDS = 60.0
_DRAIN_SECONDS = 30.0
_OPEN_AT_ONCE = 50


class Typist(Protocol):
    """One client of a load, whatever it speaks."""

    on_ack: Callable[[Any, int], None]
    """Called with the typist and how many of its edits were acked."""

    @property
    def is_quiet(self) -> bool:
        """Whether everything typed is acked, and everything of others has come."""

    async def connect(self, host: str, port: int) -> None:
        """Connect and open the document; return when it is open."""

    def type(self, edits: int) -> None:
        """Type so many characters."""

    def close(self) -> None:
        """Leave."""


async def connect_all(typists: Sequence[Typist], addresses: Sequence[Address]) -> None:
    """Connect all, spread over the addresses."""
    async with asyncio.timeout(_OPEN_SECONDS):
        for first in range(0, len(typists), _OPEN_AT_ONCE):
            at_once = range(first, min(first + _OPEN_AT_ONCE, len(typists)))
            await asyncio.gather(
                *(typists[number].connect(*addresses[number % len(addresses)]) for number in at_once)
            )


def type_closed(typists: Sequence[Typist], outstanding: int) -> None:
    """Whatever is acked is typed anew, so that ``outstanding`` edits of each client are always unacked."""
    for typist in typists:
        typist.on_ack = lambda typist, edits: typist.type(edits)
        # In flight and in the buffer from the start, otherwise all would go out in one submission for ever.
        first = max(1, outstanding // 2)
        typist.type(first)
        if outstanding > first:
            typist.type(outstanding - first)


async def type_at_rate(typists: Sequence[Typist], rate: float) -> None:
    """Type single characters at even times, each client in its turn."""
    loop = asyncio.get_running_loop()
    order = random.Random(1).sample(typists, len(typists))
    started, typed = loop.time(), 0
    while True:
        due = int((loop.time() - started) * rate) + 1
        for number in range(typed, due):
            order[number % len(order)].type(1)
        typed = due
        await asyncio.sleep(max(0.0, started + typed / rate - loop.time()))


async def measured(tally: Tally, warm_seconds: float, seconds: float) -> float:
    """Count for so long, saying ``begin`` and ``end`` on standard output; return how long it was."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(warm_seconds)
    tally.is_measuring = True
    print("begin", flush=True)
    started = loop.time()
    await asyncio.sleep(seconds)
    tally.is_measuring = False
    seconds = loop.time() - started
    print("end", flush=True)
    return seconds


async def drained(tally: Tally, typists: Sequence[Typist]) -> None:
    """Wait until every client has been told of everything.

    Raises:
        BrokenPromiseError: something did not arrive, or not as it should.
    """
    for typist in typists:
        typist.on_ack = lambda _typist, _edits: None
    deadline = asyncio.get_running_loop().time() + _DRAIN_SECONDS
    while not tally.errors and not all(typist.is_quiet for typist in typists):
        if asyncio.get_running_loop().time() > deadline:
            late = sum(not typist.is_quiet for typist in typists)
            tally.errors.append(
                f"{late} of {len(typists)} clients miss something after {_DRAIN_SECONDS:.0f} s"
            )
        await asyncio.sleep(0.02)
    if tally.errors:
        raise BrokenPromiseError(f"{len(tally.errors)} errors: " + "; ".join(tally.errors[:5]))
