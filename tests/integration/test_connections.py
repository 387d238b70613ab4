"""Who is connected, over all gateways, whichever is asked."""

from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.integration.raw_client import RawClient
from tests.integration.test_access import token
from tests.integration.yjs_client import HocuspocusClient, YjsClient
from tests.system import System, eventually

_ADMIN = {"Authorization": f"Bearer {token({'*': ['admin']}, sub='root')}"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two gateways that ask for tokens."""
    settings = {"COEDIT_GATEWAY_OPEN": "0"}
    system = System(tmp_path_factory.mktemp("system"), gateways=2, acl=True, settings=settings)
    system.start()
    yield system
    system.stop()


async def listed(system: System, gateway: int = 0, **query: str) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{system.gateways[gateway]}/v1/connections", params=query, headers=_ADMIN) as answer,
    ):
        assert answer.status == 200, await answer.text()
        said: dict[str, Any] = await answer.json()
        return said


async def test_each_gateway_tells_of_all_doors_on_all_gateways(system: System) -> None:
    ada, bob, cleo = (token({"*": "write"}, sub=name) for name in ("ada", "bob", "cleo"))
    first, second = system.gateways
    async with (
        RawClient(first) as v1,
        YjsClient(second, "b", token=bob) as y_websocket,
        HocuspocusClient(first, "c", token=cleo) as hocuspocus,
    ):
        await v1.hello(token=ada)
        await v1.open("a")
        await y_websocket.until_synced()
        await hocuspocus.until_synced()
        for gateway in (0, 1):
            said = await listed(system, gateway)
            assert (said["gateways"], said["silent"], said["after"]) == (2, 0, None)
            shown = {
                (one["door"], *one["authors"], *one["documents"], one["address"])
                for one in said["connections"]
            }
            assert shown == {
                ("v1", "ada", "a", "127.0.0.1"),
                ("y-websocket", "bob", "b", "127.0.0.1"),
                ("hocuspocus", "cleo", "c", "127.0.0.1"),
            }
            for one in said["connections"]:
                for way in (one["received"], one["sent"]):
                    assert way["messages"] > 0
                    assert way["bytes"] > 0
        assert [one["authors"] for one in (await listed(system, of="bob"))["connections"]] == [["bob"]]
        by_document = (await listed(system, 1, document="a"))["connections"]
        assert [one["authors"] for one in by_document] == [["ada"]]
        assert (await listed(system, document="nobody's"))["connections"] == []

    async def all_have_left() -> bool:
        return not (await listed(system))["connections"]

    await eventually(all_have_left, "connections that have ended are not listed")


async def test_pages_tell_of_each_connection_once(system: System) -> None:
    clients = [RawClient(system.gateways[number % 2]) for number in range(7)]
    for client in clients:
        await client.__aenter__()
    try:
        found: list[str] = []
        after = ""
        while True:
            said = await listed(system, limit="2", after=after)
            assert len(said["connections"]) <= 2
            found += [one["id"] for one in said["connections"]]
            if said["after"] is None:
                break
            after = said["after"]
        assert len(found) == len(set(found)) == 7
        assert found == sorted(found)
    finally:
        for client in clients:
            await client.__aexit__()


@pytest.mark.parametrize("documents", [{"*": "write"}, {"a": ["admin"]}])
async def test_only_who_looks_after_all_documents_is_told(system: System, documents: Any) -> None:
    headers = {"Authorization": f"Bearer {token(documents)}"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{system.url}/v1/connections", headers=headers) as answer,
    ):
        assert (answer.status, (await answer.json())["required"]) == (403, "admin")


async def test_a_gateway_that_does_not_answer_is_said_to_be_silent(system: System) -> None:
    """It was killed, and counts for some seconds as one that lives."""
    system.processes["gateway-1"].kill()
    try:
        said = await listed(system)
        assert (said["gateways"], said["silent"]) == (2, 1)
    finally:
        system.restart("gateway-1")
        system.wait_ready("gateway-1")
