"""A format is said once and stands in a document with each run: what would blow it up is refused."""

import asyncio

import coedit
from coedit.ot import Delta, Insert
from tests.integration.yjs_client import YjsClient
from tests.system import System, eventually

_RUNS = 10_000
_NOTE = {"note": "y" * 50_000}
"""Half a gigabyte, once for each run."""


def _runs() -> Delta:
    return Delta([Insert("ab", {"bold": True} if index % 2 else None) for index in range(_RUNS)])


async def test_format_of_a_yjs_client_that_every_run_repeats_is_refused(system: System) -> None:
    async with coedit.connect(system.url) as session:
        notes = await session.open("by Yjs")
        await notes.edit(_runs())
        await notes.settle()
        async with YjsClient(system.url, "by Yjs") as client:
            await eventually(lambda: len(client.text) == 2 * _RUNS, "the Yjs client has the text")
            await client.edit(lambda text: text.format(0, len(text), _NOTE))
            await client.until_closed()
        await notes.insert(0, "still here")
        await asyncio.wait_for(notes.settle(), 60)
        async with YjsClient(system.url, "by Yjs") as late:
            await eventually(
                lambda: str(late.text).startswith("still here"), "a Yjs client has what came then"
            )
        assert "yyyyy" not in repr(notes.content)


async def test_format_of_an_ot_client_that_every_run_repeats_is_refused(system: System) -> None:
    async with coedit.connect(system.url) as session:
        notes = await session.open("by OT")
        await notes.edit(_runs())
        await notes.settle()
        await notes.edit(Delta().retain(2 * _RUNS, _NOTE))
        await asyncio.wait_for(notes.settle(), 60)
        assert [rejection.code for rejection in notes.rejections] == ["document-too-large"]
    async with coedit.connect(system.url) as session:
        notes = await session.open("by OT")
        await notes.insert(0, "still here")
        await asyncio.wait_for(notes.settle(), 60)
