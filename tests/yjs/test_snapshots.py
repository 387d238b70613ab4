"""A snapshot is a plain Yjs update: plain Yjs in Node.js, which knows nothing of coedit, shows the document."""

from base64 import b64encode

from coedit.client import connect
from coedit.crdt.document import ROOT
from coedit.identifiers import DocumentId
from coedit.ot import Delta
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshot, Snapshots
from tests.conftest import MakeSystem
from tests.system import System, eventually
from tests.yjs.node_clients import NodeClients
from tests.yjs.somewhere import edit_somewhere, wishes

SOON = {"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.2", "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.2"}


async def test_snapshot_opened_by_plain_yjs_shows_the_document(
    make_system: MakeSystem, yjs: NodeClients, seed: int
) -> None:
    system = make_system(settings=SOON)
    async with connect(system.url) as session:
        document = await session.open("notes")
        for wish in wishes(seed, 40):
            await edit_somewhere(document, wish)
        await document.settle()
        snapshot = await snapshot_at(system, "notes", document.revision)
        assert await shown_by_plain_yjs(yjs, snapshot) == document.content


async def snapshot_at(system: System, name: str, revision: int) -> Snapshot:
    """Wait for the snapshot of a document at ``revision``, or a later one."""
    snapshots = Snapshots(open_object_store(system.object_store_url))
    found: list[Snapshot] = []

    async def is_there() -> bool:
        newest = await snapshots.newest(DocumentId(name))
        if newest is not None and newest.revision >= revision:
            found.append(newest)
        return bool(found)

    await eventually(is_there, f"{name!r} has a snapshot at {revision}")
    return found[0]


async def shown_by_plain_yjs(yjs: NodeClients, snapshot: Snapshot) -> Delta:
    """Return the text that plain Yjs finds in a snapshot."""
    delta = await yjs.call("show", update=b64encode(snapshot.update).decode(), root=ROOT, kind="text")
    return Delta.from_json(delta, is_bounded=False)
