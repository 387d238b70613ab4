"""Does what applications order about connections, whichever gateway they told."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from coedit.identifiers import AuthorId, DocumentId
from coedit.protocol.server_session import CloseCode
from coedit.store.streams.orders import Order, OrdersStream
from services.gateway.access.permissions import Concerned, Permissions
from services.gateway.metrics import ORDERED

logger = logging.getLogger(__name__)

_BLOCK_MS = 1_000
_AGAIN_SECONDS = 5.0
CLOSE_CODES = frozenset(
    {CloseCode.UNAUTHORIZED, CloseCode.FORBIDDEN, CloseCode.ENDED, CloseCode.SHUTTING_DOWN}
)
"""With which applications may end connections."""


class Visitor(Protocol):
    """A connection, as far as orders are about it."""

    @property
    def is_closed(self) -> bool:
        """Whether it has ended, or is about to."""

    def is_concerned(self, author: AuthorId | None, document_id: DocumentId | None) -> bool:
        """Return whether it has this document open, or is opening it, as this author; None: any."""

    async def settle_rights(self, author: AuthorId | None, document_id: DocumentId | None) -> bool:
        """Find out anew what may be done with what is open; return whether that could be found out for all of it."""

    async def leave_deleted(self, document_id: DocumentId) -> None:
        """Give up a document that was deleted, and of which it has been told so."""

    def close(self, code: CloseCode, reason: str) -> None:
        """End it."""


class Orders:
    """Follows the orders; ``visitors`` are the connections of this gateway at the time.

    ``on_deleted`` ends a document that was deleted for all of them.
    """

    def __init__(
        self,
        stream: OrdersStream,
        permissions: Permissions,
        visitors: Callable[[], Iterable[Visitor]],
        on_deleted: Callable[[DocumentId], None],
    ) -> None:
        self._stream = stream
        self._permissions = permissions
        self._visitors = visitors
        self._on_deleted = on_deleted
        self._place = "0-0"
        self._settling: set[asyncio.Task[None]] = set()

    async def step(self) -> None:
        """Wait for orders, and do them; of what was ordered before this gateway began only the rights matter.

        Raises:
            RedisError, OSError: Redis cannot be read now.
        """
        is_past = not self._permissions.knows_changes
        found = await self._stream.read(self._place, None if is_past else _BLOCK_MS)
        if is_past and self._place == "0-0" and found and await self._stream.has_forgotten():
            self._permissions.forgot_up_to(_seconds_of(found[0][0]))
        for entry_id, order in found:
            self._place = entry_id
            if order is not None:
                self._obey(order, _seconds_of(entry_id), is_past=is_past)
        if is_past and not found:
            self._permissions.knows_changes = True

    def _obey(self, order: Order, at: float, *, is_past: bool) -> None:
        if order.kind == "rights":
            self._permissions.change(Concerned(order.author, order.document_id), at)
        elif is_past:
            return
        concerned = [
            visitor for visitor in self._visitors() if visitor.is_concerned(order.author, order.document_id)
        ]
        if concerned or not is_past:
            ORDERED.labels(order.kind).inc()
            facts: dict[str, object] = {"event": "order", "order": order.kind, "author": order.author}
            facts |= {"document_id": order.document_id, "connections": len(concerned)}
            logger.info("an application gave an order", extra=facts)
        if order.kind == "deleted" and order.document_id is not None:
            self._on_deleted(order.document_id)
        for visitor in concerned:
            self._tell(visitor, order)

    def _tell(self, visitor: Visitor, order: Order) -> None:
        if order.kind == "close":
            code = CloseCode(order.close_code) if order.close_code in CLOSE_CODES else CloseCode.ENDED
            visitor.close(code, "the application ended the connection")
        elif order.kind == "rights":
            self._do(_settle(visitor, order))
        elif order.document_id is not None:
            self._do(visitor.leave_deleted(order.document_id))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._settled)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._settling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a defect in doing what was ordered", extra={"event": "defect"}, exc_info=error)


async def _settle(visitor: Visitor, order: Order) -> None:
    """Have a connection settle its rights, again and again while whoever decides about them is away."""
    while not await visitor.settle_rights(order.author, order.document_id) and not visitor.is_closed:
        await asyncio.sleep(_AGAIN_SECONDS)


def _seconds_of(entry_id: str) -> float:
    return int(entry_id.partition("-")[0]) / 1000
