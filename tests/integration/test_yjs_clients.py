"""Yjs clients on a real system: y-websocket frames, beside OT clients on the same document."""

from coedit.client import connect
from coedit.client.rest import fetch_text
from tests.integration.yjs_client import YjsClient
from tests.system import System


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
