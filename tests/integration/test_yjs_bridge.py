"""The transformer's bridge on a real Redis: OT clients and Yjs clients in one order, whoever dies in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, XmlFragment, get_update

from coedit.client import Document, connect
from coedit.crdt.document import YjsDocument
from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Submission
from coedit.ot.delta import Delta
from coedit.protocol.events import Rejected, YjsHeld, YjsTaken
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshot, Snapshots
from services.transformer.deciding.large_updates import LARGE_BYTES
from tests.conftest import MakeSystem
from tests.system import System, eventually
from tests.yjs_peer import Answer, YjsPeer, yjs_peer

RICH = (
    Delta()
    .insert("plain ")
    .insert("b😀ld", {"bold": True, "color": "red"})
    .insert({"image": {"src": "x", "alt": "é"}}, {"width": 3})
    .insert("\n", {"header": 1})
)


@asynccontextmanager
async def opened(system: System, name: str) -> AsyncIterator[Document]:
    async with connect(system.url, author="olga") as session:
        yield await session.open(name)


async def newest_snapshot(system: System, peer: YjsPeer) -> Snapshot:
    snapshot = await Snapshots(open_object_store(system.object_store_url)).newest(peer.name)
    assert snapshot is not None
    return snapshot


async def all_agree(document: Document, *peers: YjsPeer) -> None:
    """Wait until everybody has what the OT client has, and it has everything."""

    def agree() -> bool:
        return document.saved and all(
            peer.content == document.content and peer.revision == document.revision for peer in peers
        )

    await eventually(agree, "all agree")
    assert all(peer.known == peers[0].known for peer in peers)


def refused(answer: Answer) -> str:
    assert isinstance(answer, Rejected), answer
    return answer.code


async def test_yjs_client_begins_a_document_and_both_sides_go_on_with_it(system: System) -> None:
    async with yjs_peer(system, "begun") as peer, opened(system, "begun") as document:
        peer.text.insert(0, "Hello 😀 world", {})
        (answer,) = await peer.say()
        assert isinstance(answer, dict)
        assert (answer["revision"], answer["bridge"], answer["author"]) == (1, "text content", "yuri")
        await eventually(lambda: document.text == "Hello 😀 world", "the OT client has it")
        await document.edit(Delta().retain(6).insert("big ", {"bold": True}))
        await all_agree(document, peer)
        peer.text.format(0, 5, {"italic": True})
        peer.text.insert_embed(0, {"image": "x"})
        await peer.say()
        await all_agree(document, peer)


async def test_document_with_a_history_is_bridged_from_a_snapshot_at_exactly_its_declaration(
    system: System,
) -> None:
    async with opened(system, "rich") as document:
        await document.edit(RICH)
        await document.edit(Delta().retain(2).insert("X", {"bold": True, "italic": True}))
        await eventually(lambda: document.saved, "it is saved")
        async with yjs_peer(system, "rich") as asking:
            assert isinstance(await asking.submit(b""), YjsTaken)
            snapshot = await newest_snapshot(system, asking)
            assert snapshot.bridge == Bridge(snapshot.revision, "text", "content")
            await asking.load()
            assert asking.content == document.content
            await document.edit(Delta().retain(4).delete(3).insert("?"))
            asking.text.insert(0, "first ")
            await asking.say()
            await all_agree(document, asking)
            assert isinstance(await asking.submit(b""), YjsTaken)


async def test_edits_that_come_while_a_document_is_made_ready_are_not_lost(system: System) -> None:
    async with opened(system, "busy") as document, yjs_peer(system, "busy") as peer:
        await document.edit(Delta().insert("start"))
        await eventually(lambda: document.saved, "it is saved")
        asking = asyncio.create_task(peer.submit(b""))
        for number in range(60):
            await document.edit(Delta().insert(f"{number} "))
            await asyncio.sleep(0)
        assert isinstance(await asking, YjsTaken)
        await eventually(lambda: document.saved, "it is saved")
        async with yjs_peer(system, "busy", "yjs-two") as later:
            assert later.content == document.content


async def test_update_that_comes_first_begins_the_bridge_by_itself(system: System) -> None:
    async with opened(system, "implied") as document, yjs_peer(system, "implied") as peer:
        await document.edit(Delta().insert("there"))
        await eventually(lambda: document.saved, "it is saved")
        peer.text.insert(0, "offline ")
        (answer,) = await peer.say()
        assert isinstance(answer, dict)
        await peer.load()
        await all_agree(document, peer)
        assert document.text in ("offline there", "thereoffline ")


async def test_same_update_again_makes_no_revision(system: System) -> None:
    async with yjs_peer(system, "again") as peer:
        peer.text.insert(0, "once")
        whole = peer.doc.get_update()
        await peer.say()
        assert isinstance(await peer.submit(whole), YjsTaken)
        assert isinstance(await peer.submit(b"\x00\x00"), YjsTaken)
        assert peer.revision == 1


async def test_update_waits_for_what_it_rests_on(system: System) -> None:
    """Two tabs: what the second built on the first one's edit comes before that edit."""
    async with yjs_peer(system, "held") as first, yjs_peer(system, "held", "yjs-two") as second:
        first.text.insert(0, "a")
        await first.say()
        await eventually(lambda: second.revision == 1, "both have it")
        first.text.insert(1, "b")
        (missing,), first.made = first.made, []
        second.follow(missing)
        second.text.insert(2, "c")
        (early,), second.made = second.made, []
        assert isinstance(await second.submit(early), YjsHeld)
        answer = await first.submit(missing)
        assert isinstance(answer, dict)
        await eventually(lambda: isinstance(second.answers[1], dict), "what was held is committed")
        async with yjs_peer(system, "held", "yjs-three") as later:
            assert later.content == Delta().insert("abc")


