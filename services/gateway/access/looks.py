"""Who is connected, over all gateways: each tells of its own when one of them asks."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from coedit.identifiers import AuthorId, DocumentId
from coedit.store.streams.looks import Look, Looks, Row
from services.gateway.metrics import LOOKED

_BLOCK_MS = 1_000
_PATIENCE_SECONDS = 2.0
"""So long the gateways have to answer; who does not is said to be silent."""
_AGAIN_SECONDS = 0.02
_AT_ONCE = 500
"""So many connections are looked at in a row, then others have a turn of the loop."""
_NUMBER_DIGITS = 12


class Shown(Protocol):
    """A connection, as far as it is told of."""

    number: int

    def is_concerned(self, author: AuthorId | None, document_id: DocumentId | None) -> bool:
        """Return whether it has this document open, or is opening it, as this author; None: any."""

    def about(self) -> dict[str, Any]:
        """Return what is told of it."""


class Connected:
    """Answers for one gateway, whose ``token`` nobody else has, and asks all; ``living`` returns their tokens."""

    def __init__(
        self,
        looks: Looks,
        token: str,
        connections: Callable[[], Iterable[Shown]],
        living: Callable[[], Awaitable[list[str]]],
    ) -> None:
        self._looks = looks
        self._token = token
        self._connections = connections
        self._living = living
        self._place = "0-0"

    async def step(self) -> None:
        """Wait for questions, and answer them.

        Raises:
            RedisError, OSError: Redis cannot be asked now.
        """
        for entry_id, look in await self._looks.read(self._place, _BLOCK_MS):
            self._place = entry_id
            if look is not None:
                LOOKED.inc()
                await self._looks.answer(look.look_id, self._token, await self._rows(look))

    async def all(
        self, author: AuthorId | None, document_id: DocumentId | None, after: str, limit: int
    ) -> tuple[list[Row], str | None, int, int]:
        """Return at most ``limit`` connections behind ``after``, where to go on (None: there are no more), how many
        gateways there are, and how many of them did not answer.

        Raises:
            RedisError, OSError: Redis cannot be asked now.
        """
        living = await self._living()
        look = Look(secrets.token_urlsafe(9), author, document_id, after, limit)
        await self._looks.ask(look)
        answers = await self._answers(look.look_id, living)
        rows = sorted((row for rows in answers.values() for row in rows), key=lambda row: str(row["id"]))
        shown = rows[:limit]
        # A gateway that has more than was asked for has told of one more.
        return shown, shown[-1]["id"] if len(rows) > limit else None, len(living), len(living) - len(answers)

    async def _answers(self, look_id: str, living: list[str]) -> dict[str, list[Row]]:
        answers: dict[str, list[Row]] = {}
        deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        while len(answers) < len(living) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_AGAIN_SECONDS)
            silent = [token for token in living if token not in answers]
            answers |= await self._looks.answers(look_id, silent)
        return answers

    async def _rows(self, look: Look) -> list[Row]:
        """Return this gateway's connections, one more than the limit if there are."""
        rows: list[Row] = []
        for count, connection in enumerate(list(self._connections())):  # in the order of their numbers
            if count % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            row_id = f"{self._token}.{connection.number:0{_NUMBER_DIGITS}}"
            is_asked_for = (look.author is None and look.document_id is None) or connection.is_concerned(
                look.author, look.document_id
            )
            if row_id > look.after and is_asked_for:
                rows.append({"id": row_id} | connection.about())
                if len(rows) > look.limit:
                    break
        return rows
