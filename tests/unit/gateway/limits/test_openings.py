"""How many documents are being opened for one author at a time, over however many connections."""

import asyncio

from services.gateway.limits.pace import Account


async def test_one_author_has_so_many_openings_under_way_and_the_rest_wait() -> None:
    account, done = Account(), asyncio.Event()
    under_way: list[int] = []

    async def open_one(number: int) -> None:
        async with account.openings:
            under_way.append(number)
            await done.wait()

    async with asyncio.TaskGroup() as tasks:
        for number in range(40):
            tasks.create_task(open_one(number))
        for _ in range(3):
            await asyncio.sleep(0)
        assert under_way == list(range(16))
        done.set()
    assert under_way == list(range(40))
