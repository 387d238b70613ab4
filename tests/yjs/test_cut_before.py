"""A document in which an earlier version let a client cut a character: found, repaired, one text for all after it."""

import asyncio

from redis.asyncio import Redis

from coedit.client import connect
from coedit.crdt.document import YjsDocument
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import ChainKey, decode_commit, with_update
from coedit.protocol.yjs.lib0 import write_uint
from coedit.store.documents.log import DocumentLog
from coedit.store.redis.topology import Nodes
from tests.conftest import MakeSystem
from tests.integration.test_one_bad_apple import SHARDS, doctor
from tests.system import SECRET, System
from tests.yjs.convergence import all_equal, stored
from tests.yjs.node_clients import NodeClients

NAME = DocumentId("cut before")


async def test_a_cut_of_an_earlier_version_is_found_and_repaired(
    make_system: MakeSystem, yjs: NodeClients
) -> None:
    system = make_system(settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "60"})
    bob = await yjs.open(system.url, NAME)
    await bob.call("cut", kind="insert", start=0, content="x🌀yz")
    async with connect(system.url) as session:
        ada = await session.open(NAME)
        await all_equal([ada], [bob])
    await bob.disconnect()
    await bob.call("cut", kind="insert", start=2, content="A")
    system.processes["transformer-0"].kill()
    await _commit_as_before(system, await bob.call("clientId"))
    system.restart("transformer-0")
    await asyncio.to_thread(system.wait_ready, "transformer-0")
    code, said = await asyncio.to_thread(doctor, system, NAME)
    assert (code, "WRONG" in said) == (1, True)
    assert (await asyncio.to_thread(doctor, system, NAME, "--repair"))[0] == 0
    assert (await asyncio.to_thread(doctor, system, NAME))[0] == 0
    async with connect(system.url) as session:
        ada = await session.open(NAME)
        await bob.connect()
        fresh = await yjs.open(system.url, NAME)
        await all_equal([ada], [bob, fresh])
        await ada.insert(0, "after ")
        await all_equal([ada], [bob, fresh])
        assert ada.text == "after x🌀Ayz"
        assert stored(system.url, NAME) == ada.content
    assert (await asyncio.to_thread(doctor, system, NAME))[0] == 0


async def _commit_as_before(system: System, client: int) -> None:
    """Add the commit that an earlier version made of a letter between the halves: what yrs makes of it."""
    async with Redis.from_url(system.redis_url) as redis:
        log = DocumentLog(Nodes(redis), SHARDS)
        position, entries = await log.position(NAME), await log.whole(NAME)
        assert position is not None
        yjs = YjsDocument(NAME)
        for _, entry in entries:
            commit = decode_commit(entry)
            yjs.follow(commit.update, commit.delta)
        taken = yjs.take(_letter_between(client))
        assert taken is not None
        made = Commit(
            revision=Revision(position.head + 1),
            delta=taken.delta,
            author=AuthorId("bob"),
            client_id=ClientId("bob"),
            client_sequence=ClientSequence(1),
            at=1,
            epoch=position.epoch,
        )
        sealed, entry = ChainKey.derive(SECRET.encode()).seal_entry(
            NAME, with_update(made, taken.update), position.mac
        )
        shard = log.shard(NAME)
        await redis.xadd(shard.log(NAME), {"commit": entry}, id=f"{made.revision}-0")
        await redis.hset(shard.document(NAME), mapping={"head": str(made.revision), "mac": sealed.mac})


def _letter_between(client: int) -> bytes:
    """Return the update of the letter A between the halves of what ``client`` typed second, of the same client."""
    number = write_uint(client)
    beside = number + b"\1" + number + b"\2"
    return b"\1\1" + number + b"\5" + b"\xc4" + beside + b"\1A" + b"\0"
