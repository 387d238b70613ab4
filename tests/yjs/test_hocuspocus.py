"""What is particular to Hocuspocus: many documents over one socket, and a word for what is not saved yet."""

import signal
from typing import Any

from redis.asyncio import Redis

from coedit.client import connect
from coedit.identifiers import DocumentId
from coedit.ot import Delta
from coedit.store.keys import shard_of
from tests.conftest import MakeSystem
from tests.system import System, eventually
from tests.yjs.convergence import all_equal
from tests.yjs.node_clients import NodeClients


async def test_two_documents_over_one_socket_stay_apart(system: System, yjs: NodeClients) -> None:
    async with connect(system.url) as session:
        ada_one, ada_two = await session.open("one é"), await session.open("two")
        one = await yjs.open(system.url, "one é", provider="hocuspocus", socket="shared")
        two = await yjs.open(system.url, "two", provider="hocuspocus", socket="shared")
        await one.edit(Delta().insert("first"))
        await two.edit(Delta().insert("second"))
        await all_equal([ada_one], [one])
        await all_equal([ada_two], [two])
        await ada_two.insert(0, "the ")
        await all_equal([ada_two], [two])
        assert (ada_one.text, ada_two.text) == ("first", "the second")
        await one.call("leave")
        await two.edit(Delta().retain(10).insert("!"))
        await all_equal([ada_two], [two])


async def test_refused_document_leaves_the_others_of_its_socket_alone(
    system: System, yjs: NodeClients
) -> None:
    refused = await yjs.open(system.url, "not mine", provider="hocuspocus", socket="half", token="no token")
    mine = await yjs.open(system.url, "mine", provider="hocuspocus", socket="half")
    await refused.becomes("refusals", ["permission-denied"])
    await mine.edit(Delta().insert("mine"))
    await mine.synced()
    async with connect(system.url) as session:
        await all_equal([await session.open("mine")], [mine])


async def test_changes_are_unsynced_until_they_are_committed(
    make_system: MakeSystem, yjs: NodeClients
) -> None:
    system = make_system()
    client = await yjs.open(system.url, "notes", provider="hocuspocus", socket="shared")
    await client.synced()  # what is typed before the handshake the provider sends, and does not count
    await client.edit(Delta().insert("before "))
    await client.synced()
    transformer = system.processes["transformer-0"]
    transformer.signal(signal.SIGSTOP)
    await client.edit(Delta().retain(7).insert("not yet"))
    async with Redis.from_url(system.redis_url) as redis:
        shard = shard_of(DocumentId("notes"), 8)

        async def is_waiting() -> bool:
            newest: Any = await redis.xrevrange(shard.ops, count=1)
            return bool(newest) and newest[0][0] != await redis.get(shard.cursor)

        await eventually(is_waiting, "the edit waits for the transformer")
    # What comes over the same socket afterwards was sent after whatever the gateway had said of the edit.
    late = await yjs.open(system.url, "late", provider="hocuspocus", socket="shared")
    await late.becomes("scope", "read-write")
    assert (await client.state())["has_unsynced_changes"]
    transformer.signal(signal.SIGCONT)
    await client.synced()


async def test_what_was_synced_is_kept_though_every_process_is_killed(
    make_system: MakeSystem, yjs: NodeClients
) -> None:
    """The client is gone, so that only the server can have it."""
    system = make_system()
    client = await yjs.open(system.url, "notes", provider="hocuspocus")
    await client.synced()  # what is typed before the handshake the provider sends, and does not count
    await client.edit(Delta().insert("kept 😀", {"bold": True, "size": 2}))
    await client.synced()
    for process in system.processes.values():
        process.kill()
    await client.destroy()
    for name in system.processes:
        system.restart(name)
    async with connect(system.url) as session:
        document = await session.open("notes")
        fresh = await yjs.open(system.url, "notes")
        await fresh.becomes("is_synced", value=True)
        await all_equal([document], [fresh])
        assert document.content == Delta().insert("kept 😀", {"bold": True, "size": 2})
