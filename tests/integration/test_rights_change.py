"""Rights that an application changes while clients are connected: with tokens alone, and with a permission hook."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

from coedit.client import connect
from coedit.protocol.yjs.sync import write_update
from tests.integration.raw_client import RawClient
from tests.integration.rest_client import listed
from tests.integration.test_access import token as any_token
from tests.integration.yjs_client import HocuspocusClient, YjsClient
from tests.system import System, eventually

_SECRET = "whsec_" + "c2lnbmVkIGJ5IHRoaXMgc2VjcmV0IG9mIG1hbnkgYnl0ZXM="
_ADMIN = {"*": ["admin"]}
WRITE = {"*": "write"}


def token(documents: Any, **claims: Any) -> str:
    """One that says when it was made."""
    return any_token(documents, **({"iat": time.time()} | claims))


async def order(system: System, gateway: int, path: str, with_token: str, **body: Any) -> int:
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{system.gateways[gateway]}/v1/{path}",
            json=body,
            headers={"Authorization": f"Bearer {with_token}"},
        ) as response,
    ):
        return response.status


class Application:
    """Answers the permission hook, after it has checked who asks; ``grants`` by author, or a response instead."""

    def __init__(self) -> None:
        self.grants: dict[str, Any] = {}
        self.failing: int = 0
        self.asked: list[dict[str, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        question: dict[str, Any] = Webhook(_SECRET).verify(body, dict(request.headers))
        self.asked.append(question)
        if self.failing:
            return web.Response(status=self.failing)
        return web.json_response({"grants": self.grants.get(question["author"], [])})


@pytest.fixture(scope="module")
def by_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two gateways that go by tokens alone."""
    system = System(
        tmp_path_factory.mktemp("system"), gateways=2, acl=True, settings={"COEDIT_GATEWAY_OPEN": "0"}
    )
    system.start()
    yield system
    system.stop()


@pytest.fixture
async def application() -> AsyncIterator[tuple[Application, str]]:
    application = Application()
    app = web.Application()
    app.router.add_post("/permissions", application.answer)
    server = TestServer(app)
    await server.start_server()
    yield application, str(server.make_url("/permissions"))
    await server.close()


async def test_token_from_before_counts_no_more(by_token: System) -> None:
    """On every gateway and at every door, whichever was told; who is not concerned notices nothing."""
    old = token(WRITE, sub="eve")
    urls = [by_token.gateways[number] for number in range(2)]
    async with (
        RawClient(urls[0]) as raw,
        YjsClient(urls[1], "yjs", token=old) as yjs,
        HocuspocusClient(urls[1], "hocuspocus", old) as hocuspocus,
        RawClient(urls[1]) as bob,
    ):
        await raw.hello(token=old)
        await raw.open("raw")
        await yjs.until_synced()
        await hocuspocus.until_synced()
        await bob.hello(token=token(WRITE, sub="bob"))
        await bob.open("raw")
        assert await order(by_token, 0, "permissions/changed", token(_ADMIN), author="eve") == 202
        assert (await raw.expect("error"))["code"] == "unauthorized"
        assert await raw.close_code() == 4401
        assert await yjs.until_closed() == 4401
        await hocuspocus.until(lambda: hocuspocus.reasons == ["permission-denied"], "it is denied")
        await bob.send(
            {
                "type": "submit",
                "document": "raw",
                "client_sequence": 1,
                "epoch": 1,
                "base_revision": 0,
                "delta": [{"insert": "x"}],
            }
        )
        await bob.expect("ack")
        for url in urls:
            async with RawClient(url) as again:
                await again.hello(token=old)
                await again.send({"type": "open", "document": "raw"})
                assert (await again.expect("error"))["code"] == "unauthorized"
                assert await again.close_code() == 4401
            async with RawClient(url) as again:
                await again.hello(token=token({"*": "read"}, sub="eve"))
                assert (await again.open("raw"))["access"] == "read"


async def test_gateway_that_begins_later_knows_of_it(by_token: System) -> None:
    old = token(WRITE, sub="late")
    assert (
        await order(by_token, 0, "permissions/changed", token(_ADMIN), author="late", document="late") == 202
    )
    by_token.processes["gateway-1"].kill()
    by_token.processes["gateway-1"].start()
    await asyncio.to_thread(by_token.wait_ready, "gateway-1")
    async with RawClient(by_token.gateways[1]) as raw:
        await raw.hello(token=old)
        await raw.open("another")
        await raw.send({"type": "open", "document": "late"})
        assert (await raw.expect("error"))["code"] == "unauthorized"
        assert await raw.close_code() == 4401


