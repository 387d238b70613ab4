"""One who asks for much, on a real gateway: others are served, and whoever waits too long is told how long."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.integration.test_access import token
from tests.system import System

_VERSIONS = 100
_COSTLY = b"[" * 300_000
"""A MiB of it takes a parser of Markdown more than the time that one request has."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that asks for tokens, with the least memory for converters."""
    settings = {"COEDIT_GATEWAY_OPEN": "0", "COEDIT_GATEWAY_CONVERT_BYTES": str(64 * 1024 * 1024)}
    system = System(tmp_path_factory.mktemp("system"), settings=settings)
    system.start()
    yield system
    system.stop()


async def ask(
    system: System, method: str, what: str, author: str, body: bytes | None = None
) -> tuple[int, Any, bytes]:
    headers = {"Authorization": f"Bearer {token({'*': 'write'}, sub=author)}"}
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{system.url}/v1/{what}", data=body, headers=headers) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


async def test_exports_go_on_while_another_imports_what_is_costly(system: System) -> None:
    assert (await ask(system, "POST", "import/hers?format=markdown", "ada", b"# Hers\n"))[0] == 200
    told: list[Any] = []

    async def flood(number: int) -> None:
        while True:
            told.append(await ask(system, "POST", f"import/his-{number}?format=markdown", "eve", _COSTLY))

    floods = [asyncio.create_task(flood(number)) for number in range(6)]
    try:
        for _ in range(8):
            status, _, body = await ask(system, "GET", "export/hers?format=html", "ada")
            assert status == 200, body
    finally:
        for task in floods:
            task.cancel()
    for status, headers, body in told:
        assert status in (413, 503), body
        assert ("Retry-After" in headers) == (status == 503)


async def test_who_asks_for_too_much_at_once_is_told_when_to_ask_again(system: System) -> None:
    asked = [ask(system, "POST", "import/his?format=markdown", "eve", _COSTLY) for _ in range(30)]
    answers = await asyncio.gather(*asked)
    refused = [(headers, body) for status, headers, body in answers if status == 503]
    assert refused
    for headers, body in refused:
        assert b'"overloaded"' in body
        assert int(headers["Retry-After"]) >= 1
        assert f'"retry_after_seconds": {headers["Retry-After"]}'.encode() in body
    assert "coedit_gateway_no_place_total" in system.metrics("gateway-0")


async def test_a_conversion_beyond_its_memory_is_refused_and_hurts_nobody(system: System) -> None:
    body = b"Some *words* of a **text** that goes on [here](http://x.y) for a while.\n\n" * 50_000
    status, _, answer = await ask(system, "POST", "import/large?format=html", "ada", body)
    assert (status, b'"too-large"' in answer) == (413, True)
    assert system.processes["gateway-0"].is_running


@pytest.mark.parametrize(
    ("question", "place"), [("documents/large", "document"), ("versions/many", "versions")]
)
async def test_who_reads_in_a_loop_waits_behind_oneself(system: System, question: str, place: str) -> None:
    await _written(system)
    asked = [asyncio.create_task(ask(system, "GET", question, "eve")) for _ in range(200)]
    for _ in range(3):
        status, _, body = await ask(system, "GET", question, "ada")
        assert status == 200, body
    answers = await asyncio.gather(*asked)
    refused = [headers for status, headers, _ in answers if status == 503]
    assert 0 < len(refused) < len(answers)
    assert all(int(headers["Retry-After"]) >= 1 for headers in refused)
    assert {status for status, *_ in answers} == {200, 503}
    assert f'coedit_gateway_no_place_total{{what="{place}"}}' in system.metrics("gateway-0")


async def _written(system: System) -> None:
    """Have a document that takes a while to be read, and one with a version for each of many names."""
    if (await ask(system, "GET", "versions/many", "ada"))[2].count(b'"name"') == _VERSIONS:
        return
    ops = [{"insert": "ab", "attributes": {"bold": True} if n % 2 else {"italic": True}} for n in range(8000)]
    large = json.dumps({"ops": [*ops, {"insert": "\n"}]}).encode()
    for name, form, body in (("large", "delta", large), ("many", "text", b"Many")):
        status, _, answer = await ask(system, "POST", f"import/{name}?format={form}", "ada", body)
        assert status == 200, answer
    for number in range(_VERSIONS):
        body = b'{"name": "%d"}' % number
        status, _, answer = await ask(system, "POST", "versions/many", "ada", body)
        assert status == 201, answer
