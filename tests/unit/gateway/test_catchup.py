"""Catching up on a connection that does not read, while documents are closed and opened on it."""

import asyncio
from typing import Any, cast

from pydantic import SecretStr
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.identifiers import Revision
from services.gateway.catchup import CatchUp
from services.gateway.connection import Connection
from services.gateway.settings import GatewaySettings
from services.gateway.subscription import Subscription
from tests.unit.gateway.fakes import FakeOutlet, subscription


def _catch_up(outlet: FakeOutlet, ended: set[Subscription]) -> CatchUp:
    catch_up = CatchUp(cast("Connection", outlet), GatewaySettings(secret=SecretStr("x" * 32)))

    async def read_page(_: Subscription) -> list[dict[str, Any]]:
        return []

    async def read_roster(_: Subscription) -> list[dict[str, Any]]:
        return []

    def head_of(one: Subscription) -> Revision:
        if one in ended:
            raise KeyError(one)
        return Revision(0)

    catch_up.read_page, catch_up.read_roster, catch_up.head_of = read_page, read_roster, head_of
    return catch_up


async def _until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_document_closed_while_the_connection_is_full_leaves_the_others_alone() -> None:
    outlet, ended = FakeOutlet(), set[Subscription]()
    catch_up = _catch_up(outlet, ended)
    large, other = subscription(outlet), subscription(outlet)
    outlet.is_full = True
    catch_up.add(large)
    catch_up.add(other)
    await _until(lambda: outlet.asked > 2)
    catch_up.remove(large)
    ended.add(large)
    asked = outlet.asked
    await _until(lambda: outlet.asked > asked + 2)
    outlet.is_full = False
    await _until(lambda: other.is_live)
    assert not large.is_live


async def test_roster_that_could_not_be_read_is_read_again() -> None:
    outlet = FakeOutlet()
    catch_up = _catch_up(outlet, set())
    answers: list[Any] = [RedisConnectionError("gone"), []]

    async def read_roster(_: Subscription) -> list[dict[str, Any]]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast("list[dict[str, Any]]", answer)

    catch_up.read_roster = read_roster
    one = subscription(outlet)
    one.is_live = True
    catch_up.add_roster(one)
    await _until(lambda: outlet.sent)
    assert outlet.sent[0]["full"]


async def test_client_that_was_behind_gets_the_whole_roster() -> None:
    """Who came and left meanwhile stands in no log."""
    outlet = FakeOutlet()
    catch_up = _catch_up(outlet, set())
    catch_up.add(subscription(outlet))
    await _until(lambda: outlet.sent)
    assert [message["type"] for message in outlet.sent] == ["presence"]
