"""Two people in each of some documents, each on a gateway of its own, who write on whatever happens; and a clock."""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from coedit.client import Document, connect
from coedit.client.rest import fetch_text
from tests.system import System, eventually
from tests.writers import Ledger, Writer, settle_all

_PAUSE_SECONDS = 0.05
_PATIENCE_SECONDS = 120.0


@dataclass
class Waits:
    """How long edits took to be saved, and to be seen by the other one who has the document open."""

    saved_seconds: list[float] = field(default_factory=list)
    seen_seconds: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.saved_seconds:
            return "0 edits"
        return (
            f"{len(self.saved_seconds)} edits | {_spread(self.saved_seconds)} | {_spread(self.seen_seconds)}"
        )


class People:
    """Those who write; `during` and `flow` say how it goes."""

    def __init__(self, system: System, pairs: list[tuple[Writer, Writer]]) -> None:
        self.system = system
        self.pairs = pairs
        self.waits = Waits()
        self.is_over = False

    @property
    def documents(self) -> list[Document]:
        return [writer.document for pair in self.pairs for writer in pair]

    async def during(self, seconds: float) -> Waits:
        """Let them write for so long; return how long it took what was saved in that time."""
        self.waits = waits = Waits()
        await asyncio.sleep(seconds)
        self.waits = Waits()
        return waits

    async def flow(self, seconds: float = 60.0) -> None:
        """Wait until everybody has an edit saved that was made from now on."""
        before = [writer.edits for pair in self.pairs for writer in pair]
        await eventually(
            lambda: all(
                writer.edits > count + 1
                for count, writer in zip(before, (w for pair in self.pairs for w in pair), strict=True)
            ),
            "edits flow",
            seconds,
        )

    async def write(self, writer: Writer, other: Document) -> None:
        """Edit, wait until it is saved and seen, and again."""
        document = writer.document
        while not self.is_over:
            started = time.monotonic()
            waits = self.waits
            await writer.step()
            await document.settle()
            waits.saved_seconds.append(time.monotonic() - started)
            revision = document.revision
            await other.until(lambda: other.revision >= revision)  # noqa: B023 - awaited here
            waits.seen_seconds.append(time.monotonic() - started)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def check(self) -> None:
        """Check that everybody, and the server, has what was typed, each character once."""
        await settle_all(self.documents, 120)
        for one, other in self.pairs:
            assert one.document.content == other.document.content
            one.ledger.check(one.document.text)
            stored = await fetch_text(self.system.url, one.document.state.document_id)
            assert stored.text == one.document.text
        for document in self.documents:
            assert (document.rejections, document.losses) == ([], [])


@asynccontextmanager
async def people_at(system: System, *, documents: int = 3, seed: int = 0) -> AsyncIterator[People]:
    """Have people write until the block ends, and check then what became of it."""
    async with AsyncExitStack() as stack:
        pairs = []
        for number in range(documents):
            ledger = Ledger(seed + number)
            pair = []
            for side in range(2):
                url = system.gateways[side % len(system.gateways)]
                session = await stack.enter_async_context(
                    connect(url, author=f"author {number}.{side}", patience_seconds=_PATIENCE_SECONDS)
                )
                document = await session.open(f"drill {seed + number}")
                pair.append(Writer(document, ledger, random.Random(f"{seed} {number} {side}")))
            pairs.append((pair[0], pair[1]))
        people = People(system, pairs)
        async with asyncio.TaskGroup() as tasks:
            for one, other in pairs:
                tasks.create_task(people.write(one, other.document))
                tasks.create_task(people.write(other, one.document))
            try:
                yield people
            finally:
                people.is_over = True
        await people.check()


def _spread(seconds: list[float]) -> str:
    """Return the median, what 19 of 20 did not exceed, and the longest."""
    ordered = sorted(seconds)
    most = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"{statistics.median(ordered) * 1000:.0f} / {most * 1000:.0f} / {ordered[-1] * 1000:.0f} ms"
