"""Does what applications order about connections, whichever gateway they told."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from coedit.identifiers import AuthorId, DocumentId
from coedit.protocol.server_session import CloseCode
from coedit.store.streams.orders import Order, OrdersStream
from services.gateway.access.permissions import Concerned, Permissions
from services.gateway.metrics import ORDERED

logger = logging.getLogger(__name__)

_BLOCK_MS = 5_000
CLOSE_CODES = frozenset(
    {CloseCode.UNAUTHORIZED, CloseCode.FORBIDDEN, CloseCode.ENDED, CloseCode.SHUTTING_DOWN}
)
"""With which applications may end connections."""


class Visitor(Protocol):
    """A connection, as far as orders are about it."""

    @property
    def author(self) -> AuthorId | None:
        """Whose it is; None: it is not known yet."""

    def has_open(self, document_id: DocumentId) -> bool:
        """Return whether the document is open on it, or being opened."""

    async def settle_rights(self, document_id: DocumentId | None) -> None:
        """Find out anew what may be done with a document, or with all that are open."""

    def close(self, code: CloseCode, reason: str) -> None:
        """End it."""


class Orders:
    """Follows the orders; ``visitors`` are the connections of this gateway at the time."""

    def __init__(
        self, stream: OrdersStream, permissions: Permissions, visitors: Callable[[], Iterable[Visitor]]
    ) -> None:
        self._stream = stream
        self._permissions = permissions
        self._visitors = visitors
        self._place = "0-0"
        self._settling: set[asyncio.Task[None]] = set()

    async def step(self) -> None:
        """Wait for orders, and do them; what was ordered before this gateway began is only taken note of.

        Raises:
            RedisError, OSError: Redis cannot be read now.
        """
        is_past = not self._permissions.knows_changes
        found = await self._stream.read(self._place, None if is_past else _BLOCK_MS)
        for entry_id, order in found:
            self._place = entry_id
            if order is not None:
                self._obey(order, int(entry_id.partition("-")[0]) / 1000, is_past=is_past)
        if is_past and not found:
            self._permissions.knows_changes = True

    def _obey(self, order: Order, at: float, *, is_past: bool) -> None:
        if order.kind == "rights":
            self._permissions.change(Concerned(order.author, order.document_id), at)
        if is_past:
            return
        ORDERED.labels(order.kind).inc()
        concerned = [visitor for visitor in self._visitors() if _concerns(order, visitor)]
        facts = {
            "event": "order",
            "order": order.kind,
            "author": order.author,
            "document_id": order.document_id,
        }
        logger.info("an application gave an order", extra=facts | {"connections": len(concerned)})
        for visitor in concerned:
            if order.kind == "close":
                code = CloseCode(order.close_code) if order.close_code in CLOSE_CODES else CloseCode.ENDED
                visitor.close(code, "the application ended the connection")
            else:
                task = asyncio.get_running_loop().create_task(visitor.settle_rights(order.document_id))
                self._settling.add(task)
                task.add_done_callback(self._settled)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._settling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a defect in settling rights", extra={"event": "defect"}, exc_info=error)


def _concerns(order: Order, visitor: Visitor) -> bool:
    if visitor.author is None or order.author not in (None, visitor.author):
        return False
    return order.document_id is None or visitor.has_open(order.document_id)
