"""What authors spend of their rates, by the script, in a real Redis."""

import asyncio

from redis.asyncio import Redis

from coedit.identifiers import AuthorId
from coedit.protocol.limits.token_bucket import Rate
from coedit.store.keys import rate
from coedit.store.limits.author_rates import AuthorRates, Spending
from coedit.store.redis.topology import Nodes

ADA, BOB = AuthorId("ada"), AuthorId("bob: with a colon")
SLOW = Rate(per_second=0.1, at_once=3)
"""Of which nothing comes back while a test runs."""


async def test_so_much_may_be_spent_at_once_by_each_author_of_each_kind(redis: Redis) -> None:
    rates = AuthorRates(Nodes(redis))
    asked = [Spending("requests", ADA, 1, SLOW) for _ in range(4)]
    waits = await rates.spend(
        [*asked, Spending("requests", BOB, 1, SLOW), Spending("messages", ADA, 1, SLOW)]
    )
    assert waits[:3] == [0.0] * 3
    assert 0.0 < waits[3] <= 10.0
    assert waits[4:] == [0.0] * 2


async def test_what_has_to_wait_is_not_spent_and_comes_back_with_time(redis: Redis) -> None:
    rates, quick = AuthorRates(Nodes(redis)), Rate(per_second=10, at_once=2)
    assert await rates.spend([Spending("requests", ADA, 2, quick)]) == [0.0]
    for _ in range(20):
        (wait,) = await rates.spend([Spending("requests", ADA, 2, quick)])
        assert wait <= 0.2
        if not wait:
            return  # a slow machine
    await asyncio.sleep(wait)
    assert await rates.spend([Spending("requests", ADA, 2, quick)]) == [0.0]


async def test_what_is_spent_already_counts_and_is_never_owed_for_long(redis: Redis) -> None:
    rates = AuthorRates(Nodes(redis))
    (wait,) = await rates.spend([Spending("messages", ADA, 1_000_000, SLOW, is_spent=True)])
    assert wait > 10.0
    (wait,) = await rates.spend([Spending("messages", ADA, 0, SLOW, is_spent=True)])
    assert 0.0 < wait <= 10.0


async def test_nothing_is_kept_of_who_has_all_again(redis: Redis) -> None:
    rates, quick = AuthorRates(Nodes(redis)), Rate(per_second=1000, at_once=2)
    await rates.spend([Spending("bytes", ADA, 1, quick), Spending("bytes", BOB, 1, SLOW)])
    assert 0 < await redis.pttl(rate("bytes", BOB)) <= 10_001
    async with asyncio.timeout(10):
        while await redis.exists(rate("bytes", ADA)):
            await asyncio.sleep(0.01)
    assert await redis.exists(rate("bytes", BOB))
