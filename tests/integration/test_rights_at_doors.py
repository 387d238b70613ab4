"""Each facet at each door: what somebody can do who has all others.

What each request needs is said here once more, beside the table of routes: so one that is new, or lets in whom it did
not, fails until it is said here too.
"""

from collections.abc import Iterator
from typing import Any, get_args

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from coedit.protocol.grants import Facet
from services.gateway.app import Gateway
from services.gateway.rest.routes.route import Route
from services.gateway.rest.routes.table import TABLE
from services.gateway.settings import GatewaySettings
from tests.integration.raw_client import RawClient
from tests.integration.test_access import token
from tests.integration.yjs_client import HocuspocusClient, YjsClient
from tests.system import SECRET, System, eventually

_FACETS: tuple[Facet, ...] = get_args(Facet)
_NOTHING = frozenset[str]()
_NEEDS = {
    "listDocuments": {"read"},
    "readDocument": {"read"},
    "findDocument": {"read"},
    "createDocument": {"write"},
    "listPresent": {"read"},
    "beSeen": {"read", "presence"},
    "leaveDocument": {"read", "presence"},
    "editDocument": {"write"},
    "listChanges": {"read", "history"},
    "readMoment": {"read", "history"},
    "compareMoments": {"read", "history"},
    "readBlame": {"read", "history"},
    "listVersions": {"read", "history"},
    "nameVersion": {"write", "history"},
    "restoreMoment": {"write", "history"},
    "undoEdits": {"write", "history"},
    "exportDocument": {"read"},
    "importDocument": {"write"},
    "deleteDocument": {"write"},
    "restoreDocument": {"write"},
    "readStatus": {"admin"},
    "listConnections": {"admin"},
    "changePermissions": {"admin"},
    "closeConnections": {"admin"},
    "listWebhookEndpoints": {"admin"},
    "enableWebhookEndpoint": {"admin"},
    "listWebhookFailures": {"admin"},
    "retryWebhookFailure": {"admin"},
    **dict.fromkeys(
        (
            "isAlive",
            "isReady",
            "describeRequests",
            "describeMessages",
            "showRequests",
            "showRequestsScript",
            "showRequestsStyle",
        ),
        _NOTHING,
    ),
}
_CODES = {401: "unauthorized", 403: "forbidden"}
_SOCKETS = {"/v1/ws", "/yjs/{document}", "/hocuspocus", "/hocuspocus/"}
"""What is no request of the table: the doors of `_DOORS`."""
_ROUTES = [pytest.param(route, id=route.name) for route in TABLE]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One that asks for tokens."""
    system = System(tmp_path_factory.mktemp("system"), settings={"COEDIT_GATEWAY_OPEN": "0"})
    system.start()
    yield system
    system.stop()


def all_but(facet: Facet) -> list[str]:
    """Return what is granted: whoever may write may read, too."""
    lacking = {facet, "write"} if facet == "read" else {facet}
    return [other for other in _FACETS if other not in lacking]


async def asked(
    system: System, route: Route[Any, Any], with_token: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Ask without anything else than the right; an order is about nobody who is here. Of a HEAD nothing is told."""
    path = "/".join("doors" if part.startswith("{") else part for part in route.path.split("/"))
    headers = {"Authorization": f"Bearer {with_token}"} if with_token else {}
    async with (
        aiohttp.ClientSession() as http,
        http.request(route.method, URL(system.url + path), headers=headers, data=_body(route)) as answer,
    ):
        if route.method == "HEAD" and answer.status in _CODES:
            needed = (
                (answer.headers["WWW-Authenticate"] + '""').split('scope="')[1].split('"')[0].split(" ")[0]
            )
            said = {"code": _CODES[answer.status], "status": answer.status, "required": needed}
            return answer.status, said, dict(answer.headers)
        is_problem = answer.content_type == "application/problem+json"
        return answer.status, await answer.json() if is_problem else {}, dict(answer.headers)


def _body(route: Route[Any, Any]) -> bytes | None:
    if route.on == "named":
        return b'{"author": "nobody", "document": "nothing"}'
    return b"{}" if route.has_body else None


def test_every_request_says_here_what_it_needs() -> None:
    assert {route.name: set(route.needs) for route in TABLE} == _NEEDS


def test_the_router_serves_nothing_that_is_not_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COEDIT_SECRET", SECRET)
    settings = GatewaySettings(gateway_page="")
    application: web.Application = Gateway(settings)._application()
    served = {
        (route.method, route.resource.canonical)
        for route in application.router.routes()
        if route.resource is not None
    }
    table = {(route.method, route.path) for route in TABLE}
    heads = {("HEAD", path) for method, path in table if method == "GET"}
    sockets = {(method, path) for path in _SOCKETS for method in ("GET", "HEAD")}
    assert served == table | heads | sockets


@pytest.mark.parametrize("route", _ROUTES)
async def test_who_has_no_token_is_told_what_it_would_have_to_grant(
    system: System, route: Route[Any, Any]
) -> None:
    status, said, headers = await asked(system, route, "")
    if not _NEEDS[route.name]:
        assert status == 200
        return
    assert (status, said["code"], said["status"]) == (401, "unauthorized", 401)
    assert said["required"] in _NEEDS[route.name]
    assert headers["WWW-Authenticate"].startswith("Bearer ")
    assert all(facet in headers["WWW-Authenticate"] for facet in _NEEDS[route.name])


