"""What a service's own listener answers, and to whom, on real sockets."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from coedit.runtime.health import serve_health
from tests.ports import free_port

_LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
_OWN: dict[str, dict[str, str]] = {
    "a program": {},
    "its own page": {"Sec-Fetch-Site": "same-origin"},
    "typed by hand": {"Sec-Fetch-Site": "none"},
    "a link": _LINK,
    "another name of this machine": {"Host": "localhost:1"},
    "its address": {"Host": "[::1]:8081"},
}
_FOREIGN = {
    "a page elsewhere": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "a page of another port": {"Sec-Fetch-Site": "same-site"},
    "a frame": _LINK | {"Sec-Fetch-Dest": "iframe"},
    "a name that resolves to here": {"Host": "evil.example"},
    "a link to such a name": _LINK | {"Host": "evil.example"},
    "no name": {"Host": "["},
    "an address of others": {"Host": "192.0.2.1"},
}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Where a ready service answers on loopback."""
    number = free_port()
    runner = await serve_health(_is_ready, "127.0.0.1", number)
    yield number
    await runner.cleanup()


async def _is_ready() -> str:
    return ""


async def _status(port: int, path: str, headers: dict[str, str]) -> int:
    url = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
@pytest.mark.parametrize("headers", _OWN.values(), ids=_OWN)
async def test_programs_and_own_pages_are_answered(port: int, path: str, headers: dict[str, str]) -> None:
    assert await _status(port, path, headers) == 200


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nothing"])
@pytest.mark.parametrize("headers", _FOREIGN.values(), ids=_FOREIGN)
async def test_pages_of_others_are_refused(port: int, path: str, headers: dict[str, str]) -> None:
    assert await _status(port, path, headers) == 403


async def test_a_listener_for_others_has_any_name() -> None:
    number = free_port()
    runner = await serve_health(_is_ready, "0.0.0.0", number)
    try:
        assert await _status(number, "/metrics", {"Host": "10.1.2.3:8081"}) == 200
        assert await _status(number, "/metrics", {"Sec-Fetch-Site": "cross-site"}) == 403
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        ("", False),
        ("text/plain", False),
        ("application/openmetrics-text; version=1.0.0", True),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1",
            True,
        ),
    ],
)
async def test_metrics_are_told_in_the_format_that_is_asked_for(
    port: int, accept: str, *, is_openmetrics: bool
) -> None:
    url = f"http://127.0.0.1:{port}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url, headers={"Accept": accept}) as answer:
        body = await answer.text()
    assert body.endswith("# EOF\n") is is_openmetrics
    kind = "application/openmetrics-text" if is_openmetrics else "text/plain"
    assert answer.headers["Content-Type"].startswith(kind)
