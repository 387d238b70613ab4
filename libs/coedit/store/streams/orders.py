"""What every gateway is ordered to do: the entries of ``orders:{0}``, each a MessagePack map."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgpack

from coedit.errors import CoeditError
from coedit.identifiers import AuthorId, DocumentId, author_id, document_id
from coedit.store.keys import ORDERS
from coedit.store.redis.stream_reader import StreamReader
from coedit.store.redis.topology import Nodes

_FIELD = b"order"
_BOUND = 10_000
"""About how many are kept: a gateway that begins reads them all."""
_READ_COUNT = 1_000

OrderKind = Literal["rights", "close", "deleted"]


@dataclass(frozen=True, slots=True)
class Order:
    """``rights``: they have changed, look again. ``close``: end connections, with ``close_code``.
    ``deleted``: nobody may have the document any more.

    It is about an author, a document, or both; None: about everybody, every one.
    """

    kind: OrderKind
    author: AuthorId | None = None
    document_id: DocumentId | None = None
    close_code: int = 0


class OrdersStream:
    """Adds orders, and reads them."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._reader: StreamReader | None = None

    async def add(self, order: Order) -> None:
        """Add an order, for all gateways.

        Raises:
            RedisError, OSError: Redis may or may not have it; adding it again does no harm.
        """
        fields = {
            "kind": order.kind,
            "author": order.author,
            "document": order.document_id,
            "code": order.close_code,
        }
        packed: Any = {_FIELD: msgpack.packb(fields)}
        await self._nodes.of(ORDERS).xadd(ORDERS, packed, maxlen=_BOUND, approximate=True)

    async def has_forgotten(self) -> bool:
        """Return whether old orders were let go of, for there were too many.

        Raises:
            RedisError, OSError: Redis cannot be read now.
        """
        return bool(await self._nodes.of(ORDERS).xlen(ORDERS) >= _BOUND)

    async def read(self, place: str, block_ms: int | None) -> list[tuple[str, Order | None]]:
        """Return what stands behind a place, with its ids; None for what is no order. Waits at most ``block_ms``.

        Raises:
            RedisError, OSError: Redis cannot be read now.
        """
        redis = self._nodes.of(ORDERS)
        if self._reader is None or self._reader.redis is not redis:
            self._reader = self._nodes.reader(redis)
        found = await self._reader.read({ORDERS.encode(): place}, count=_READ_COUNT, block_ms=block_ms)
        entries = found.get(ORDERS.encode(), [])
        return [(entry_id.decode(), _decode(fields)) for entry_id, fields in entries]


def _decode(fields: Mapping[bytes, bytes]) -> Order | None:
    try:
        order = msgpack.unpackb(fields[_FIELD])
        if order["kind"] not in get_args(OrderKind):
            return None
        author, document = order["author"], order["document"]
        return Order(
            order["kind"],
            None if author is None else author_id(author),
            None if document is None else document_id(document),
            int(order["code"]),
        )
    except (CoeditError, KeyError, TypeError, ValueError):
        return None
