"""Redis is lost within the first seconds of documents, which everybody who wrote them has left."""

import asyncio
import random
from contextlib import suppress

from coedit.client import Document, DocumentError, connect
from coedit.errors import CoeditError
from tests.chaos.crowd import ReplicaWatch
from tests.chaos.faults import register
from tests.chaos.faults_loss import RedisWipe
from tests.chaos.world import World
from tests.chaos.yjs_typist import YjsTypist
from tests.system import eventually
from tests.writers import Ledger, Made, Writer

_WRITING_SECONDS = 8.0
_HEAVY_EDITS = 15
_HEAVY_CHARACTERS = 5_000
"""Sixteen kilobytes each: more than an owner keeps to rebase over."""


@register
class EarlyWipe(RedisWipe):
    """New documents are written: a light one, a heavy one, one that Yjs clients open; all leave, and Redis is wiped."""

    kind = "early-wipe"
    seconds = (0.1, 1.0)
    takes_seconds = RedisWipe.takes_seconds + 2.0

    async def begin(self, world: World, rng: random.Random) -> str:
        """Write, leave, and wipe within two seconds."""
        number = len(world.left_documents)
        names = [f"{kind} {number}" for kind in ("left light", "left heavy", "left bridged")]
        await asyncio.gather(*(_write_and_leave(world, name, random.Random(rng.random())) for name in names))
        await asyncio.sleep(rng.uniform(0, 2))
        return await super().begin(world, rng)


async def _write_and_leave(world: World, name: str, rng: random.Random) -> None:
    """Write a new document for some seconds at most: other faults may be in the way."""
    client, settled = f"leaves {name}", False
    with suppress(TimeoutError, OSError, CoeditError, DocumentError):
        async with (
            asyncio.timeout(_WRITING_SECONDS),
            connect(rng.choice(world.door_urls), author=client) as session,
        ):
            document = await session.open(name)
            watch = ReplicaWatch(world.history, client, document)
            watch.begin()
            await _write(world, document, client, rng)
            await document.settle()
            settled = True
    world.history.add("left", client=client, document=name, settled=settled)


async def _write(world: World, document: Document, client: str, rng: random.Random) -> None:
    name, ledger = document.state.document_id, Ledger(rng.randrange(2**32))

    def note(made: Made) -> None:
        world.history.add("edit", client=client, document=name, **made._asdict())

    first = ledger.take(1)
    note(Made(inserted=first))
    await document.insert(0, first)
    await document.settle()
    world.left_documents.append(
        name
    )  # not before: a document of which nothing was acked need not be anywhere
    if "heavy" in name:
        for _ in range(_HEAVY_EDITS):
            text = ledger.take(_HEAVY_CHARACTERS)
            note(Made(inserted=text))
            await document.insert(0, text)
        return
    writer = Writer(document, ledger, rng, note)
    for _ in range(rng.randint(3, 8)):
        await writer.step()
    if "bridged" in name:
        await document.settle()
        world.history.add("bridged", document=name)
        typist = YjsTypist(
            f"yjs {client}", name, lambda: rng.choice(world.door_urls), ledger, world.history, rng
        )
        connected = asyncio.create_task(typist.keep_connected())
        try:
            await eventually(
                lambda: typist.content == document.content, "a Yjs client has it", _WRITING_SECONDS
            )
        except AssertionError as error:
            raise TimeoutError from error
        finally:
            connected.cancel()
            await asyncio.gather(connected, return_exceptions=True)
