"""Yjs clients on a real system: y-websocket's framing, beside OT clients on the same document."""

import asyncio
from typing import Any

import aiohttp
import pytest
from pycrdt import Doc, Map, Text

from coedit.client import connect
from coedit.client.events import DocumentError
from coedit.client.rest import fetch_text
from coedit.protocol.yjs.ids import FIRST_SERVER_ID
from coedit.protocol.yjs.sync import write_step_1, write_update
from coedit.protocol.yjs.update import decode_state_vector, encode_state_vector
from tests.integration.raw_client import RawClient
from tests.integration.yjs_client import YjsClient
from tests.system import System, eventually


async def test_yjs_clients_write_a_new_document_together(system: System) -> None:
    async with YjsClient(system.url, "new") as ada, YjsClient(system.url, "new") as bob:
        await ada.until_synced()
        await bob.until_synced()
        await ada.edit(lambda text: text.insert(0, "a😀b"))
        await bob.until_text("a😀b")
        await bob.edit(lambda text: text.insert(6, "!", {"bold": True}))
        await ada.until_text("a😀b!")
    assert (await fetch_text(system.url, "new")).text == "a😀b!"


async def test_yjs_and_ot_clients_write_one_document(system: System) -> None:
    """The OT client is the first to write what the Yjs client has open."""
    async with connect(system.url, author="ada") as session, YjsClient(system.url, "both") as yjs:
        document = await session.open("both")
        await yjs.until_synced()
        await document.insert(0, "hello 😀")
        await yjs.until_text("hello 😀")
        await yjs.edit(lambda text: text.insert(10, " world", {"bold": True}))
        await document.until(lambda: document.text == "hello 😀 world")
        await yjs.edit(lambda text: text.insert_embed(0, {"image": "x"}))
        await document.until(lambda: document.content.to_json()[0] == {"insert": {"image": "x"}})
        assert document.content.to_json()[-1] == {"insert": " world", "attributes": {"bold": True}}


async def test_document_with_a_past_is_opened_by_yjs_clients(system: System) -> None:
    async with connect(system.url, author="ada") as session:
        document = await session.open("a/b c?é")
        await document.insert(0, "past 漢字")
        await document.settle()
        async with YjsClient(system.url, "a/b c?é") as ada, YjsClient(system.url, "a/b c?é") as bob:
            await ada.until_text("past 漢字")
            await bob.until_text("past 漢字")
            await document.insert(0, "> ")
            await ada.edit(lambda text: text.insert(4, "!"))
            await document.until(lambda: document.text == "> past! 漢字")
            await bob.until_text("> past! 漢字")


async def test_what_was_written_alone_comes_with_the_first_sync(system: System) -> None:
    async with YjsClient(system.url, "offline") as ada:
        ada.text.insert(0, "written before")
        ada._updates.clear()
        async with YjsClient(system.url, "offline") as bob:
            await bob.until_synced()
            await ada.send(write_update(ada.doc.get_update()))
            await bob.until_text("written before")
    late = YjsClient(system.url, "offline")
    late.text.insert(0, "and ")
    async with late, YjsClient(system.url, "offline") as bob:
        await bob.until(lambda: "and " in str(bob.text), "what is sent in answer to step 1")
        assert "written before" in str(bob.text)


async def test_edit_is_told_to_its_author_too(system: System) -> None:
    """A provider that hears nothing for half a minute takes its connection for dead."""
    async with YjsClient(system.url, "echo") as ada:
        await ada.until_synced()
        await ada.edit(lambda text: text.insert(0, "a"))
        await ada.until(lambda: any(message[:2] == b"\x00\x02" for message in ada.received), "the echo")


async def test_every_step_1_is_answered(system: System) -> None:
    async with YjsClient(system.url, "again") as ada:
        for count in (1, 2, 3):
            await ada.until(lambda count=count: _step_2s(ada) == count, "a step 2")  # type: ignore[misc]
            await ada.send(write_step_1(ada.doc.get_state()))


