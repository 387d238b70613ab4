"""Redis loses all it has while Yjs clients are connected."""

import asyncio
from collections.abc import Sequence

from coedit.client import connect
from coedit.ot import Delta
from coedit.protocol.server_session import CloseCode
from tests.conftest import MakeSystem
from tests.system import System, eventually
from tests.yjs.convergence import all_equal, stored
from tests.yjs.node_clients import NodeClient, NodeClients
from tests.yjs.somewhere import edit_somewhere, wishes
from tests.yjs.test_snapshots import SOON, snapshot_at


async def test_living_gateways_give_back_what_yjs_clients_typed(
    make_system: MakeSystem, yjs: NodeClients, seed: int
) -> None:
    system = make_system(gateways=2)
    async with connect(system.url) as session:
        document = await session.open("notes")
        old = await _two_clients(system, yjs)
        for wish in wishes(seed, 20):
            await edit_somewhere(document, wish)
            await old[0].edit_somewhere(wish)
        await all_equal([document], old)
        await asyncio.to_thread(system.wipe_redis)
        await old[1].edit(Delta().insert("typed while it is away "))
        await document.insert(0, "so is this ")
        fresh = await yjs.open(system.gateways[1], "notes")
        await fresh.becomes("is_synced", value=True)
        await all_equal([document], [*old, fresh], 60)
        assert (document.losses, document.state.epoch) == ([], 1)
        assert await asyncio.to_thread(stored, system.gateways[1], "notes") == document.content


async def test_what_nobody_has_is_reported_and_who_knows_too_much_loads_afresh(
    make_system: MakeSystem, yjs: NodeClients
) -> None:
    """With every process gone, what came after the snapshot is left in clients only, which cannot vouch for items."""
    # Long enough for the OT client to be back, which alone can say that there was more.
    system = make_system(settings=SOON | {"COEDIT_TRANSFORMER_GRACE_SECONDS": "15"})
    async with connect(system.url) as session:
        document = await session.open("notes")
        await document.insert(0, "kept ")
        old = await _two_clients(system, yjs)
        await all_equal([document], old)
        await snapshot_at(system, "notes", document.revision)
        system.processes["snapshotter-0"].kill()
        await document.insert(5, "lost, by the server's own items ", {"bold": True, "size": 2})
        await all_equal([document], old)
        await old[0].edit(Delta().insert("lost, by a Yjs client "))
        await all_equal([document], old)
        await _lose_everything(system)
        await eventually(lambda: bool(document.losses), "the loss is reported", 60)
        await old[0].becomes("tries", value=False)
        assert (await old[0].state())["closes"][-1] == CloseCode.LOST_ITEMS
        # Hocuspocus has no code for one of the documents of a socket: it is closed, and what was typed is not saved.
        await old[1].becomes("is_synced", value=False)
        assert (await old[1].state())["has_unsynced_changes"]
        fresh = [
            await yjs.open(system.url, "notes"),
            await yjs.open(system.url, "notes", provider="hocuspocus"),
        ]
        for client in fresh:
            await client.becomes("is_synced", value=True)
        await document.insert(0, "after ")
        await fresh[0].edit_somewhere({"kind": "insert", "at": 0.0, "content": "and "})
        await all_equal([document], fresh, 60)
        assert "kept" in document.text
        assert "lost" not in document.text
        assert await asyncio.to_thread(stored, system.url, "notes") == document.content


async def _two_clients(system: System, yjs: NodeClients) -> Sequence[NodeClient]:
    return [
        await yjs.open(system.gateways[0], "notes"),
        await yjs.open(system.gateways[-1], "notes", provider="hocuspocus"),
    ]


async def _lose_everything(system: System) -> None:
    services = [name for name in system.processes if name != "redis"]
    for name in services:
        if system.processes[name].is_running:
            system.processes[name].kill()
    await asyncio.to_thread(system.wipe_redis)
    for name in services:
        system.restart(name)