async def test_session_brings_a_new_token_when_its_rights_change(by_token: System) -> None:
    grants: dict[str, str] = {"lowered": "write"}

    async def next_token() -> str:
        return token(grants, sub="ann")

    async with connect(by_token.gateways[1], token=next_token) as session:
        document = await session.open("lowered")
        await document.insert(0, "mine")
        await document.settle()
        grants["lowered"] = "read"
        assert await order(by_token, 0, "permissions/changed", token(_ADMIN), author="ann") == 202
        await document.until(lambda: document.state.access == "read")
        assert document.text == "mine"


@pytest.mark.parametrize(
    ("documents", "body", "status"),
    [
        (None, {"author": "eve"}, 401),
        (WRITE, {"author": "eve"}, 403),
        ({"notes": ["admin"]}, {"author": "eve"}, 403),
        ({"notes": ["admin"]}, {"author": "eve", "document": "other"}, 403),
        ({"notes": ["admin"]}, {"author": "eve", "document": "notes"}, 202),
        (_ADMIN, {}, 202),
        (_ADMIN, {"authors": "eve"}, 400),
        (_ADMIN, {"author": ""}, 400),
        (_ADMIN, {"document": 7}, 400),
    ],
)
async def test_who_may_order(by_token: System, documents: Any, body: dict[str, Any], status: int) -> None:
    with_token = "" if documents is None else token(documents)
    assert await order(by_token, 0, "permissions/changed", with_token, **body) == status


async def test_connections_are_ended_wherever_they_are(by_token: System) -> None:
    urls = [by_token.gateways[number] for number in range(2)]
    eve, bob = token(WRITE, sub="eve2"), token(WRITE, sub="bob2")
    async with (
        RawClient(urls[0]) as raw,
        YjsClient(urls[1], "ended", token=eve) as yjs,
        HocuspocusClient(urls[1], "ended", bob) as hocuspocus,
        RawClient(urls[1]) as elsewhere,
    ):
        await raw.hello(token=eve)
        await raw.open("elsewhere")
        await yjs.until_synced()
        await hocuspocus.until_synced()
        await elsewhere.hello(token=bob)
        await elsewhere.open("elsewhere")
        assert await order(by_token, 0, "connections/close", token(_ADMIN), author="eve2") == 202
        assert await raw.close_code() == 4412
        assert await yjs.until_closed() == 4412
        body = {"document": "ended", "code": 4503}
        assert await order(by_token, 1, "connections/close", token(_ADMIN), **body) == 202
        assert await hocuspocus.until_closed() == 4503
        await elsewhere.send({"type": "close", "document": "elsewhere"})
        await elsewhere.open("elsewhere")
        assert await order(by_token, 0, "connections/close", token(_ADMIN)) == 400
        odd: list[Any] = [1000, "4401", [], True]
        for code in odd:
            body = {"author": "x", "code": code}
            assert await order(by_token, 0, "connections/close", token(_ADMIN), **body) == 400


async def test_hook_decides_and_is_no_refusal_when_it_is_away(
    tmp_path_factory: pytest.TempPathFactory, application: tuple[Application, str]
) -> None:
    told, url = application
    settings = {
        "COEDIT_GATEWAY_OPEN": "0",
        "COEDIT_PERMISSION_URL": url,
        "COEDIT_PERMISSION_SECRET": _SECRET,
        "COEDIT_PERMISSION_SECONDS": "2",
    }
    system = System(tmp_path_factory.mktemp("system"), gateways=2, settings=settings)
    await asyncio.to_thread(system.start)
    try:
        await _decided_by_hook(system, told)
    finally:
        await asyncio.to_thread(system.stop)


