"""Webhooks of a whole system, whose services have few rights: who comes and goes, and the routes for what failed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from redis.asyncio import Redis

from coedit.client import connect
from coedit.protocol.webhooks.events import EVENTS
from tests.conftest import MakeSystem
from tests.integration.test_access import token
from tests.system import System, eventually
from tests.webhook_receiver import Receiver, Told, receiver, settings_of

_ADMIN = {"*": ["admin"]}
_SHARDS = 8
"""Of a `System`."""


class World:
    """A system that tells ``app``."""

    def __init__(self, system: System, app: Receiver) -> None:
        self.system, self.app = system, app

    async def ask(self, method: str, path: str, grants: object = _ADMIN) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token(grants)}"}
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, f"{self.system.url}/v1/webhooks/{path}", headers=headers) as answer,
        ):
            return answer.status, await answer.json()

    async def failures(self) -> list[dict[str, Any]]:
        status, answer = await self.ask("GET", "failures")
        assert status == 200
        found: list[dict[str, Any]] = answer["failures"]
        return found


@pytest.fixture
async def world(make_system: MakeSystem) -> AsyncIterator[World]:
    async with receiver() as app:
        variables = settings_of({"app": app.setting()}, retry_seconds="0.1")
        settings = variables | {"COEDIT_GATEWAY_OPEN": "0", "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.5"}
        system = await asyncio.to_thread(make_system, acl=True, settings=settings)
        async with Redis.from_url(system.redis_url) as redis:

            async def is_gathered() -> bool:
                return len(await redis.keys("happened:*")) == _SHARDS

            await eventually(is_gathered, "what happens is gathered in every shard")
        yield World(system, app)


async def test_who_comes_and_goes_is_told_of_and_what_failed_is_sent_again(world: World) -> None:
    app = world.app
    async with connect(world.system.url, token=token({"*": "write"}, sub="ada")) as session:
        document = await session.open("notes", display_name="Ada", colour="#aa0000")
        await document.insert(0, "hello")
        await document.move_caret(3)
        await eventually(lambda: bool(app.of("document.joined")), "it is told who came")
        await eventually(lambda: bool(app.of("document.snapshotted")), "it is told of the snapshot")
        await eventually(lambda: bool(app.of("document.changed")), "it is told of the edit")
    await eventually(lambda: bool(app.of("document.left")), "it is told who left")
    joined, left = (app.of(f"document.{kind}")[0].data for kind in ("joined", "left"))
    assert (joined["document"], joined["author"], joined["name"]) == ("notes", "ada", "Ada")
    assert left == {"document": "notes", "client_id": joined["client_id"], "author": "ada"}
    assert len(app.of("document.joined")) == 1
    assert app.of("document.changed")[0].data["authors"] == ["ada"]

    app.answer = _refusing(500)
    async with connect(world.system.url, token=token({"*": "write"}, sub="ada")) as session:
        document = await session.open("plan")
        await document.insert(0, "hello")

        async def failed() -> bool:
            return len(await world.failures()) >= 2

        await eventually(failed, "the edit and its snapshot are among the failures")
    failure, *_ = await world.failures()
    assert (failure["endpoint"], failure["attempts"], failure["reason"]) == ("app", 2, "answered with 500")
    (newest,) = (await world.ask("GET", "failures?limit=1"))[1]["failures"]
    _, older = await world.ask("GET", f"failures?limit=1&before={newest['id']}")
    assert older["failures"][0]["id"] < newest["id"]
    app.answer, app.told = Receiver().answer, []
    assert await world.ask("POST", f"failures/{failure['id']}/retry") == (202, {"sent": failure["id"]})
    await eventually(lambda: bool(app.told), "it is sent again")
    assert app.told[0].webhook_id == failure["webhook_id"]
    assert app.told[0].event == failure["body"]
    assert (await world.ask("POST", f"failures/{failure['id']}/retry"))[0] == 404


async def test_deletion_is_told_of_when_it_is_decided_and_when_nothing_is_left(world: World) -> None:
    """Once each, also where a document goes from the trash for good."""
    grants = {"*": ["read", "write", "admin"]}
    async with connect(world.system.url, token=token(grants)) as session:
        document = await session.open("notes")
        await document.insert(0, "hello")
        await document.settle()
    for query, erased in (("", [False]), ("", [False]), ("?erase=true", [False, True])):
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token(grants)}"}) as http,
            http.delete(f"{world.system.url}/v1/documents/notes{query}") as answer,
        ):
            assert answer.status < 300, await answer.text()
        await eventually(partial(_deletions, world.app, erased), f"{erased} is told")
    assert {told.data["document"] for told in world.app.of("document.deleted")} == {"notes"}


def _deletions(app: Receiver, erased: list[bool]) -> bool:
    return [told.data["erased"] for told in app.of("document.deleted")] == erased


def _refusing(status: int) -> Callable[[Told], Awaitable[web.Response]]:
    async def answer(_: Told) -> web.Response:
        return web.Response(status=status)

    return answer


async def test_only_admins_see_what_failed(world: World) -> None:
    paths = [
        ("GET", "endpoints"),
        ("POST", "endpoints/app/enable"),
        ("GET", "failures"),
        ("POST", "failures/1-0-0/retry"),
    ]
    for method, path in paths:
        for grants in ({"*": "write"}, {"notes": ["admin"]}, {}):
            status, answer = await world.ask(method, path, grants)
            assert (status, answer["code"]) == (403, "forbidden")
    expected = {"endpoints": [{"name": "app", "events": sorted(EVENTS), "disabled_at": None}]}

    async def listed() -> bool:
        return await world.ask("GET", "endpoints") == (200, expected)

    await eventually(listed, "the endpoint is listed")
    assert (await world.ask("POST", "endpoints/app/enable"))[0] == 202
    assert (await world.ask("POST", "endpoints/other/enable"))[0] == 404
    assert (await world.ask("POST", "failures/1-0-0/retry"))[0] == 404
    for bad in ("1-0", "1-0-99", "a-b-c", "1--0", "٣-0-0"):
        assert (await world.ask("POST", f"failures/{bad}/retry"))[0] == 400
    assert (await world.ask("GET", "failures?before=x"))[0] == 400
    assert (await world.ask("GET", "failures?limit=0"))[0] == 200
