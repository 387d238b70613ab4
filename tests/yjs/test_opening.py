"""A document becomes one for Yjs clients when the first of them opens it."""

from redis.asyncio import Redis

from coedit.client import connect
from coedit.identifiers import DocumentId
from coedit.store.keys import shard_of
from tests.conftest import MakeSystem
from tests.system import System, eventually
from tests.yjs.convergence import all_equal
from tests.yjs.node_clients import NodeClients

_NO_SNAPSHOTS = {"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "3600", "COEDIT_SNAPSHOTTER_COMMITS": "1000000"}


async def test_who_opens_before_the_snapshot_of_the_bridge_is_stored_gets_all_of_it(
    make_system: MakeSystem, yjs: NodeClients
) -> None:
    """Until then the items of what was typed before are nowhere, and a client must not take that for the document."""
    system = make_system(gateways=2, settings=_NO_SNAPSHOTS)
    obstacle = system.folder / "objects/notes"
    async with connect(system.url) as session:
        document = await session.open("notes")
        await document.insert(0, "typed before")
        await document.settle()
        obstacle.parent.mkdir(exist_ok=True)
        obstacle.touch()  # where the folder of its snapshots is to be
        first = await yjs.open(system.gateways[0], "notes")
        await eventually(lambda: _is_declared(system), "the bridge is declared")
        second = await yjs.open(system.gateways[1], "notes", provider="hocuspocus")
        await second.becomes("is_connected", value=True)
        assert not (await first.state())["is_synced"]
        obstacle.unlink()
        await first.becomes("is_synced", value=True)
        await second.synced()
        await document.insert(12, ", and after")
        await all_equal([document], [first, second])


async def _is_declared(system: System) -> bool:
    document_id = DocumentId("notes")
    async with Redis.from_url(system.redis_url) as redis:
        return bool(await redis.hget(shard_of(document_id, 8).document(document_id), "bridge"))