async def _decided_by_hook(system: System, told: Application) -> None:
    told.grants = {"eve": "write", "bob": "write"}
    urls = [system.gateways[number] for number in range(2)]
    # What a token grants is not looked at, but for whose it is.
    eve, bob = token({}, sub="eve", team="red"), token({}, sub="bob")
    async with (
        RawClient(urls[0]) as raw,
        YjsClient(urls[1], "notes", token=eve) as yjs,
        HocuspocusClient(urls[1], "notes", eve) as hocuspocus,
        RawClient(urls[1]) as other,
    ):
        await raw.hello(token=eve)
        assert (await raw.open("notes"))["access"] == "write"
        await yjs.until_synced()
        await hocuspocus.until(lambda: hocuspocus.scope == "read-write", "it may write")
        await other.hello(token=bob)
        await other.open("notes")
        assert told.asked[0]["claims"]["team"] == "red"
        told.failing = 503
        assert await order(system, 0, "permissions/changed", token(_ADMIN), author="eve") == 202
        assert (await raw.expect("error"))["code"] == "undecided"
        async with RawClient(urls[0]) as late:
            await late.hello(token=eve)
            await late.send({"type": "open", "document": "notes"})
            error = await late.expect("error")
            assert (error["code"], error["definite"]) == ("undecided", False)
        async with YjsClient(urls[0], "notes", token=eve) as late_yjs:
            assert await late_yjs.until_closed() == 4513
        await yjs.edit(lambda text: text.insert(0, "an outage takes nothing away"))
        await hocuspocus.until_text("an outage takes nothing away")
        told.failing = 0
        told.grants["eve"] = "read"
        assert await order(system, 1, "permissions/changed", token(_ADMIN), author="eve") == 202
        assert (await raw.expect("rights"))["access"] == "read"
        await hocuspocus.until(lambda: hocuspocus.scope == "readonly", "it may read")
        await yjs.edit(lambda text: text.insert(0, "not taken: "))
        told.grants["eve"] = []
        assert await order(system, 1, "permissions/changed", token(_ADMIN), document="notes") == 202
        error = await raw.expect("error")
        assert (error["code"], error["document"]) == ("forbidden", "notes")
        assert await yjs.until_closed() == 4403
        await hocuspocus.until(lambda: "permission-denied" in hocuspocus.reasons, "it may nothing")
        await other.send({"type": "close", "document": "notes"})
        assert "not taken" not in str((await other.open("notes"))["content"])
    asked = len(told.asked)
    for _ in range(20):
        async with RawClient(urls[0]) as again:
            await again.hello(token=bob)
            await again.open("notes")
    assert len(told.asked) - asked <= 2, "an answer counts for a while"
    assert await listed(urls[0], token=bob) == ["notes"]
    assert await listed(urls[0], token=eve) == [], "each document on a page is asked about"
    await eventually(
        lambda: 'coedit_gateway_permissions_total{outcome="undecided"}' in system.metrics("gateway-0"),
        "counted",
    )


async def test_token_made_in_the_second_of_the_change_is_followed_by_one_that_is_not(
    by_token: System,
) -> None:
    """As most libraries make them, with whole seconds: the session asks again until there is a newer one."""

    async def next_token() -> str:
        return any_token(WRITE, sub="hal", iat=int(time.time()))

    async with connect(by_token.gateways[0], token=next_token) as session:
        document = await session.open("whole seconds")
        for _ in range(3):
            assert await order(by_token, 1, "permissions/changed", token(_ADMIN), author="hal") == 202
            await document.insert(0, "x")
            await document.settle()


async def test_admin_whose_rights_have_changed_is_none(by_token: System) -> None:
    boss = token(_ADMIN, sub="boss")
    assert await order(by_token, 0, "permissions/changed", boss, author="boss") == 202

    async def is_refused() -> bool:
        answers = [
            await order(by_token, number, "permissions/changed", boss, author="eve") for number in range(2)
        ]
        return answers == [401, 401]

    await eventually(is_refused, "both gateways refuse it")


async def test_author_of_one_document_is_not_hidden_by_that_of_another(by_token: System) -> None:
    """On one Hocuspocus socket, where each document has a token of its own."""
    eve = token({"mine": "write"}, sub="eve3")
    async with HocuspocusClient(by_token.gateways[0], "mine", eve) as client:
        await client.until(lambda: client.scope == "read-write", "it is open")
        client.key, key = "another", client.key
        await client.show_token(token({}, sub="mule"))
        await asyncio.sleep(0)
        client.key = key
        assert await order(by_token, 1, "connections/close", token(_ADMIN), author="eve3") == 202
        assert await client.until_closed() == 4412


async def test_what_a_gateway_holds_is_not_submitted_once_rights_are_lowered(by_token: System) -> None:
    """An update that rests on another one, which comes when its author may read only, and the owner is another one."""
    async with YjsClient(by_token.gateways[0], "waits", token=token(WRITE, sub="ann2")) as ann:
        await ann.until_synced()
        await ann.edit(lambda text: text.insert(0, "x"))
        async with HocuspocusClient(by_token.gateways[0], "waits", token(WRITE, sub="hal2")) as hal:
            await hal.until_text("x")
            rests = (
                bytes((1, 1, 9, 0, 0x84, 5, 0)) + b"\3hal\0"
            )  # behind client 5's first item, which nobody has
            await hal.send(write_update(rests))
            await hal.until(
                lambda: sum(m[:2] == b"\0\0" for m in hal.received) > 1, "it is held, and asked for"
            )
            await hal.show_token(token({"*": "read"}, sub="hal2"))
            await hal.until(lambda: hal.scope == "readonly", "it may read")
            by_token.processes["transformer-0"].kill()
            by_token.processes["transformer-0"].start()
            await asyncio.to_thread(by_token.wait_ready, "transformer-0")
            await ann.send(write_update(bytes.fromhex("01010500040107636f6e74656e740161") + b"\0"))
            await hal.until(lambda: sorted(str(hal.text)) == ["a", "x"], "what it rested on")
            await ann.until(lambda: len(ann.text) == 2, "the same")
            await ann.edit(lambda text: text.insert(0, "b"))
            await hal.until(lambda: len(hal.text) == 3, "the next edit")
            assert "hal" not in str(ann.text)
