"""What each author has spent of what one may, as all gateways count it together (GCRA, in one script)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from coedit.identifiers import AuthorId
from coedit.protocol.limits.token_bucket import Rate
from coedit.store.keys import RATES, rate
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script

RateKind = Literal["requests", "messages", "bytes"]
_MOST_AT_ONCE = 1_000
"""In one run of the script: some milliseconds."""


class Spending(NamedTuple):
    """``amount`` of a kind, asked for, or ``is_spent`` already: then it counts whatever the answer is."""

    kind: RateKind
    author: AuthorId
    amount: int
    rate: Rate
    is_spent: bool = False


class AuthorRates:
    """Spends; the keys expire when an author has all again that one may have at once."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._spend = Script("spend.lua")

    async def spend(self, spendings: Sequence[Spending]) -> list[float]:
        """Return for how many seconds each has to wait; 0: not at all.

        Raises:
            RedisError, OSError: some of it may be spent.
        """
        waits: list[float] = []
        for first in range(0, len(spendings), _MOST_AT_ONCE):
            waits += await self._spend_some(spendings[first : first + _MOST_AT_ONCE])
        return waits

    async def _spend_some(self, spendings: Sequence[Spending]) -> list[float]:
        keys = [rate(spending.kind, spending.author) for spending in spendings]
        arguments: list[str | int] = []
        for spending in spendings:
            bounds = spending.rate
            arguments += [
                spending.amount,
                repr(bounds.per_second),
                repr(bounds.at_once),
                int(spending.is_spent),
            ]
        waits_us = await self._spend.run(self._nodes.of(RATES), keys, arguments)
        return [wait_us / 1e6 for wait_us in waits_us]
