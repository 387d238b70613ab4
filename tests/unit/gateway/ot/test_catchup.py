"""Catching up on a connection that does not read, while documents are closed and opened on it."""

import asyncio
from typing import Any, cast

from pydantic import SecretStr
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.identifiers import Revision
from services.gateway.documents.frames import SharedFrame
from services.gateway.documents.subscription import Subscription
from services.gateway.ot.catchup import CatchUp
from services.gateway.ot.connection import Connection
from services.gateway.settings import GatewaySettings
from services.gateway.sockets.turns import Turns
from tests.unit.gateway.fakes import FakeOutlet, subscription


class _Source:
    """There is nothing to catch up, and nobody is there; of what has ended nothing is known."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.ended: set[Subscription] = set()
        self.rosters: list[Any] = []
        """What is answered to who asks for the roster, or raised, before it is empty."""

    async def read_page(self, _: Subscription) -> list[dict[str, Any]]:
        return []

    async def read_roster(self, _: Subscription) -> list[dict[str, Any]]:
        answer = self.rosters.pop(0) if self.rosters else []
        if isinstance(answer, Exception):
            raise answer
        return cast("list[dict[str, Any]]", answer)

    def head_of(self, one: Subscription) -> Revision:
        if one in self.ended:
            raise KeyError(one)
        return Revision(0)


def _catch_up(outlet: FakeOutlet, source: _Source) -> CatchUp:
    return CatchUp(cast("Connection", outlet), source, GatewaySettings(secret=SecretStr("x" * 32)))


async def _until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_document_closed_while_the_connection_is_full_leaves_the_others_alone() -> None:
    outlet, source = FakeOutlet(), _Source()
    catch_up = _catch_up(outlet, source)
    large, other = subscription(outlet), subscription(outlet)
    outlet.is_full = True
    catch_up.add(large)
    catch_up.add(other)
    await _until(lambda: outlet.asked > 2)
    catch_up.remove(large)
    source.ended.add(large)
    asked = outlet.asked
    await _until(lambda: outlet.asked > asked + 2)
    outlet.is_full = False
    await _until(lambda: other.is_live)
    assert not large.is_live


async def test_roster_that_could_not_be_read_is_read_again() -> None:
    outlet, source = FakeOutlet(), _Source()
    catch_up = _catch_up(outlet, source)
    source.rosters = [RedisConnectionError("gone"), []]
    one = subscription(outlet)
    one.is_live = True
    catch_up.add_roster(one)
    await _until(lambda: outlet.sent)
    assert outlet.sent[0]["full"]


async def test_client_that_was_behind_gets_the_whole_roster() -> None:
    """Who came and left meanwhile stands in no log."""
    outlet = FakeOutlet()
    catch_up = _catch_up(outlet, _Source())
    catch_up.add(subscription(outlet))
    await _until(lambda: outlet.sent)
    assert [message["type"] for message in outlet.sent] == ["presence"]


async def test_parts_of_a_large_document_let_others_in_between_and_come_before_all_else() -> None:
    outlet, source = FakeOutlet(), _Source()
    catch_up = _catch_up(outlet, source)
    one = subscription(outlet)
    one.parts = [SharedFrame({"type": "part", "index": index}) for index in range(3)]
    between = asyncio.create_task(_say_between(outlet))
    catch_up.add(one)
    await _until(lambda: one.is_live)
    between.cancel()
    told = [message["type"] for message in outlet.sent if message["type"] != "between"]
    assert told[:3] == ["part"] * 3
    types = [message["type"] for message in outlet.sent]
    assert all("between" in types[at : at + 2] for at in range(types.index("part"), len(types) - 2))


async def _say_between(outlet: FakeOutlet) -> None:
    while True:
        outlet.send({"type": "between"})
        await asyncio.sleep(0)
