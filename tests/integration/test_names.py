"""Names that no document has, at every door of a real gateway: a code says what is wrong with them."""

import asyncio
from collections.abc import Iterator

import aiohttp
import pytest
from yarl import URL

from coedit.protocol.yjs.hocuspocus import write_frame
from coedit.protocol.yjs.lib0 import write_text
from tests.integration.raw_client import RawClient
from tests.integration.test_access import token
from tests.system import System

_BEARER = {"Authorization": f"Bearer {token({'*': 'write'})}"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that asks for tokens."""
    system = System(tmp_path_factory.mktemp("system"), settings={"COEDIT_GATEWAY_OPEN": "0"})
    system.start()
    yield system
    system.stop()


@pytest.mark.parametrize("name", ["%0A", "a%0Ab", "%00", "%7F", "%ff", "%e2%80", "a" * 256])
@pytest.mark.parametrize("what", ["documents", "history", "at", "diff", "blame", "versions", "export"])
async def test_a_name_that_no_document_has_is_refused_with_a_code(
    system: System, what: str, name: str
) -> None:

    url = URL(f"{system.url}/v1/{what}/{name}", encoded=True)
    async with aiohttp.ClientSession() as http, http.get(url, headers=_BEARER) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, "invalid-identifier")


@pytest.mark.parametrize("name", ["%0A", "a%0Ab", "%00", "%ff"])
async def test_a_room_that_no_document_has_is_refused_with_a_code(system: System, name: str) -> None:

    url = URL(f"{system.url}/yjs/{name}?token={token({'*': 'write'})}", encoded=True)
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        message = await socket.receive(timeout=20)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert (message.data, message.extra) == (4422, "invalid-identifier")


@pytest.mark.parametrize("name", ["\n", "a\nb", "\0", "a" * 256, ""])
async def test_a_document_that_can_have_no_name_is_refused_with_a_code(system: System, name: str) -> None:
    async with RawClient(system.url) as client:
        await client.hello(token=token({"*": "write"}))
        await client.send({"type": "open", "document": name})
        assert (await client.expect("error"))["code"] == "invalid-identifier"


@pytest.mark.parametrize("name", ["\n", "a\nb", "a" * 256])
async def test_a_hocuspocus_document_that_can_have_no_name_is_refused_with_a_code(
    system: System, name: str
) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{system.url}/hocuspocus") as socket:
        authentication = b"\x02\x00" + write_text(token({"*": "write"})) + write_text("4.8.0")
        await socket.send_bytes(write_frame(name, authentication))
        async with asyncio.timeout(20):
            while b"invalid-identifier" not in (await socket.receive_bytes()):
                pass
