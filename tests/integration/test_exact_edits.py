"""Edits by programs on exactly a revision, and what programs say of their edits."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from coedit.client import connect
from tests.conftest import MakeSystem
from tests.integration.raw_client import RawClient
from tests.integration.rest_client import Answered, ask
from tests.system import System


async def edit(
    system: System, name: str, body: Any, *, gateway: int = 0, author: str = "ada", **headers: str
) -> Answered:
    heads = {key.replace("_", "-"): value for key, value in headers.items()}
    url = system.gateways[gateway]
    return await ask(url, "POST", name, behind="/edits", body=body, headers=heads, author=author)


async def text_of(system: System, name: str) -> str:
    return (await ask(system.url, "GET", name, headers={"Accept": "text/plain"})).body.decode()


async def test_of_many_who_want_exactly_one_revision_one_edits_it(two_gateways: System) -> None:
    system = two_gateways
    tag = (await edit(system, "exact", {"text": "start"})).tag
    for number in range(3):
        answers = await asyncio.gather(
            *(edit(system, "exact", {"append": "!"}, gateway=one % 2, If_Match=tag) for one in range(10))
        )
        assert sorted(answer.status for answer in answers) == [200] + [412] * 9
        assert {answer.code for answer in answers if answer.status == 412} == {"precondition-failed"}
        (made,) = [answer for answer in answers if answer.status == 200]
        assert made.json["base_revision"] + 1 == made.json["revision"] == number + 2
        tag = made.tag
    assert await text_of(system, "exact") == "start!!!"


async def test_exact_edit_is_refused_while_somebody_types(two_gateways: System) -> None:
    system = two_gateways
    old = (await edit(system, "typed", {"text": "start"})).tag
    async with connect(system.url, author="bob") as session:
        document = await session.open("typed")
        await document.insert(0, "> ")
        await document.settle()
        for body in (
            {"append": "!"},
            {"text": "other"},
            {"replace": "start", "with": "x"},
            {"delta": [{"insert": "x"}], "base_revision": 1},
        ):
            refused = await edit(system, "typed", body, If_Match=old)
            assert (refused.status, refused.code) == (412, "precondition-failed")
        assert document.text == "> start"
    now = await ask(system.url, "HEAD", "typed")
    body = {"delta": [{"insert": "# "}], "base_revision": 2}
    assert (await edit(system, "typed", body, If_Match=f'"1:9", {now.tag}')).status == 200
    odd = await edit(system, "typed", {"delta": [{"insert": "# "}], "base_revision": 2}, If_Match='"1:3"')
    assert (odd.status, odd.code) == (400, "invalid-request")
    assert (await edit(system, "typed", {"append": "."}, If_Match='W/"1:3"')).status == 412
    assert (await edit(system, "typed", {"append": "."}, If_Match="1:3")).status == 400
    assert (await edit(system, "typed", {"append": "."}, If_Match="*")).status == 200
    assert (await edit(system, "never typed", {"append": "."}, If_Match="*")).status == 412


async def test_same_key_gets_the_same_answer_whatever_was_written_since(make_system: MakeSystem) -> None:
    """Also where the answer got lost with the gateway that was to give it: what was made then stays made."""
    system = make_system(gateways=2)
    tag = (await edit(system, "once", {"text": "start"})).tag
    first = await edit(system, "once", {"append": "!"}, If_Match=tag, Idempotency_Key="k")
    assert first.status == 200
    await edit(system, "once", {"append": "?"})
    again = await edit(system, "once", {"append": "!"}, gateway=1, If_Match=tag, Idempotency_Key="k")
    assert (again.status, again.json, again.tag) == (200, first.json, first.tag)
    other = await edit(system, "once", {"append": "!"}, If_Match=first.tag, Idempotency_Key="k")
    assert (other.status, other.code) == (422, "another-request")
    async with Redis.from_url(system.redis_url) as redis:
        (name,) = [name async for name in redis.scan_iter("asked:*:once")]
        await redis.hdel(name, "answer")
        await redis.hset(name, "until", "0")
    lost = await edit(system, "once", {"append": "!"}, If_Match=tag, Idempotency_Key="k")
    assert (lost.status, lost.json["revision"]) == (200, first.json["revision"])
    for _ in range(2):
        late = await edit(system, "once", {"append": "."}, If_Match=tag, Idempotency_Key="late")
        assert (late.status, late.code) == (412, "precondition-failed")
    assert await text_of(system, "once") == "start!?"


async def test_what_programs_say_of_edits_is_shown_by_history_and_blame(system: System) -> None:
    said = {"model": "m-1", "prompted_by": "ada 😀"}
    await edit(system, "said", {"text": "one "}, author="bot")
    made = await edit(system, "said", {"append": "two ", "metadata": said}, author="bot")
    assert made.status == 200
    await edit(system, "said", {"append": "three", "metadata": {}}, author="bot")
    async with connect(system.url, author="bob") as session:
        past = session.history("said")
        changes, _ = await past.changes()
        assert [dict(change.metadata) for change in changes] == [{}, said, {}]
        assert [(run.revision, dict(run.metadata)) for run in await past.blame()] == [
            (1, {}),
            (2, said),
            (3, {}),
        ]
    raw = await _get(system, "/v1/history/said")
    assert "metadata" not in raw["changes"][0]
    odd: Any
    for odd in (
        [],
        "x",
        {"": "x"},
        {"a": 7},
        {"a": "x" * 257},
        {"a" * 65: ""},
        {f"a{n}": "" for n in range(17)},
    ):
        refused = await edit(system, "said", {"append": "x", "metadata": odd})
        assert (refused.status, refused.code) == (400, "invalid-request"), odd


async def test_metadata_outlasts_redis_and_every_process(make_system: MakeSystem) -> None:
    """In the archive, and through everything being read anew."""
    system = make_system(
        settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.1", "COEDIT_SNAPSHOTTER_IDLE_SECONDS": "0.3"}
    )
    await edit(system, "kept", {"text": "x", "metadata": {"model": "m-1"}}, author="bot")
    deadline = time.monotonic() + 20
    async with Redis.from_url(system.redis_url) as redis:
        while [key async for key in redis.scan_iter("log:*:kept")]:
            assert time.monotonic() < deadline, "it stays in Redis"
            await asyncio.sleep(0.1)
    raw = await _get(system, "/v1/history/kept")
    assert [change["metadata"] for change in raw["changes"]] == [{"model": "m-1"}]
    await edit(system, "kept", {"append": "y"})
    raw = await _get(system, "/v1/blame/kept")
    assert [run.get("metadata") for run in raw["runs"]] == [{"model": "m-1"}, None]


async def _get(system: System, path: str) -> Any:
    async with aiohttp.ClientSession() as http, http.get(system.url + path) as answer:
        assert answer.status == 200
        return await answer.json()


@pytest.mark.parametrize("gateway", [0, 1])
async def test_clients_are_not_told_what_programs_say(two_gateways: System, gateway: int) -> None:
    """It is the history's, and a right of its own."""
    system = two_gateways
    name = f"not told {gateway}"
    async with RawClient(system.gateways[gateway]) as client:
        await client.hello(author="bob")
        await client.open(name)
        await edit(system, name, {"append": "x", "metadata": {"model": "m-1"}})
        (commit,) = (await client.expect("commit"))["commits"]
        assert "metadata" not in commit
