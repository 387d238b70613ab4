"""Redis loses a bridged document: gateways have all of it, OT clients have half, and what is lost is told to both."""

import asyncio

from coedit.client import Document, connect
from coedit.ot.delta import Delta
from coedit.protocol.events import Rejected, YjsTaken
from tests.conftest import MakeSystem
from tests.system import System, eventually
from tests.yjs_peer import YjsPeer, yjs_peer

_NO_SNAPSHOTS = {"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "3600", "COEDIT_SNAPSHOTTER_COMMITS": "1000000"}


async def test_gateway_gives_back_what_it_has_with_the_updates(make_system: MakeSystem) -> None:
    """Then Yjs clients from before go on as if nothing had been."""
    system = make_system(settings=_NO_SNAPSHOTS)
    async with connect(system.url, author="olga") as session:
        document = await session.open("whole")
        async with yjs_peer(system, "whole") as peer:
            peer.text.insert(0, "yjs")
            await peer.say()
            await document.until(lambda: document.text == "yjs")
            await document.edit(Delta().insert("ot ", {"bold": True, "italic": True}))
            await eventually(lambda: peer.content == document.content and document.saved, "both have it")
        known = peer.doc.get_state()
        await asyncio.to_thread(system.wipe_redis)
        await document.edit(Delta().insert("after "))
        async with asyncio.timeout(40):
            await document.settle()
        assert (document.text, document.state.epoch, document.losses) == ("after ot yjs", 1, [])
        async with yjs_peer(system, "whole", "yjs-two") as later:
            await eventually(lambda: later.content == document.content, "the newcomer has it")
            peer.follow(later.doc.get_update(known))
            assert peer.content == document.content
            assert peer.known == later.known


async def test_history_below_the_snapshot_that_a_bridge_begins_with_outlives_redis(
    make_system: MakeSystem,
) -> None:
    """Everybody who had it in case Redis loses it has let go of it, and the log was never trimmed."""
    system = make_system(settings=_NO_SNAPSHOTS)
    async with connect(system.url, author="olga") as session:
        document = await session.open("early")
        for word in ("three", "two ", "one "):
            await document.insert(0, word)
            await document.settle()
        async with yjs_peer(system, "early") as peer:
            assert isinstance(await peer.submit(b""), YjsTaken)
        await document.until(lambda: document.state.snapshot_revision == 4)
        await asyncio.to_thread(system.wipe_redis)
        await document.insert(0, "after ")
        async with asyncio.timeout(40):
            await document.settle()
        assert (document.text, document.revision, document.losses) == ("after one two three", 5, [])
        past = session.history("early")
        texts = [(await past.at(revision)).content.text for revision in range(1, 6)]
        assert texts == ["three", "two three", *2 * ["one two three"], "after one two three"]


async def test_what_only_ot_clients_had_is_lost_and_nobody_is_left_with_half_of_it(
    make_system: MakeSystem,
) -> None:
    # Long enough for the OT client to be back, which alone can say that there was more.
    system = make_system(settings=_NO_SNAPSHOTS | {"COEDIT_TRANSFORMER_GRACE_SECONDS": "15"})
    async with connect(system.url, author="olga") as session:
        document = await session.open("half")
        peer = await _half_in_clients_only(system, document)
        await _lose_all_but_clients(system)
        for name in _services(system):
            system.restart(name)
        await document.insert(0, "pending ")
        async with asyncio.timeout(60):
            await document.settle()
        assert [(loss.epoch, loss.first, loss.last) for loss in document.losses] == [(2, 3, 4)]
        assert (document.text, document.state.epoch) == ("pending base", 2)
        async with yjs_peer(system, "half", "yjs-two") as later:
            assert later.content == document.content
            refused = await later.submit(peer.doc.get_update(), epoch=2)
            assert isinstance(refused, Rejected)
            assert refused.code == "server-id"  # its items of what OT clients did are lost: it loads afresh
            later.text.insert(0, "on ")
            await later.submit(later.made[-1], epoch=2)
            await document.insert(0, "and ")
            await eventually(lambda: later.content == document.content and document.saved, "both go on")


async def test_ot_client_that_comes_too_late_with_half_of_it_goes_on_with_what_is_left(
    make_system: MakeSystem,
) -> None:
    """What it offers is genuine and cannot be put back: it must not be told for ever that it is about to be."""
    system = make_system(settings=_NO_SNAPSHOTS | {"COEDIT_TRANSFORMER_GRACE_SECONDS": "0.1"})
    async with connect(system.url, author="olga") as session:
        document = await session.open("half")
        await _half_in_clients_only(system, document)
        await _lose_all_but_clients(system)
        services = _services(system)
        services.remove("gateway-0")
        for name in services:
            system.restart(name)
        over = '"event":"suspicion-over"'
        await eventually(lambda: over in system.processes["transformer-0"].tail(), "nobody is waited for")
        system.restart("gateway-0")
        await document.insert(0, "pending ")
        async with asyncio.timeout(60):
            await document.settle()
        assert (document.text, document.state.epoch, document.losses) == ("pending base", 1, [])


async def _half_in_clients_only(system: System, document: Document) -> YjsPeer:
    """Write a document of which revisions 3 and 4 are in no snapshot, and 4 has a Yjs update that nobody keeps."""
    await document.edit(Delta().insert("base", {"bold": True}))
    await document.settle()
    async with yjs_peer(system, "half") as peer:
        assert isinstance(await peer.submit(b""), YjsTaken)  # with a snapshot at revision 2
        await peer.load()
        peer.text.insert(4, " yjs", {})
        await peer.say()
        await document.edit(Delta().insert("ot "))
        await eventually(lambda: peer.content == document.content and document.saved, "both have it")
    return peer


def _services(system: System) -> list[str]:
    return [name for name in system.processes if name != "redis"]


async def _lose_all_but_clients(system: System) -> None:
    for name in _services(system):
        system.processes[name].kill()
    await asyncio.to_thread(system.wipe_redis)
