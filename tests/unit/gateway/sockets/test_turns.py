"""Large frames and small ones on one loop."""

import asyncio

import pytest

from services.gateway.sockets.turns import Turns


async def test_others_get_in_between_what_is_large_and_nobody_is_served_twice_before_everybody_was() -> None:
    turns, done = Turns(), list[str]()

    async def large(name: str) -> None:
        for _ in range(2):
            async with turns:
                done.append(name)
                asyncio.get_running_loop().call_soon(done.append, "-")

    await asyncio.gather(large("a"), large("b"), large("c"))
    assert "".join(done) == "a-b-c-a-b-c-"


async def test_who_is_cancelled_in_its_turn_gives_it_up() -> None:
    turns = Turns()

    async def large() -> None:
        async with turns:
            pass

    first, second = asyncio.create_task(large()), asyncio.create_task(large())
    await asyncio.sleep(0)  # the first is inside, and waits for the loop to go round
    first.cancel()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
