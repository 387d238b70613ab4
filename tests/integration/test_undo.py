"""Two authors on the real system: each undoes one's own, and both end with the same document."""

import random

from coedit.client import Document, connect
from coedit.ot import Delta
from tests.system import System
from tests.writers import Ledger, Writer, settle_all


async def test_undo_takes_back_ones_own_through_anothers_edits(system: System) -> None:
    async with connect(system.url, author="ada") as ada, connect(system.url, author="bob") as bob:
        mine, theirs = await ada.open("undone"), await bob.open("undone")
        await mine.edit(Delta().insert("mine"), group="typing")
        await mine.edit(Delta().retain(4).insert({"image": "x"}, {"width": 3}).insert("😀"), group="typing")
        await _meet(mine, theirs)
        await theirs.insert(2, " THEIRS ", {"bold": True})
        await _meet(mine, theirs)
        written = mine.content
        assert await mine.undo() is not None
        await _meet(mine, theirs)
        assert theirs.content == Delta().insert(" THEIRS ", {"bold": True})
        assert not mine.can_undo
        await mine.redo()
        await _meet(mine, theirs)
        assert theirs.content == written
        await theirs.undo()
        await _meet(mine, theirs)
        assert mine.content == Delta().insert("mine").insert({"image": "x"}, {"width": 3}).insert("😀")


async def test_undo_at_the_same_time_converges(system: System, seed: int) -> None:
    rng, ledger = random.Random(seed), Ledger(seed)
    async with connect(system.url, author="ada") as ada, connect(system.url, author="bob") as bob:
        documents = [await session.open("undone at once") for session in (ada, bob)]
        writers = [Writer(document, ledger, random.Random(rng.random())) for document in documents]
        for _ in range(60):
            writer = rng.choice(writers)
            steps = [writer.step, writer.step, writer.document.undo, writer.document.redo]
            await rng.choice(steps)()
        while await documents[0].undo() or await documents[1].undo():
            pass
        await _meet(*documents)


async def test_document_opened_without_undo_steps_undoes_nothing(system: System) -> None:
    async with connect(system.url, author="ada") as ada:
        document = await ada.open("never undone", undo_steps=0)
        await document.insert(0, "a")
        assert (document.can_undo, await document.undo(), document.text) == (False, None, "a")


async def _meet(mine: Document, theirs: Document) -> None:
    """Wait until both have everything, and check that it is the same."""
    await settle_all([mine, theirs])
    assert mine.content == theirs.content
