"""Who may do what as a Yjs client, on a real gateway that asks for tokens; and Hocuspocus's framing."""

import asyncio
import signal
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from pycrdt import Doc, Text

from coedit.protocol.yjs.hocuspocus import write_frame
from coedit.protocol.yjs.lib0 import write_text
from coedit.protocol.yjs.sync import write_step_1, write_update
from tests.conftest import MakeSystem
from tests.integration.test_access import token
from tests.integration.yjs_client import HocuspocusClient, YjsClient
from tests.system import System


@pytest.fixture(scope="module")
def closed_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that is not in open mode, for tests that use documents of different names."""
    settings = {"COEDIT_GATEWAY_OPEN": "0", "COEDIT_GATEWAY_ORIGINS": "https://edit.example.org"}
    system = System(
        tmp_path_factory.mktemp("system"), settings=settings | {"COEDIT_GATEWAY_HELLO_SECONDS": "2"}
    )
    system.start()
    yield system
    system.stop()


WRITE, READ = {"*": "write"}, {"*": "read"}


async def test_y_websocket_writes_with_a_token(closed_system: System) -> None:
    async with (
        YjsClient(closed_system.url, "token", token=token(WRITE)) as ada,
        YjsClient(closed_system.url, "token", token=token(READ)) as bob,
    ):
        await ada.until_synced()
        await ada.edit(lambda text: text.insert(0, "by token"))
        await bob.until_text("by token")


@pytest.mark.parametrize(
    ("with_token", "code"), [("", 4401), ("no", 4401), (token({"other": "write"}), 4403)]
)
async def test_y_websocket_without_a_right_is_denied(
    closed_system: System, with_token: str, code: int
) -> None:
    async with YjsClient(closed_system.url, "denied", token=with_token) as eve:
        assert await eve.until_closed() == code
        assert [message[:2] for message in eve.received] == [b"\x02\x00"]


async def test_reader_reads_and_is_not_closed_for_what_it_sends(closed_system: System) -> None:
    async with (
        YjsClient(closed_system.url, "reader", token=token(WRITE)) as ada,
        YjsClient(closed_system.url, "reader", token=token(READ)) as eve,
    ):
        await ada.until_synced()
        await eve.until_synced()
        await eve.edit(lambda text: text.insert(0, "not mine to write"))
        await eve.send(write_step_1(b"\0"))
        await eve.until(
            lambda: sum(m[:2] == b"\x00\x01" for m in eve.received) == 2, "an answer, after the edit"
        )
        await ada.edit(lambda text: text.insert(0, "ada's"))
        await eve.until(lambda: "ada's" in str(eve.text), "ada's text")
        assert str(ada.text) == "ada's"


async def test_subprotocol_of_an_application_is_accepted(closed_system: System) -> None:
    async with aiohttp.ClientSession() as http:
        for address in ("yjs/protocol", "hocuspocus"):
            url = f"{closed_system.url.replace('http', 'ws')}/{address}?token={token(WRITE)}"
            assert (await http.ws_connect(url, protocols=["mine"])).protocol == "mine"


async def test_page_of_another_origin_is_refused(closed_system: System) -> None:
    for client in (
        YjsClient(closed_system.url, "origin", token=token(WRITE)),
        HocuspocusClient(closed_system.url, "origin", token(WRITE)),
    ):
        client.headers = {"Origin": "https://evil.example.org"}
        async with client:
            assert await client.until_closed() == 4403


async def test_connection_ends_with_its_token(closed_system: System) -> None:
    expires = int(time.time()) + 2
    async with (
        YjsClient(closed_system.url, "expiry", token=token(WRITE, exp=expires)) as ada,
        HocuspocusClient(closed_system.url, "expiry", token(WRITE, exp=expires)) as bob,
    ):
        assert await ada.until_closed() == 4401
        assert await bob.until_closed() == 4401


async def test_hocuspocus_is_told_that_its_edits_are_kept(closed_system: System) -> None:
    async with (
        HocuspocusClient(closed_system.url, "kept", token(WRITE)) as ada,
        YjsClient(closed_system.url, "kept", token=token(READ)) as bob,
    ):
        await ada.until(lambda: ada.scope == "read-write", "the token is good")
        await ada.until(lambda: ada.statuses == [1], "the status of the step 2")
        await ada.edit(lambda text: text.insert(0, "kept"))
        await ada.until(lambda: ada.statuses == [1, 1], "the status of the update")
        await bob.until_text("kept")


async def test_status_waits_until_the_update_is_durable(make_system: MakeSystem) -> None:
    """With the owner asleep, nothing is confirmed; it is sent again, and confirmed once."""
    system = make_system()
    async with HocuspocusClient(system.url, "durable") as ada:
        await ada.until(lambda: ada.statuses == [1], "the status of the step 2")
        await ada.edit(lambda text: text.insert(0, "a"))
        await ada.until(lambda: ada.statuses == [1, 1], "the status of the update")
        system.processes["transformer-0"].signal(signal.SIGSTOP)
        await ada.edit(lambda text: text.insert(0, "b"))
        await ada.say({"user": {"name": "Ada"}})
        await ada.until(lambda: ada.state_of(ada.doc.client_id) is not None, "the echo of what came later")
        assert ada.statuses == [1, 1]
        system.processes["transformer-0"].signal(signal.SIGCONT)
        await ada.until(lambda: ada.statuses == [1, 1, 1], "the status of the update")


async def test_step_2_that_the_server_asked_for_is_not_counted(closed_system: System) -> None:
    """The provider counts what it sent of its own: one status too many, and it takes for kept what is not."""
    author: Doc[Any] = Doc(client_id=77)
    updates: list[bytes] = []
    author.observe(lambda event: updates.append(event.update))
    for letter in "ab":
        author.get("content", type=Text).insert(0, letter)
    async with HocuspocusClient(closed_system.url, "counted", token(WRITE)) as ada:
        await ada.until(lambda: ada.statuses == [1], "the status of the step 2")
        asked = _step_1s(ada)
        await ada.send(write_update(updates[1]))
        await ada.until(lambda: _step_1s(ada) > asked, "the question for more")
        assert ada.statuses == [1]
        await ada.send(write_update(updates[0]))
        await ada.until_text("ba")
        await ada.say({"user": {"name": "Ada"}})
        await ada.until(lambda: ada.state_of(ada.doc.client_id) is not None, "the echo of what came later")
        assert ada.statuses == [1, 1, 1]


def _step_1s(client: YjsClient) -> int:
    return sum(message[:2] == b"\x00\x00" for message in client.received)


async def test_hocuspocus_reader_is_told_that_nothing_was_taken(closed_system: System) -> None:
    async with HocuspocusClient(closed_system.url, "scope", token(READ)) as eve:
        await eve.until(lambda: eve.scope == "readonly", "the token is good for reading")
        await eve.edit(lambda text: text.insert(0, "no"))
        await eve.until(lambda: 0 in eve.statuses, "the status of the update")
    async with YjsClient(closed_system.url, "scope", token=token(READ)) as late:
        await late.until_synced()
        assert str(late.text) == ""


async def test_hocuspocus_denial_leaves_the_socket_open_for_other_documents(closed_system: System) -> None:
    async with HocuspocusClient(closed_system.url, "secret", token({"open": "write"})) as ada:
        await ada.until(lambda: ada.reasons == ["permission-denied"], "the denial")
        for _ in range(1_100):  # which is more than may wait for a document that is to be opened
            await ada.edit(lambda text: text.insert(0, "dropped"))
        ada.key, ada.is_synced = "open", False
        await ada.greet()
        await ada.until(lambda: ada.scope == "read-write", "the token is good for the other document")
        await ada.until_synced()
        assert ada.statuses in ([], [1])


async def test_many_documents_share_a_socket(closed_system: System) -> None:
    """Each with its own key; one of them twice, under ids of sessions."""
    async with aiohttp.ClientSession() as http:
        socket = await http.ws_connect(
            f"{closed_system.url.replace('http', 'ws')}/hocuspocus", max_msg_size=0
        )
        keys = ["one", "two", "one\0s1", "one\0s2"]
        for key in keys:
            await socket.send_bytes(
                write_frame(key, b"\x02\x00" + write_text(token(WRITE)) + write_text("4.8.0"))
            )
            await socket.send_bytes(write_frame(key, write_step_1(b"\0")))
        waiting = {write_frame(key, b"\x00\x01\x02\x00\x00") for key in keys}
        while waiting:
            waiting.discard((await asyncio.wait_for(socket.receive(), 15)).data)
        await socket.send_bytes(write_frame("two", b"\x07"))
        while (await asyncio.wait_for(socket.receive(), 15)).data != write_frame(
            "two", b"\x07\x12provider_initiated"
        ):
            pass
        await socket.send_bytes(b"\x09")
        while (await asyncio.wait_for(socket.receive(), 15)).data != b"\x0a":
            pass


async def test_socket_without_a_token_is_closed(closed_system: System) -> None:
    async with aiohttp.ClientSession() as http:
        socket = await http.ws_connect(f"{closed_system.url.replace('http', 'ws')}/hocuspocus")
        await socket.send_bytes(write_frame("one", write_step_1(b"\0")))
        message = await asyncio.wait_for(socket.receive(), 15)
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert socket.close_code == 4504


async def test_hocuspocus_and_y_websocket_clients_write_one_document(closed_system: System) -> None:
    async with (
        HocuspocusClient(closed_system.url, "mixed", token(WRITE)) as ada,
        YjsClient(closed_system.url, "mixed", token=token(WRITE)) as bob,
    ):
        await ada.until_synced()
        await bob.until_synced()
        await ada.edit(lambda text: text.insert(0, "hocus"))
        await bob.until_text("hocus")
        await bob.edit(lambda text: text.insert(5, "pocus"))
        await ada.until_text("hocuspocus")
        await ada.say({"user": {"name": "Ada"}})
        await bob.until(lambda: bob.state_of(ada.doc.client_id) == {"user": {"name": "Ada"}}, "ada's state")


async def test_refused_update_ends_one_document_of_a_socket(closed_system: System) -> None:
    async with HocuspocusClient(closed_system.url, "refused", token(WRITE)) as eve:
        await eve.until_synced()
        await eve.edit(lambda text: text.insert(0, "text"))
        await eve.until(lambda: eve.statuses == [1, 1], "the status of the update")
        eve.doc.get("elsewhere", type=Text).insert(0, "not the document's text")
        await eve.edit(lambda _: None)
        await eve.until(lambda: eve.reasons == ["wrong-root"], "the refusal")
        assert eve.statuses == [1, 1, 0]
        assert eve.close_code is None