def _step_2s(client: YjsClient) -> int:
    return sum(message[:2] == b"\x00\x01" for message in client.received)


async def test_update_that_comes_too_early_waits_for_what_it_rests_on(system: System) -> None:
    author: Doc[Any] = Doc(client_id=77)
    updates: list[bytes] = []
    subscription = author.observe(lambda event: updates.append(event.update))
    text: Text = author.get("content", type=Text)
    for letter in "abc":
        text.insert(len(text), letter)
    author.unobserve(subscription)
    async with YjsClient(system.url, "early") as ada, YjsClient(system.url, "early") as bob:
        await bob.until_synced()
        await ada.until_synced()
        asked = len(ada.received)
        await ada.send(write_update(updates[2]))
        await ada.until(
            lambda: any(m[:2] == b"\x00\x00" for m in ada.received[asked:]), "the question for more"
        )
        await ada.send(write_update(updates[1]))
        await ada.send(write_update(updates[0]))
        await bob.until_text("abc")


async def test_text_has_the_root_that_the_first_client_names(system: System) -> None:
    async with (
        YjsClient(system.url, "rooted", root="quill") as ada,
        connect(system.url, author="b") as session,
    ):
        await ada.until_synced()
        await ada.edit(lambda text: text.insert(0, "by quill"))
        document = await session.open("rooted")
        await document.until(lambda: document.text == "by quill")
        await document.insert(0, "> ")
        await ada.until_text("> by quill")
        async with YjsClient(system.url, "rooted") as bob:
            assert await bob.until_closed() == 4422


async def test_document_of_another_shape_is_for_yjs_clients_alone(system: System) -> None:
    async with YjsClient(system.url, "shapes") as ada, YjsClient(system.url, "shapes") as bob:
        await ada.until_synced()
        await bob.until_synced()
        ada.doc["tasks"] = Map({"first": "done"})
        await ada.edit(lambda _: None)
        await bob.until(lambda: bob.doc.get("tasks", type=Map).to_py() == {"first": "done"}, "the map")
        await ada.edit(lambda text: text.insert(0, "some text beside it"))
        await bob.until_text("some text beside it")
        async with connect(system.url, author="ada") as session:
            with pytest.raises(DocumentError, match="not-text"):
                await session.open("shapes")
    async with aiohttp.ClientSession() as http:
        for path in (
            "documents/shapes",
            "at/shapes",
            "diff/shapes?from=0",
            "blame/shapes",
            "export/shapes?format=text",
        ):
            async with http.get(f"{system.url}/v1/{path}") as answer:
                assert (answer.status, (await answer.json())["code"]) == (409, "not-text"), path
        async with http.get(f"{system.url}/v1/history/shapes") as answer:
            assert len((await answer.json())["changes"]) >= 1
    async with YjsClient(system.url, "shapes") as late:
        await late.until(lambda: late.doc.get("tasks", type=Map).to_py() == {"first": "done"}, "the map")


async def test_other_content_does_not_get_into_a_text(system: System) -> None:
    async with YjsClient(system.url, "plain") as ada, YjsClient(system.url, "plain") as bob:
        await ada.until_synced()
        await bob.until_synced()
        await ada.edit(lambda text: text.insert(0, "text"))
        await bob.until_text("text")
        bob.doc["other"] = Map({"a": 1})
        await bob.edit(lambda _: None)
        assert await bob.until_closed() == 4422
        async with YjsClient(system.url, "plain") as cleo:
            await cleo.until_text("text")
            await ada.edit(lambda text: text.insert(0, "still "))
            await cleo.until_text("still text")


async def test_items_under_the_servers_ids_are_refused(system: System) -> None:
    async with YjsClient(system.url, "ids", client=FIRST_SERVER_ID) as eve:
        await eve.until_synced()
        await eve.edit(lambda text: text.insert(0, "not by the server"))
        assert await eve.until_closed() == 4422
    async with RawClient(system.url) as client:
        await client.hello()
        assert (await client.open("ids"))["head"] == 0