@pytest.mark.parametrize("facet", _FACETS)
@pytest.mark.parametrize("route", _ROUTES)
async def test_each_request_is_refused_for_each_facet_that_it_needs_and_no_other(
    system: System, route: Route[Any, Any], facet: Facet
) -> None:
    status, said, headers = await asked(system, route, token({"*": all_but(facet)}))
    needs = _NEEDS[route.name]
    if route.on == "granted":
        assert status == 200  # of what is not granted there is nothing in the answer
    elif facet in needs or (facet == "read" and "write" in needs):
        assert (status, said["code"]) == (403, "forbidden")
        assert said["required"] in ({facet} if facet != "read" else needs)
        assert said["required"] in headers["WWW-Authenticate"]
    else:
        assert status not in (401, 403, 500), said


async def _v1(system: System, name: str, with_token: str) -> set[str]:
    can: set[str] = set()
    async with RawClient(system.url) as client:
        await client.hello(token=with_token)
        await client.send({"type": "open", "document": name})
        while (message := await client.receive())["type"] not in ("opened", "error"):  # type: ignore[index]
            pass
        assert isinstance(message, dict)
        if message["type"] == "error":
            assert message["code"] == "forbidden"
            return can
        can.add("open")
        said = {"type": "presence", "document": name, "revision": message["revision"], "caret": None}
        await client.send(said)
        submit = {"type": "submit", "document": name, "client_sequence": 1, "epoch": message["epoch"]}
        await client.send(submit | {"base_revision": message["revision"], "delta": [{"insert": "x"}]})
        while (message := await client.receive())["type"] not in ("ack", "error"):  # type: ignore[index]
            pass
        assert isinstance(message, dict)
        if message["type"] == "ack":
            can.add("write")
        if await _is_seen(system, name):
            can.add("be seen")
    return can


async def _yjs(client: YjsClient, system: System, name: str) -> set[str]:
    can: set[str] = set()
    async with client:
        await client.until(
            lambda: client.is_synced or client.close_code is not None or _is_denied(client), "an answer"
        )
        if not client.is_synced:
            return can
        can.add("open")
        await client.say({"user": {"name": "tried"}})
        await client.edit(lambda text: text.insert(0, "x"))
        # The observer's own edit comes behind, so it is told what became of the other.
        async with RawClient(system.url) as fence:
            await fence.hello(token=token({"*": "write"}, sub="fence"))
            opened = await fence.open(name)
            submit = {"type": "submit", "document": name, "client_sequence": 1, "epoch": opened["epoch"]}
            await fence.send(submit | {"base_revision": opened["revision"], "delta": [{"insert": "-"}]})
            await fence.expect("ack")
            await client.until(lambda: "-" in str(client.text), "the fence's edit")
            opened = await fence.open(name)
        if "x" in "".join(op["insert"] for op in opened["content"]):
            can.add("write")
        if await _is_seen(system, name):
            can.add("be seen")
    return can


def _is_denied(client: YjsClient) -> bool:
    return isinstance(client, HocuspocusClient) and client.reasons == ["permission-denied"]


async def _is_seen(system: System, name: str) -> bool:
    """Return whether ``tried`` is in the document, once somebody is who came later."""
    seen: set[str] = set()
    async with RawClient(system.url) as late, RawClient(system.url) as observer:
        await late.hello(token=token({"*": "write"}, sub="late"))
        opened = await late.open(name)
        await late.send({"type": "presence", "document": name, "revision": opened["revision"], "caret": None})
        await observer.hello(token=token({"*": "read"}, sub="observer"))

        async def late_is_seen() -> bool:
            await observer.send({"type": "open", "document": name})
            while not (roster := await observer.expect("presence")).get("full"):
                pass
            seen.clear()
            seen.update(one["author"] for one in roster["present"])
            return "late" in seen

        await eventually(late_is_seen, "who comes later is seen")
    return "tried" in seen


_DOORS = ("v1", "y-websocket", "hocuspocus")


@pytest.mark.parametrize("facet", [*_FACETS, None])
@pytest.mark.parametrize("door", _DOORS)
async def test_each_socket_refuses_what_each_facet_is_for_and_no_more(
    system: System, door: str, facet: Facet | None
) -> None:
    name = f"{door} without {facet}"
    with_token = token({name: _FACETS if facet is None else all_but(facet)}, sub="tried")
    expected = {"open", "write", "be seen"}
    if facet == "read":
        expected = set()
    elif facet == "write":
        expected -= {"write"}
    elif facet == "presence":
        expected -= {"be seen"}
    if door == "v1":
        assert await _v1(system, name, with_token) == expected
    elif door == "y-websocket":
        assert await _yjs(YjsClient(system.url, name, token=with_token), system, name) == expected
    else:
        assert await _yjs(HocuspocusClient(system.url, name, token=with_token), system, name) == expected


async def test_who_may_only_write_erases_nothing(system: System) -> None:
    for rights, expected in (("write", {403}), (["write", "admin"], {200, 202})):
        headers = {"Authorization": f"Bearer {token({'*': rights})}"}
        url = f"{system.url}/v1/documents/erased?erase=true"
        async with aiohttp.ClientSession() as http, http.delete(url, headers=headers) as answer:
            assert answer.status in expected
