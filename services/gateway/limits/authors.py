"""How much one author may ask for: connections here, and requests, messages and bytes at all gateways together.

Redis is asked about requests as they come, all of one turn of the loop at once, and once a second about what the
connections have said; never for a keystroke. Where it does not answer, nobody is held up.
"""

import asyncio
import logging
import math
import time
from typing import Final

from coedit.errors import LimitedError
from coedit.identifiers import AuthorId
from coedit.protocol.limits.token_bucket import Rate
from coedit.runtime.logs import Sparse
from coedit.store.limits.author_rates import AuthorRates, Spending
from coedit.store.redis.connection import TROUBLE
from services.gateway.limits.pace import Account, Holdable, within_a_pause
from services.gateway.limits.told import Limit, limited
from services.gateway.metrics import LOOP_ERRORS
from services.gateway.settings import GatewaySettings

logger = logging.getLogger(__name__)

_STEP_SECONDS = 1.0
_PATIENCE_SECONDS = 0.5
_UNASKED_SECONDS = 5.0
"""So long Redis is not asked that did not answer: whoever comes would wait for it."""
_LOG_SECONDS = 10.0
_PLACE_AGAIN_SECONDS = 5
_WORTH_ASKING: Final = 0.01
"""What part of a second's allowance has to have been said until Redis is told: who types is not worth it each time."""


class Authors:
    """Everybody who is here; where nobody proves who one is, nobody is limited as an author either."""

    def __init__(self, settings: GatewaySettings, rates: AuthorRates) -> None:
        self._are_known = not settings.gateway_open
        self._rates = rates
        self._most = settings.gateway_author_connections
        self._requests = Rate(
            settings.gateway_author_requests_per_second, settings.gateway_author_requests_at_once
        )
        self._messages = Rate(
            settings.gateway_author_messages_per_second, settings.gateway_author_messages_at_once
        )
        self._bytes = Rate(settings.gateway_author_bytes_per_second, settings.gateway_author_bytes_at_once)
        self._accounts: dict[AuthorId, Account] = {}
        self._asks: list[tuple[Spending, asyncio.Future[float]]] = []
        self._asking: set[asyncio.Task[None]] = set()
        self._unasked_until = float("-inf")
        self._lines = Sparse(_LOG_SECONDS, time.monotonic)

    def enter(self, author: AuthorId, connection: Holdable) -> Account | None:
        """Count a connection as its author's, and return what it accounts to; None: nothing is counted.

        Raises:
            LimitedError: the author has as many as one may.
        """
        if not self._are_known:
            return None
        account = self._accounts.get(author)
        if account is not None and len(account.connections) >= self._most:
            limited("author-connections", author=author)
            raise LimitedError(f"more than {self._most} connections of one author", _PLACE_AGAIN_SECONDS)
        if account is None:
            account = self._accounts[author] = Account()
        account.connections.add(connection)
        return account

    async def admit(self, author: AuthorId) -> None:
        """Count a request: a connection, a document that is opened, or a call over plain HTTP.

        Raises:
            LimitedError: there were too many.
        """
        if not self._are_known or time.monotonic() < self._unasked_until:
            return
        answer = asyncio.get_running_loop().create_future()
        self._asks.append((Spending("requests", author, 1, self._requests), answer))
        if len(self._asks) == 1:
            task = asyncio.get_running_loop().create_task(self._ask_soon())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        seconds = await answer
        if seconds:
            limited("author-requests", author=author)
            raise LimitedError("too many requests of one author", math.ceil(seconds))

    async def step(self) -> None:
        """Wait a second, then hold up those authors who have said too much in it, at whichever gateways."""
        await asyncio.sleep(_STEP_SECONDS)
        spent: list[tuple[Spending, Account]] = []
        for author, account in list(self._accounts.items()):
            is_gone = not account.connections
            if is_gone:
                del self._accounts[author]
            if account.messages > (0 if is_gone else _WORTH_ASKING * self._messages.per_second):
                messages, account.messages = account.messages, 0
                spent.append((Spending("messages", author, messages, self._messages, True), account))
            if account.bytes > (0 if is_gone else _WORTH_ASKING * self._bytes.per_second):
                size, account.bytes = account.bytes, 0
                spent.append((Spending("bytes", author, size, self._bytes, True), account))
        if not spent or time.monotonic() < self._unasked_until:
            return
        waits = await self._ask([spending for spending, _ in spent])
        for (spending, account), seconds in zip(spent, waits, strict=True):
            if seconds:
                limit: Limit = "author-messages" if spending.kind == "messages" else "author-bytes"
                limited(limit, author=spending.author)
                for connection in list(account.connections):
                    connection.hold(within_a_pause(seconds))

    async def _ask_soon(self) -> None:
        await asyncio.sleep(0)  # many documents are opened at once
        asks, self._asks = self._asks, []
        waits = await self._ask([spending for spending, _ in asks])
        for (_, answer), seconds in zip(asks, waits, strict=True):
            if not answer.done():
                answer.set_result(seconds)

    async def _ask(self, spendings: list[Spending]) -> list[float]:
        """Return how long each has to wait; nobody does where Redis cannot be asked."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._rates.spend(spendings)
        except TROUBLE as error:  # a timeout is one
            self._unasked_until = time.monotonic() + _UNASKED_SECONDS
            LOOP_ERRORS.labels("author-rates").inc()
            if count := self._lines.count("author-rates"):
                facts = {"event": "limits-error", "count": count, "error": repr(error)}
                logger.warning("authors are not limited: Redis does not answer", extra=facts)
            return [0.0] * len(spendings)
