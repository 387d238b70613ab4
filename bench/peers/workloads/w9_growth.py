"""W9: what should stay flat as there is more of it: documents, history, text, clients in one document."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.drive import Typist, connect_all, drained, type_at_rate, type_closed
from bench.peers.clients.catalogue import Clients
from bench.peers.workload import SETTLE, Observed, Session, Size, Workload
from bench.peers.workloads.growth_tables import AT_REST, FIRST_EDIT, OPENED, WRITTEN, tables, used
from bench.tally import DocumentTally, Tally


@dataclass(frozen=True, slots=True)
class _Most:
    """How far each of them is gone."""

    documents: int
    revisions: int
    characters: int
    clients: int


_MOST: Mapping[Size, _Most] = {
    "quick": _Most(10, 1_000, 10_000, 10),
    "usual": _Most(1_000, 10_000, 100_000, 1_000),
    "full": _Most(10_000, 1_000_000, 1_000_000, 1_000),
}
_DOCUMENTS = (1, 10, 100, 1_000, 10_000)
_REVISIONS = (1_000, 10_000, 100_000, 1_000_000)
_CHARACTERS = (1_000, 10_000, 100_000, 1_000_000)
_CLIENTS = (2, 10, 100, 1_000)
_RATE = 200.0
_RATE_OF_MANY = 20.0
_FROM_DOCUMENTS = 100
"""With fewer, what a document costs cannot be told from what the system takes at rest."""
_AT_REST = (1, 1_000, 10_000)
_REST_SECONDS = 30.0
"""So long that each connection is pinged once."""
_AT_ONCE = 100
_WRITERS = 32
"""So many write the history of one document, each the next edit when the last one is acked: a million in minutes."""
_HISTORY_SECONDS = 3600.0


async def _drive(session: Session) -> dict[str, Any]:
    growth, most = _Growth(session), _MOST[session.size]
    for number in _upto(most.documents, _DOCUMENTS):
        await growth.documents(number)
    await growth.history(_upto(most.revisions, _REVISIONS))
    for number in _upto(most.characters, _CHARACTERS):
        await growth.text(number)
    for number in _upto(most.clients, _CLIENTS):
        await growth.audience(number)
    return growth.counts


def _upto(most: int, numbers: Sequence[int]) -> list[int]:
    return [number for number in numbers if number <= most]


class _Growth:
    """Goes its steps; ``counts`` says of each how often it did what its cost is told by."""

    def __init__(self, session: Session) -> None:
        self.counts: dict[str, float] = {}
        self._session = session

    async def documents(self, number: int) -> None:
        """One client in each of so many documents; 200 edits/s go round all of them."""
        name = f"{number:,} documents"
        crowd = _Crowd(self._session, [f"{name} {at}" for at in range(number)], 1)
        is_told = number >= _FROM_DOCUMENTS
        async with self._step(f"{name}: {OPENED}", lambda: number, is_told=is_told):
            await crowd.connect(crowd.typists)
        async with self._step(f"{name}: {FIRST_EDIT}", lambda: number, is_told=is_told):
            for first in range(0, number, _AT_ONCE):
                some = crowd.typists[first : first + _AT_ONCE]
                for typist in some:
                    typist.type(1)
                await drained(crowd.tally, some)
            await _settled()
        await self._typing(name, crowd, _RATE)
        await _settled()
        if number in _AT_REST:
            seconds = self._session.seconds if self._session.size == "quick" else _REST_SECONDS
            async with self._step(f"{name}: {AT_REST}", lambda: seconds):
                await asyncio.sleep(seconds)
        await crowd.leave(crowd.typists)

    async def history(self, revisions: Sequence[int]) -> None:
        """One document, written by many at once, then typed into by one."""
        crowd = _Crowd(self._session, ["history"], 1)
        await crowd.connect(crowd.typists)
        for number in revisions:
            name = f"{number:,} revisions"
            await self._write(f"{name}: {WRITTEN}", crowd, number)
            await _settled()
            await self._typing(name, crowd, _RATE)
            await _settled()
        await crowd.leave(crowd.typists)

    async def text(self, number: int) -> None:
        """One document with so many characters, pasted at once."""
        name = f"{number:,} characters"
        crowd = _Crowd(self._session, [name], 1)
        await crowd.connect(crowd.typists)
        crowd.typists[0].type(number)
        await drained(crowd.tally, crowd.typists)
        await _settled()
        await self._typing(name, crowd, _RATE)
        await crowd.leave(crowd.typists)
        await _settled()

    async def audience(self, number: int) -> None:
        """So many clients in one document."""
        name = f"{number:,} clients"
        crowd = _Crowd(self._session, [name], number)
        await crowd.connect(crowd.typists)
        await self._typing(name, crowd, _RATE_OF_MANY)
        await crowd.leave(crowd.typists)
        await _settled()

    async def _write(self, name: str, crowd: "_Crowd", revisions: int) -> None:
        writers = crowd.more(_WRITERS)
        await crowd.connect(writers)
        before = crowd.edits
        async with self._step(name, lambda: crowd.edits - before):
            type_closed(writers, 1)
            async with asyncio.timeout(_HISTORY_SECONDS):
                while crowd.edits < revisions:
                    await asyncio.sleep(0.02)
            await crowd.leave(writers)

    async def _typing(self, name: str, crowd: "_Crowd", rate: float) -> None:
        tally = crowd.tally
        typing = asyncio.create_task(type_at_rate(crowd.typists, rate))
        await asyncio.sleep(self._session.warm_seconds)
        tally.is_measuring = True
        async with self._step(name, lambda: tally.deliveries if name.endswith("clients") else tally.edits):
            tally.edits = tally.deliveries = 0
            await asyncio.sleep(self._session.seconds)
        tally.is_measuring = False
        typing.cancel()
        await drained(tally, crowd.typists)

    @asynccontextmanager
    async def _step(
        self, name: str, count: Callable[[], float], *, is_told: bool = True
    ) -> AsyncIterator[None]:
        """Have it measured what is done meanwhile; ``count`` is asked at its end."""
        if is_told:
            print(f"begin {name}", flush=True)
        yield
        if is_told:
            print(f"end {name}", flush=True)
            self.counts[name] = count()


class _Crowd:
    """The clients of some documents, ``typists`` being those that are there from beginning to end."""

    def __init__(self, session: Session, documents: Sequence[str], clients_each: int) -> None:
        self.tally = Tally()
        self._addresses = session.addresses
        self._counts = {name.replace(" ", "-").replace(",", ""): DocumentTally() for name in documents}
        self._clients = Clients(session.speaks, self.tally)
        self.typists = self.more(clients_each)

    @property
    def edits(self) -> int:
        """How many were typed into all documents."""
        return sum(count.edits for count in self._counts.values())

    def more(self, clients_each: int) -> list[Typist]:
        """Return so many more clients of each document; no two go by one number."""
        return [
            self._clients.typist(name, count)
            for _ in range(clients_each)
            for name, count in self._counts.items()
        ]

    async def connect(self, typists: Sequence[Typist]) -> None:
        """Connect them, one of each document first."""
        await connect_all(typists[: len(self._counts)], self._addresses)
        await connect_all(typists[len(self._counts) :], self._addresses)

    async def leave(self, typists: Sequence[Typist]) -> None:
        """Check that everything has come to them, and let them go.

        Raises:
            BrokenPromiseError: it has not.
        """
        await drained(self.tally, typists)
        for typist in typists:
            typist.close()
        self.tally.sent_at.clear()


async def _settled() -> None:
    """Wait until the system has nothing left to do of what was typed before."""
    print(SETTLE, flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def _conclude(observed: Observed) -> Mapping[str, float]:
    figures = dict[str, float]()
    for name, count in observed.answer.items():
        figures |= used(name, count, observed.marks[f"begin {name}"], observed.marks[f"end {name}"])
    return figures


GROWTH = Workload(
    "W9",
    f"growth: by documents, history and text ({_RATE:g} edits/s, {_RATE_OF_MANY:g} where there are many clients)",
    (),
    (),
    _drive,
    _conclude,
    systems=("coedit", "ShareDB", "y-websocket"),
    is_long=True,
    tables=tables,
)
