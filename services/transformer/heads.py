"""The owner's last word: about a second after a document's last commit its head is published once.

Whoever missed a message learns of it from this, and fills the gap from the log; there is no other polling.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import cast

from redis.asyncio import Redis

from coedit.errors import DamagedError
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.events import HeadAt, encode_events
from coedit.store.documents.loaded import FIRST_EPOCH
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.keys import Shard
from coedit.store.redis.topology import Nodes

logger = logging.getLogger(__name__)

QUIET_SECONDS = 1.0
_TOGETHER_SECONDS = 0.1
"""What is due within so long goes out at once: a round trip for each document costs as much as half an edit."""

_PAGE = 500
_NOWHERE = Position(FIRST_EPOCH, Revision(0), "", Revision(0), Revision(0), 0)

_Due = tuple[DocumentId, Position]


class HeadAnnouncer:
    """Publishes heads of documents that went quiet; sleeps while there are none."""

    def __init__(self, nodes: Nodes, log: DocumentLog, clock: Callable[[], float]) -> None:
        self._nodes = nodes
        self._log = log
        self._clock = clock
        self._waiting: dict[DocumentId, tuple[float, Position]] = {}
        self._awake = asyncio.Event()

    def committed(self, document_id: DocumentId, position: Position) -> None:
        """Take note of a commit; the document's second begins anew."""
        self._waiting.pop(document_id, None)
        self._waiting[document_id] = (self._clock() + QUIET_SECONDS, position)
        self._awake.set()

    async def step(self) -> None:
        """Publish what is due, then wait for the next."""
        if not self._waiting:
            self._awake.clear()
            await self._awake.wait()
        # Documents stand in the order of their last commits, so the first is due first.
        first_at, _ = next(iter(self._waiting.values()))
        wait_seconds = first_at - self._clock()
        if wait_seconds > 0:
            await asyncio.sleep(wait_seconds)
        else:
            await self._publish(self._take_due(self._clock() + _TOGETHER_SECONDS))

    async def announce_changed(self, shard: Shard) -> None:
        """Publish the heads of all documents that changed lately: a predecessor may have died before it could."""
        found = cast("list[bytes]", await self._nodes.at(shard).zrange(shard.changed, 0, -1))
        names = [DocumentId(name.decode()) for name in found]
        for first in range(0, len(names), _PAGE):  # nothing is committed meanwhile, so not one by one
            await self._announce(shard, names[first : first + _PAGE])

    async def announce(self, document_id: DocumentId) -> None:
        """Publish where Redis has a document now."""
        await self._announce(self._log.shard(document_id), [document_id])

    async def _announce(self, shard: Shard, names: Sequence[DocumentId]) -> None:
        due = list[_Due]()
        for document_id, position in zip(names, await self._log.positions(shard, names), strict=True):
            if isinstance(position, DamagedError):
                facts = {"event": "damaged", "document_id": document_id, "error": str(position)}
                logger.warning("where a document stands cannot be told", extra=facts)
            else:
                due.append((document_id, position or _NOWHERE))
        await self._publish(due)

    def _take_due(self, until: float) -> list[_Due]:
        due = list[_Due]()
        for document_id, (due_at, position) in self._waiting.items():
            if due_at > until:
                break
            due.append((document_id, position))
        for document_id, _ in due:
            del self._waiting[document_id]
        return due

    async def _publish(self, due: Sequence[_Due]) -> None:
        await self._nodes.each(due, lambda item: self._log.shard(item[0]), self._ask_publish)

    def _ask_publish(self, pipe: Redis, due: _Due) -> None:
        document_id, position = due
        message = encode_events([HeadAt(position.epoch, position.head, position.mac)])
        pipe.spublish(self._log.shard(document_id).events(document_id), message)