async def test_yjs_clients_from_before_stay_equal_through_restarts(make_system: MakeSystem) -> None:
    """Whatever is derived is derived once: marks of several attributes would get other ids the next time."""
    system = make_system(settings={"COEDIT_TRANSFORMER_LEASE_SECONDS": "3"})
    async with opened(system, "marks") as document, yjs_peer(system, "marks") as peer:
        await document.edit(RICH)
        await document.settle()
        assert isinstance(await peer.submit(b""), YjsTaken)
        await peer.load()
        for round_number in range(2):
            await document.edit(
                Delta().retain(3).insert("new", {"bold": True, "italic": True, "size": round_number})
            )
            peer.text.format(0, 5, {"italic": None, "color": "blue", "font": f"f{round_number}"})
            await peer.say()
            await document.edit(Delta().retain(1).retain(7, {"bold": None, "color": "red", "link": "x"}))
            await all_agree(document, peer)
            for name in ("transformer-0", "snapshotter-0"):
                system.processes[name].kill()
                system.restart(name)
                await asyncio.to_thread(system.wait_ready, name)
        peer.text.insert(2, "last")
        await peer.say()
        await all_agree(document, peer)
        async with yjs_peer(system, "marks", "yjs-two") as later:
            await all_agree(document, peer, later)


async def test_owner_that_dies_between_declaration_and_snapshot_is_followed(make_system: MakeSystem) -> None:
    """The object store takes nothing while the first owner lives, so that there is a declaration alone."""
    system = make_system()
    async with opened(system, "cut") as document, yjs_peer(system, "cut") as peer:
        await document.edit(RICH)
        await eventually(lambda: document.saved, "it is saved")
        system.processes["snapshotter-0"].kill()
        folder = system.folder / "objects"
        folder.rename(system.folder / "away")
        folder.write_text("no folder")
        asking = asyncio.create_task(peer.submit(b""))
        await eventually(lambda: document.revision == 2, "it is declared")
        await document.edit(Delta().insert("meanwhile "))
        system.processes["transformer-0"].kill()
        folder.unlink()
        (system.folder / "away").rename(folder)
        system.restart("transformer-0")
        await asyncio.to_thread(system.wait_ready, "transformer-0")
        again = asyncio.create_task(peer.submit(b""))
        assert isinstance(await again, YjsTaken)
        asking.cancel()
        await peer.load()
        await all_agree(document, peer)
        assert document.text.startswith("meanwhile plain")