@pytest.mark.parametrize(
    "frame",
    [
        b"\x00\x02\x05hello",
        b"\x00\x02\x02\x01\x01",
        b"\x00",
        b"\x01\x02\xff\xff",
        b"\x63",
        b"\x00\x00\x01\x05",
    ],
)
async def test_what_is_no_message_ends_the_connection_that_sent_it(system: System, frame: bytes) -> None:
    async with YjsClient(system.url, "garbage") as ada, YjsClient(system.url, "garbage") as eve:
        await ada.until_synced()
        await eve.send(frame)
        assert await eve.until_closed() == 4422
        await ada.edit(lambda text: text.insert(0, "."))
        await ada.until(lambda: any(message[:2] == b"\x00\x02" for message in ada.received), "the echo")


async def test_text_frame_ends_the_connection(system: System) -> None:
    async with YjsClient(system.url, "garbage") as eve:
        await eve.socket.send_str('{"type":"hello"}')
        assert await eve.until_closed() == 4400


async def test_client_with_items_that_were_lost_is_told_to_load_afresh(system: System) -> None:
    async with connect(system.url, author="ada") as session:
        document = await session.open("lost")
        await document.insert(0, "ours")
        await document.settle()
    async with YjsClient(system.url, "lost") as ada:
        await ada.until_text("ours")
        known = decode_state_vector(ada.doc.get_state())
        await ada.send(write_step_1(encode_state_vector(known | {5: 1_000})))
        await ada.until(lambda: _step_2s(ada) == 2, "an answer: of other ids it may have what is not here")
        ahead = {client: clock + 1 for client, clock in known.items()}
        await ada.send(write_step_1(encode_state_vector(ahead)))
        assert await ada.until_closed() == 4410


async def test_clients_on_two_gateways_write_one_document(two_gateways: System) -> None:
    first, second = two_gateways.gateways
    async with (
        YjsClient(first, "two") as ada,
        YjsClient(second, "two") as bob,
        connect(second, author="cleo") as session,
    ):
        document = await session.open("two")
        await ada.until_synced()
        await bob.until_synced()
        await asyncio.gather(
            ada.edit(lambda text: text.insert(0, "ada")),
            bob.edit(lambda text: text.insert(0, "bob")),
            document.insert(0, "cleo"),
        )
        await eventually(
            lambda: len(document.text) == 10 and {str(ada.text), str(bob.text)} == {document.text},
            "all three have the same text",
        )


async def test_closing_gateway_sends_yjs_clients_elsewhere(two_gateways: System) -> None:
    async with YjsClient(two_gateways.gateways[1], "drain") as ada:
        await ada.until_synced()
        await ada.edit(lambda text: text.insert(0, "kept"))
        stopping = asyncio.create_task(asyncio.to_thread(two_gateways.processes["gateway-1"].stop))
        assert await ada.until_closed() == 4503
        assert await stopping == 0
    assert (await fetch_text(two_gateways.url, "drain")).text == "kept"
    two_gateways.restart("gateway-1")
    await asyncio.to_thread(two_gateways.wait_ready, "gateway-1")


async def test_ot_client_learns_that_what_it_has_open_empty_is_no_text(system: System) -> None:
    async with RawClient(system.url) as client, YjsClient(system.url, "no text") as yjs:
        await client.hello()
        await client.open("no text")
        await yjs.until_synced()
        yjs.doc["tasks"] = Map({"a": 1})
        await yjs.edit(lambda _: None)
        error = await client.expect("error")
        assert (error["code"], error["document"]) == ("not-text", "no text")


async def test_client_of_another_root_is_sent_away_once_the_first_has_written(system: System) -> None:
    async with YjsClient(system.url, "roots") as ada, YjsClient(system.url, "roots", root="quill") as bob:
        await bob.until_synced()
        await ada.edit(lambda text: text.insert(0, "the text"))
        assert await bob.until_closed() == 4422
