"""What it costs to ask for the past: ``python -m bench.history 100000``, the number of commits.

Two authors type in turns of 500 keystrokes; everything is in the archive, in memory, and there is no snapshot.
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Commit
from coedit.ot.past.retract import Selection
from coedit.protocol.log_entry import encode_commit
from coedit.store.documents.history import History
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.documents.reader import DocumentReader
from coedit.store.objects.archive import Archive
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshots

_DOCUMENT = DocumentId("typed")
_SEGMENT = 5000
_TURN = 500
_BOB = AuthorId("bob")
_SEED = 1


class _EmptyLog:
    """A log all of which was archived."""

    def __init__(self, head: int) -> None:
        self._position = Position(1, Revision(head), "", Revision(head), Revision(head), 0)

    async def position(self, _: DocumentId) -> Position:
        return self._position

    async def read(self, *_: Any) -> list[bytes]:
        return []


def typed(count: int) -> list[bytes]:
    """Return the log of people who type, delete what they typed, and sometimes go elsewhere."""
    rng, entries, length, place = random.Random(_SEED), list[bytes](), 0, 0
    for revision in range(1, count + 1):
        if rng.random() < 0.05:
            place = rng.randint(0, length)
        if place and rng.random() < 0.3:
            place, length = place - 1, length - 1
            delta = Delta().retain(place).delete(1)
        else:
            delta = Delta().retain(place).insert("a")
            place, length = place + 1, length + 1
        author = "ada" if revision // _TURN % 2 else _BOB
        number = ClientSequence(revision)
        at = revision * 1000
        commit = Commit(Revision(revision), delta, AuthorId(author), ClientId(author), number, at, 1)
        entries.append(encode_commit(commit))
    return entries


async def measure(count: int) -> None:
    """Ask every question once, and print how long it took and how long the loop was held meanwhile."""
    objects = open_object_store("memory://")
    snapshots, archive = Snapshots(objects), Archive(objects)
    entries = typed(count)
    for first in range(0, count, _SEGMENT):
        await archive.store(_DOCUMENT, Revision(first + 1), entries[first : first + _SEGMENT])
    log = cast("DocumentLog", _EmptyLog(count))
    history = History(log, DocumentReader(log, snapshots, archive), snapshots)
    questions: dict[str, Callable[[], Awaitable[Any]]] = {
        "newest 100 changes": lambda: history.changes(_DOCUMENT, count + 1, 100, 60_000),
        "document at the head": lambda: history.at(_DOCUMENT, count),
        "blame": lambda: history.blame(_DOCUMENT, count),
        "revision at a time": lambda: history.revision_at(_DOCUMENT, count * 500),
        "take back one author": lambda: history.retraction(_DOCUMENT, count, Selection(_BOB)),
    }
    for name, question in questions.items():
        held = asyncio.create_task(_longest_hold())
        started = time.perf_counter()
        await question()
        seconds = time.perf_counter() - started
        held.cancel()
        print(f"{name:22} {seconds:6.2f} s, loop held for {await held * 1000:4.0f} ms at most")


async def _longest_hold() -> float:
    longest = 0.0
    try:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.005)
            longest = max(longest, time.perf_counter() - started - 0.005)
    except asyncio.CancelledError:
        return longest


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1])))