async def test_root_that_a_client_asks_for_is_the_documents(system: System) -> None:
    async with (
        opened(system, "quill") as document,
        yjs_peer(system, "quill", root="quill") as peer,
        yjs_peer(system, "quill", "yjs-two") as other,
    ):
        await document.edit(RICH)
        await eventually(lambda: document.saved, "it is saved")
        assert isinstance(await peer.submit(b""), YjsTaken)
        await peer.load()
        peer.text.insert(0, "Q")
        await peer.say()
        await all_agree(document, peer)
        other.text.insert(0, "C")
        assert refused((await other.say())[0]) == "wrong-root"


async def test_document_of_another_shape_has_no_text_side(make_system: MakeSystem) -> None:
    system = make_system(settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.2"})
    shaped: Doc[Any] = Doc()
    shaped["prosemirror"] = XmlFragment()
    shaped["meta"] = Map({"title": "t"})
    async with yjs_peer(system, "shaped") as peer:
        answer = await peer.submit(shaped.get_update())
        assert isinstance(answer, dict)
        assert (answer["bridge"], answer["delta"]) == ("yjs ", [])
        before = shaped.get_state()
        shaped["list"] = Array([1, "two"])
        second = await peer.submit(get_update(shaped.get_update(), before))
        assert isinstance(second, dict)
        snapshots = Snapshots(open_object_store(system.object_store_url))

        async def covered() -> bool:
            newest = await snapshots.newest(peer.name)
            return newest is not None and newest.revision == 2

        await eventually(covered, "a snapshot covers it")
        snapshot = await newest_snapshot(system, peer)
        assert snapshot.bridge == Bridge(answer["revision"], "yjs", "")
        loaded: Doc[Any] = Doc({"meta": Map(), "list": Array()})
        loaded.apply_update(snapshot.update)
        assert (loaded["meta"].to_py(), loaded["list"].to_py()) == ({"title": "t"}, [1, "two"])
        system.processes["transformer-0"].kill()
        system.restart("transformer-0")
        await asyncio.to_thread(system.wait_ready, "transformer-0")
        assert isinstance(await peer.submit(shaped.get_update()), YjsTaken)


def _of(shared: dict[str, Any]) -> bytes:
    return Doc(shared).get_update()


@pytest.mark.parametrize(
    ("update", "code"),
    [
        (_of({"content": Array([1])}), "not-text"),
        (_of({"content": Map({"a": 1})}), "not-text"),
        (_of({"content": Text("x"), "other": Text("y")}), "wrong-root"),
        (b"\x01\x02", "invalid-update"),
        (b"\xff" * 40, "invalid-update"),
    ],
    ids=["array", "map", "two-texts", "cut", "noise"],
)
async def test_update_that_does_not_belong_is_refused_and_harms_nobody(
    system: System, update: bytes, code: str, request: pytest.FixtureRequest
) -> None:
    name = f"hostile {request.node.callspec.id}"
    async with yjs_peer(system, name) as peer:
        peer.text.insert(0, "good")
        await peer.say()
        assert refused(await peer.submit(update)) == code
        peer.text.insert(4, " still")
        (answer,) = await peer.say()
        assert isinstance(answer, dict)
        assert peer.content == Delta().insert("good still")


async def test_items_under_an_id_of_the_server_are_refused(system: System) -> None:
    async with yjs_peer(system, "forged") as peer:
        peer.text.insert(0, "good")
        await peer.say()
        forger = YjsDocument(peer.name)
        forger.fold(Delta().insert("not me"))
        assert refused(await peer.submit(forger.update())) == "server-id"


async def test_submission_of_another_epoch_is_to_be_sent_again(system: System) -> None:
    async with yjs_peer(system, "epoch") as peer:
        peer.text.insert(0, "good")
        await peer.say()
        assert refused(await peer.submit(b"", epoch=7)) == "unavailable"


async def test_large_update_is_decoded_beside_the_batches(system: System) -> None:
    """Other documents' edits do not wait for it, and what builds on it waits until it is there."""
    async with (
        yjs_peer(system, "large") as peer,
        yjs_peer(system, "small", "yjs-two") as other,
        opened(system, "large") as document,
    ):
        with peer.doc.transaction():
            for number in range(20_000):
                peer.text.insert((number * 7919) % (number + 1), chr(97 + number % 26))
        (large,), peer.made = peer.made, []
        assert len(large) > LARGE_BYTES
        large_answer = asyncio.create_task(peer.submit(large))
        other.text.insert(0, "meanwhile")
        await other.say()
        answer = await large_answer
        assert isinstance(answer, dict)
        await eventually(lambda: document.content == peer.content, "the OT client has it")
        assert isinstance(await peer.submit(large), YjsTaken)
        assert refused(await peer.submit(b"\xff" * (LARGE_BYTES + 1))) == "invalid-update"


@pytest.mark.parametrize("is_refused", [False, True], ids=["nothing", "refused"])
async def test_update_that_begins_nothing_leaves_a_new_document_what_it_was(
    system: System, is_refused: bool
) -> None:
    """In one batch with what an OT client writes, whose document is then not bridged."""
    async with yjs_peer(system, f"unbegun {is_refused}") as peer:
        forger = YjsDocument(peer.name)
        forger.fold(Delta().insert("not me"))
        update = forger.update() if is_refused else b"\x00\x00"
        written = Submission(
            ClientId("by-ot"), ClientSequence(1), AuthorId("olga"), 1, Revision(0), Delta().insert("by OT")
        )
        await peer.send(peer.submission(update), written)
        await eventually(lambda: peer.revision == 1 and 1 in peer.answers, "both are answered")
        (entry,) = await peer.entries()
        assert entry.keys().isdisjoint({"update", "yjs", "bridge"})
        assert isinstance(await peer.submit(b""), YjsTaken)
        await peer.load()
        assert peer.content == Delta().insert("by OT")


async def test_update_that_came_before_its_document_began_is_in_it_though_its_sender_has_left(
    system: System,
) -> None:
    async with yjs_peer(system, "early") as leaver:
        leaver.text.insert(0, "one ")
        leaver.text.insert(4, "two")
        first, second = leaver.made
        assert isinstance(await leaver.submit(second), YjsHeld)
    async with yjs_peer(system, "early", "yjs-two") as other:
        await other.submit(first)
        await eventually(lambda: other.content.text == "one two", "what waited is there")
        other.text.insert(0, "zero ")
        await other.say()
    async with yjs_peer(system, "early", "yjs-three") as later:
        assert later.content.text == "zero one two"
        assert later.revision == 3


async def test_update_that_came_too_early_is_in_its_document_though_an_ot_client_began_that(
    system: System,
) -> None:
    async with yjs_peer(system, "early beside") as leaver:
        leaver.text.insert(0, "one ")
        leaver.text.insert(4, "two")
        first, second = leaver.made
        assert isinstance(await leaver.submit(second), YjsHeld)
    async with opened(system, "early beside") as document:
        await document.insert(0, "zero")
        await document.settle()
        async with yjs_peer(system, "early beside", "yjs-two") as other:
            await other.submit(first)
            await eventually(lambda: "one two" in document.text, "what waited is there")
            assert document.text.replace("zero", "") == "one two"
