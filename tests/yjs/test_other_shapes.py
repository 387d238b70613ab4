"""Documents that are no text: relayed and kept for Yjs clients, and refused to OT clients."""

from base64 import b64encode

import pytest

from coedit.client import DocumentError, connect
from tests.conftest import MakeSystem
from tests.system import eventually
from tests.yjs.node_clients import NodeClient, NodeClients, Provider
from tests.yjs.test_snapshots import SOON, snapshot_at

_ROOT = "prosemirror"


@pytest.mark.parametrize("provider", ["y-websocket", "hocuspocus"])
async def test_prosemirror_documents_converge_and_outlive_the_processes(
    make_system: MakeSystem, yjs: NodeClients, provider: Provider
) -> None:
    system = make_system(settings=SOON)
    bob, cyd = [
        await yjs.open(*(system.url, "page"), provider=provider, editor="prosemirror", user=user, root=_ROOT)
        for user in ("Bob", "Cyd")
    ]
    await bob.becomes("is_synced", value=True)
    await bob.edit([["insert", 1, "Title and 😀 text"], ["split", 6], ["heading", 1, 2, 2]])
    await _equal(bob, cyd)
    await cyd.edit([["mark", 8, 11, "strong"], ["image", 12, "a.png"]])
    await bob.edit([["insert", 1, "The "]])
    await _equal(bob, cyd)
    await bob.call("select", anchor=3, head=3)
    await eventually(lambda: _sees_caret(cyd, "Bob", 3), "carets are relayed")
    xml = await bob.shared()
    assert '<heading level="2">The Title</heading>' in xml
    async with connect(system.url) as session:
        with pytest.raises(DocumentError) as refused:
            await session.open("page")
    assert refused.value.refusal == "not-text"
    for name in ("gateway-0", "transformer-0"):
        system.processes[name].kill()
        system.restart(name)
    fresh = await yjs.open(system.url, "page", provider=provider, editor="prosemirror", root=_ROOT)
    await _equal(bob, cyd, fresh)
    assert await fresh.shared() == xml
    snapshot = await snapshot_at(system, "page", 1)
    assert snapshot.bridge is not None
    assert not snapshot.bridge.is_text
    shown = await yjs.call("show", update=b64encode(snapshot.update).decode(), root=_ROOT, kind="xml")
    assert shown == xml


async def _equal(*clients: NodeClient) -> None:
    async def holds() -> bool:
        shared = [await client.shared() for client in clients]
        shown = [await client.shown() for client in clients]
        return all(each == shared[0] for each in shared) and all(each == shown[0] for each in shown)

    await eventually(holds, "the XML is one, and the editors show it")


async def _sees_caret(client: NodeClient, name: str, position: int) -> bool:
    return {"name": name, "position": position} in await client.call("carets")
