"""What happens to a document, as the Python client tells it, and who listens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from coedit.errors import CoeditError
from coedit.identifiers import Revision
from coedit.ot.delta import Delta
from coedit.protocol.client_session import Change, Loss

QUEUED_ITEMS = 10_000
"""A listener that leaves more unread is ended."""


class DocumentError(CoeditError):
    """The document cannot be used; the message says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.refusal = code
        """The server's code."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """One's own edits went off, as one submission; what is shown right then ends with them."""

    client_sequence: int
    delta: Delta


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A submission of one's own is committed."""

    client_sequence: int
    revision: Revision
    seconds: float
    """Since it was submitted first."""


Event: TypeAlias = Change | Submitted | Acknowledged | Loss
ItemT = TypeVar("ItemT")


class Listener(AsyncIterator[ItemT], Generic[ItemT]):
    """Items in order, as an endless iterator; ``forget`` is called with it when it ends.

    Raises:
        DocumentError: the document cannot be used any more, or `QUEUED_ITEMS` were not read.
    """

    def __init__(self, forget: "Callable[[Listener[ItemT]], None]") -> None:
        self._forget = forget
        self._queue: asyncio.Queue[ItemT | CoeditError] = asyncio.Queue()

    def put(self, item: ItemT | CoeditError) -> None:
        """Add an item, or the error that ends them."""
        if self._queue.qsize() >= QUEUED_ITEMS:
            self._forget(self)
            item = DocumentError("too-slow", f"{QUEUED_ITEMS} changes were not read")
        self._queue.put_nowait(item)

    def take(self) -> list[ItemT]:
        """Return what is there, without waiting; raises as the iterator does."""
        return [self._checked(self._queue.get_nowait()) for _ in range(self._queue.qsize())]

    async def __anext__(self) -> ItemT:
        return self._checked(await self._queue.get())

    def _checked(self, item: ItemT | CoeditError) -> ItemT:
        if isinstance(item, CoeditError):
            self._forget(self)
            raise item
        return item
