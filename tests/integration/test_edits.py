"""Edits by programs over plain HTTP: what one may want, and that it happens once."""

import asyncio
import time
from functools import partial
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis
from yarl import URL

from coedit.client import Document, connect
from coedit.client.rest import fetch_text
from tests.conftest import MakeSystem
from tests.integration.test_access import token
from tests.system import System

Answer = tuple[int, dict[str, Any]]


async def edit(
    url: str, name: str, body: Any, *, key: str = "", author: str = "ada", **headers: str
) -> Answer:
    headers |= {"Idempotency-Key": key} if key else {}
    address = URL(f"{url}/v1/documents/{name}/edits?author={author}", encoded=True)
    async with aiohttp.ClientSession() as http, http.post(address, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_program_says_what_it_wants(system: System) -> None:
    async with connect(system.url, author="bob") as session:
        bob = await session.open("said")
        for body, text in (
            ({"text": "one two three"}, "one two three"),
            ({"replace": "two", "with": "2"}, "one 2 three"),
            ({"append": " and three"}, "one 2 three and three"),
            ({"replace": "three", "with": "3", "all": True}, "one 2 3 and 3"),
            ({"delta": [{"retain": 4}, {"insert": "😀"}], "base_revision": 4}, "one 😀2 3 and 3"),
            ({"delta": [{"insert": "> "}], "base_revision": 2}, "> one 😀2 3 and 3"),
        ):
            status, answer = await edit(system.url, "said", body)
            assert (status, answer["changed"]) == (200, True), answer
            await bob.until(partial(_has, bob, text))
            assert bob.revision == answer["revision"]
        assert await edit(system.url, "said", {"text": bob.text}) == (
            200,
            {"document": "said", "base_revision": 6, "epoch": 1, "revision": 6, "changed": False},
        )
    assert (await fetch_text(system.url, "said"))[:2] == ("> one 😀2 3 and 3", 6)


def _has(document: Document, text: str) -> bool:
    return document.text == text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid-request"),
        ([], 400, "invalid-request"),
        ({"append": "a", "text": "b"}, 400, "invalid-request"),
        ({"append": 7}, 400, "invalid-request"),
        ({"append": "a", "base_revision": 0}, 400, "invalid-request"),
        ({"replace": "a"}, 400, "invalid-request"),
        ({"replace": "", "with": "b"}, 400, "invalid-request"),
        ({"delta": [{"insert": "a"}]}, 400, "invalid-request"),
        ({"delta": [{"insert": 7}], "base_revision": 0}, 400, "invalid-delta"),
        ({"delta": [{"retain": 9, "attributes": {"a": 1}}], "base_revision": 0}, 400, "length-mismatch"),
        ({"delta": [{"insert": "a"}], "base_revision": 9}, 404, "future-revision"),
        ({"replace": "missing", "with": "b"}, 409, "no-match"),
    ],
)
async def test_what_cannot_be_is_refused(system: System, body: Any, status: int, code: str) -> None:
    answered, answer = await edit(system.url, "refused", body)
    assert (answered, answer["code"]) == (status, code), answer


async def test_same_key_happens_once_whoever_is_asked_and_whenever(make_system: MakeSystem) -> None:
    """At the same time at two gateways, again after others have written, and after everything was started again."""
    system = make_system(gateways=2)
    await edit(system.url, "once", {"text": "start"})
    wish = {"append": "!"}
    answers = await asyncio.gather(
        *(edit(system.gateways[number % 2], "once", wish, key="k-1") for number in range(8))
    )
    made = [answer for status, answer in answers if status == 200]
    assert made
    assert {answer["code"] for status, answer in answers if status != 200} <= {"still-running"}
    for number in range(3):
        await edit(system.url, "once", {"append": str(number)})
    for name in ("gateway-0", "gateway-1", "transformer-0"):
        system.processes[name].kill()
        system.processes[name].start()
        system.wait_ready(name)
    for url in system.gateways:
        assert await edit(url, "once", wish, key="k-1") == (200, made[0])
    assert (await edit(system.url, "once", {"append": "?"}, key="k-1"))[0] == 422
    assert (await edit(system.url, "once", wish, key="k-1", author="bob"))[0] == 200, (
        "another's key is another"
    )
    assert (await fetch_text(system.url, "once"))[0] == "start!012!"


async def test_request_that_died_halfway_is_made_again_on_what_it_was_made_on(
    make_system: MakeSystem,
) -> None:
    """The gateway that dealt with it is gone, and nobody knows whether the edit was made: it was, and once."""
    system = make_system()
    await edit(system.url, "half", {"text": "start"})
    status, answer = await edit(system.url, "half", {"append": "!"}, key="k")
    await edit(system.url, "half", {"append": " and on"})
    async with Redis.from_url(system.redis_url) as redis:
        (name,) = [name async for name in redis.scan_iter("asked:*:half")]
        await redis.hdel(name, "answer")
        await redis.hset(name, "until", str(int(time.time() * 1000) + 60_000))
        assert (await edit(system.url, "half", {"append": "!"}, key="k"))[1]["code"] == "still-running"
        await redis.hset(name, "until", "0")
    again, told = await edit(system.url, "half", {"append": "!"}, key="k")
    assert (again, told["revision"]) == (status, answer["revision"])
    assert (await fetch_text(system.url, "half"))[0] == "start! and on"


async def test_right_is_needed(make_system: MakeSystem) -> None:
    system = make_system(settings={"COEDIT_GATEWAY_OPEN": "0"})
    for documents, status in (
        ({"a": "write"}, 200),
        ({"a": ["write"]}, 200),
        ({"a": "read"}, 403),
        ({"b": "write"}, 403),
        ({}, 403),
    ):
        bearer = {"Authorization": f"Bearer {token(documents)}"}
        assert (await edit(system.url, "a", {"append": "x"}, **bearer))[0] == status
    assert (await edit(system.url, "a", {"append": "x"}))[0] == 401
    assert (await edit(system.url, "a%2Fb%2Fedits", {"append": "x"}))[0] == 401
    history = f"{system.url}/v1/blame/a"
    async with (
        aiohttp.ClientSession() as http,
        http.get(history, headers={"Authorization": f"Bearer {token({'a': 'read'})}"}) as answer,
    ):
        assert {run["author"] for run in (await answer.json())["runs"]} == {"ada"}
