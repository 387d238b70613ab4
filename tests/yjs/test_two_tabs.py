"""Two tabs of one browser give each other their edits directly, so that the server may get them out of order."""

import pytest

from coedit.client import connect
from coedit.ot import Delta
from tests.system import System, eventually
from tests.yjs.convergence import all_equal
from tests.yjs.node_clients import NodeClient, NodeClients


@pytest.mark.parametrize("kind", ["two tabs", "two providers"])
async def test_edit_that_arrives_before_what_it_builds_on_is_neither_lost_nor_misplaced(
    system: System, yjs: NodeClients, kind: str
) -> None:
    """The first tab's way to the server is held, and the second types behind what the first has typed."""
    async with connect(system.url) as session:
        document = await session.open(kind)
        await document.insert(0, "[]")
        first, second = await _tabs(system, yjs, kind)
        await all_equal([document], [first, second])
        await first.call("hold")
        await first.edit(Delta().retain(1).insert("one 😀 ", {"bold": True}))
        await eventually(lambda: _has(second, "[one 😀 ]"), "the other tab has it directly")
        await second.edit(Delta().retain(8).insert("two"))
        # The server has only what builds on something it lacks; it asks the second tab for the rest.
        await all_equal([document], [first, second])
        assert document.text == "[one 😀 two]"
        await first.call("release")
        await first.edit(Delta().retain(11).insert(" three"))
        await second.edit(Delta().retain(1).delete(3))
        await all_equal([document], [first, second, await yjs.open(system.url, kind)])
        assert document.text == "[ 😀 two three]"


async def _tabs(system: System, yjs: NodeClients, kind: str) -> tuple[NodeClient, NodeClient]:
    if kind == "two tabs":
        return await yjs.open(system.url, kind, tab=True), await yjs.open(system.url, kind, tab=True)
    first, second = await yjs.open(system.url, kind, provider="hocuspocus"), await yjs.open(system.url, kind)
    await yjs.call("pair", one=first.name, other=second.name)
    return first, second


async def _has(client: NodeClient, text: str) -> bool:
    return (await client.content()).text == text
