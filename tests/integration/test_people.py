"""People see each other, and each other's carets, through real gateways and the presence service."""

import asyncio

from redis.asyncio import Redis

from coedit.client import Document, connect
from coedit.ot.commit import Caret
from tests.conftest import MakeSystem
from tests.integration.raw_client import RawClient
from tests.system import System


def _caret(document: Document, author: str) -> Caret | None:
    return next((person.caret for person in document.people if person.author == author), None)


async def test_people_and_carets_are_seen_and_move_with_the_text(system: System) -> None:
    async with connect(system.url, author="ada") as one, connect(system.url, author="bob") as other:
        ada = await one.open("together", display_name="Ada", colour="#4f46e5")
        bob = await other.open("together", display_name="Bob")
        await ada.insert(0, "hello world")
        await ada.move_caret(5, 11)
        await bob.until(lambda: _caret(bob, "ada") == Caret(5, 11))
        (seen,) = [person for person in bob.people if person.author == "ada"]
        assert (seen.name, seen.colour) == ("Ada", "#4f46e5")
        # Carried over bob's own edit at once, acknowledged or not.
        await bob.insert(0, ">> ")
        assert _caret(bob, "ada") == Caret(8, 14)
        await bob.settle()
        assert _caret(bob, "ada") == Caret(8, 14)
        # Typing sends no presence: the caret rides in the commit.
        await ada.until(lambda: ada.text.startswith(">> "))
        await ada.insert(14, "!")
        await bob.until(lambda: bob.text.endswith("!"))
        await bob.until(lambda: _caret(bob, "ada") is not None)


async def test_whoever_comes_later_sees_who_is_here_and_whoever_leaves_is_gone(system: System) -> None:
    async with connect(system.url, author="early") as one:
        early = await one.open("door", display_name="Early")
        await early.insert(0, "text")
        await early.settle()
        await early.move_caret(2)
        async with connect(system.url, author="late") as other:
            late = await other.open("door", display_name="Late")
            await late.until(lambda: _caret(late, "early") == Caret(2, 2))
            await early.until(lambda: any(person.author == "late" for person in early.people))
        await early.until(lambda: early.people == [])


async def test_everybody_is_told_again_once_a_lost_channel_is_back(system: System) -> None:
    """Who came and left meanwhile was announced to nobody here."""
    redis = Redis.from_url(system.redis_url)
    async with RawClient(system.url) as client:
        await client.hello()
        await client.open("channel")
        for _ in range(2):
            assert (await client.expect("presence"))["full"]
            await redis.client_kill_filter(_type="pubsub")
    await redis.aclose()


async def test_people_of_a_dead_gateway_expire(make_system: MakeSystem) -> None:
    system = make_system(gateways=2, settings={"COEDIT_PRESENCE_TTL_SECONDS": "2"})
    async with (
        connect(system.gateways[1], author="stays") as one,
        connect(system.gateways[0], author="lost") as other,
    ):
        stays = await one.open("ghosts", display_name="Stays")
        await other.open("ghosts", display_name="Lost")
        await stays.until(lambda: len(stays.people) == 1)
        await asyncio.to_thread(system.processes["gateway-0"].kill)
        async with asyncio.timeout(15):
            await stays.until(lambda: stays.people == [])
