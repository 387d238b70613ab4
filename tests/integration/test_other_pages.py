"""Pages of other origins: those that are named may ask and read, and no others; in open mode neither."""

import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from services.gateway.rest.routes.headers import ANSWERED
from services.gateway.rest.routes.route import Route
from services.gateway.rest.routes.table import TABLE
from tests.integration.raw_client import RawClient
from tests.integration.test_access import token
from tests.system import System

_GOOD, _EVIL = "https://good.example", "https://evil.example"
_ROUTES = [pytest.param(route, id=route.name) for route in TABLE]
_OF_ANOTHER = {
    "another origin": {"Origin": _EVIL},
    "no origin of its own": {"Origin": "null"},
    "another site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "a name that resolves to this machine": {"Host": "rebound.example:8000"},
    "such a name, as its own": {"Host": "rebound.example:8000", "Origin": "http://rebound.example:8000"},
    "a form's text": {"Origin": _EVIL, "Content-Type": "text/plain", "Sec-Fetch-Site": "cross-site"},
}


def _system(folder: Any, is_open: bool) -> System:
    settings = {"COEDIT_GATEWAY_OPEN": str(int(is_open)), "COEDIT_GATEWAY_ORIGINS": _GOOD}
    return System(folder, settings=settings)


@pytest.fixture(scope="module")
def open_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One that asks nobody for a token."""
    system = _system(tmp_path_factory.mktemp("open"), is_open=True)
    system.start()
    yield system
    system.stop()


@pytest.fixture(scope="module")
def closed_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One that asks for tokens."""
    system = _system(tmp_path_factory.mktemp("closed"), is_open=False)
    system.start()
    yield system
    system.stop()


async def asked(
    system: System, method: str, path: str, headers: dict[str, str], body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    async with (
        aiohttp.ClientSession() as http,
        http.request(
            method, URL(system.url + path, encoded=True), headers=headers, data=body, allow_redirects=False
        ) as answer,
    ):
        return answer.status, dict(answer.headers), await answer.read()


@pytest.mark.parametrize("headers", _OF_ANOTHER.values(), ids=_OF_ANOTHER)
@pytest.mark.parametrize("route", _ROUTES)
async def test_other_pages_neither_read_nor_write_in_open_mode(
    open_system: System, route: Route[Any, Any], headers: dict[str, str]
) -> None:
    path = "/".join("notes" if part.startswith("{") else part for part in route.path.split("/"))
    body = b'{"text": "of an evil page"}' if route.has_body else None
    status, told, said = await asked(open_system, route.method, path, headers, body)
    assert status == 403
    assert b'"forbidden"' in said or route.method == "HEAD"
    assert "Access-Control-Allow-Origin" not in told
    assert "Origin" in told["Vary"]


async def test_what_other_pages_sent_was_not_written(open_system: System) -> None:
    for headers in _OF_ANOTHER.values():
        for path, body in (
            ("/v1/documents/untouched/edits", b'{"text": "evil"}'),
            ("/v1/import/untouched?format=text", b"evil"),
        ):
            assert (await asked(open_system, "POST", path, headers, body))[0] == 403
    _, _, text = await asked(open_system, "GET", "/v1/documents/untouched", {"Accept": "text/plain"})
    assert text == b""


@pytest.mark.parametrize("origin", [_EVIL, "null"])
async def test_sockets_of_other_pages_are_ended(open_system: System, origin: str) -> None:
    async with RawClient(open_system.url, headers={"Origin": origin}) as client:
        assert await client.close_code() == 4403


@pytest.mark.parametrize("route", _ROUTES)
async def test_named_pages_learn_beforehand_what_they_may_send(
    closed_system: System, route: Route[Any, Any]
) -> None:
    path = "/".join("notes" if part.startswith("{") else part for part in route.path.split("/"))
    headers = {"Origin": _GOOD, "Access-Control-Request-Method": route.method}
    headers["Access-Control-Request-Headers"] = "authorization,content-type"
    status, told, _ = await asked(closed_system, "OPTIONS", path, headers)
    assert (status, told["Access-Control-Allow-Origin"]) == (204, _GOOD)
    assert route.method in told["Access-Control-Allow-Methods"].split(", ")
    allowed = told["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", *(name.lower() for name in route.headers)} <= set(allowed)
    assert "Origin" in told["Vary"]
    assert "Access-Control-Allow-Credentials" not in told


@pytest.mark.parametrize(
    "origin", [_EVIL, "null", "https://good.example.evil.example", "http://good.example"]
)
async def test_pages_that_are_not_named_learn_nothing(closed_system: System, origin: str) -> None:
    preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    with_token = {"Origin": origin, "Authorization": f"Bearer {token({'*': 'write'})}"}
    for method, headers in (("OPTIONS", preflight), ("GET", with_token), ("GET", {"Origin": origin})):
        status, told, _ = await asked(closed_system, method, "/v1/documents/notes", headers)
        assert status in (401, 403)
        assert not [name for name in told if name.startswith("Access-Control")]
        assert "Origin" in told["Vary"]


async def test_named_pages_read_answers_and_refusals_and_their_headers(closed_system: System) -> None:
    with_token = {"Authorization": f"Bearer {token({'*': 'write'})}"}
    for path, headers, wanted in (
        ("/v1/documents/notes", with_token, 200),
        ("/v1/documents/notes", {}, 401),
        ("/nowhere", with_token, 404),
    ):
        status, told, _ = await asked(closed_system, "GET", path, headers | {"Origin": _GOOD})
        assert (status, told["Access-Control-Allow-Origin"]) == (wanted, _GOOD)
        assert set(told["Access-Control-Expose-Headers"].split(", ")) == set(ANSWERED)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/v1/nowhere/notes", 404, "not-found"),
        ("PATCH", "/v1/undo/notes", 405, "method-not-allowed"),
        ("OPTIONS", "/v1/undo/notes", 405, "method-not-allowed"),
    ],
)
async def test_what_the_router_refuses_is_a_problem(
    closed_system: System, method: str, path: str, status: int, code: str
) -> None:
    found, told, said = await asked(closed_system, method, path, {})
    assert (found, told["Content-Type"]) == (status, "application/problem+json")
    assert json.loads(said)["code"] == code
    assert ("Allow" in told) == (status == 405)
