"""People who type on while a topology of Redis is in trouble, and what must be true when it is over."""

import asyncio
import json
import random
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from coedit.client import connect
from coedit.identifiers import DocumentId
from coedit.ot import Delta
from tests.system import System, eventually
from tests.writers import Ledger, Writer, settle_all

NAMES = tuple(f"document {number}" for number in range(6))
_PAUSE_SECONDS = 0.05
_BACK_SECONDS = 30.0


class Load:
    """One writer a document, and one more for the first, who type on whatever happens."""

    def __init__(self, system: System, writers: list[Writer]) -> None:
        self.system = system
        self.writers = writers
        self._is_over = False

    async def type(self, writer: Writer) -> None:
        while not self._is_over:
            await writer.step()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def through(
        self,
        what: str,
        trouble: Callable[[], object],
        end: Callable[[], object] | None = None,
        seconds: float = 1.0,
    ) -> None:
        """Make trouble for so long, see that what is not saved is not called so, end it, and see edits flow again."""
        await self.flow()
        started = time.monotonic()
        await asyncio.to_thread(trouble)
        if end is not None:
            await asyncio.sleep(seconds)
            await eventually(
                lambda: not all(writer.document.saved for writer in self.writers), "one is unsaved"
            )
            await asyncio.to_thread(end)
        ended = time.monotonic()
        await self.flow()
        print(f"{what}: {ended - started:.1f} s of it, edits flow {time.monotonic() - ended:.1f} s later")

    async def flow(self) -> None:
        """Wait until every writer has an ack for something that was typed from now on."""
        for writer in self.writers:
            edits, revision = writer.edits, writer.document.revision
            await eventually(
                lambda writer=writer, edits=edits, revision=revision: (
                    writer.edits > edits and writer.document.revision > revision + 1
                ),
                f"edits flow in {writer.document.state.document_id}",
                _BACK_SECONDS,
            )

    async def finish(self) -> None:
        """Stop typing; check that everybody has all that was typed, once."""
        self._is_over = True
        await settle_all([writer.document for writer in self.writers], 60)
        for writer in self.writers:
            stored = await asyncio.to_thread(_stored, self.system, writer.document.state.document_id)
            assert writer.document.content == stored
            assert writer.document.rejections == []
            writer.ledger.check(stored.text)


@asynccontextmanager
async def typing(system: System, seed: int) -> AsyncIterator[Load]:
    """Writers at work; checked in the end."""
    async with AsyncExitStack() as stack:
        ledgers = {name: Ledger(seed) for name in NAMES}
        writers = []
        for number, name in enumerate([*NAMES, NAMES[0]]):
            session = await stack.enter_async_context(connect(system.url, author=f"author {number}"))
            document = await session.open(name)
            writers.append(Writer(document, ledgers[name], random.Random(seed + number)))
        load = Load(system, writers)
        async with asyncio.TaskGroup() as tasks:
            for writer in writers:
                tasks.create_task(load.type(writer))
            yield load
            await load.finish()


def _stored(system: System, name: DocumentId) -> Delta:
    url = f"{system.url}/v1/documents/{urllib.parse.quote(name, safe='')}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return Delta.from_json(json.loads(answer.read())["content"])
