"""Decides that a document goes to the trash, comes back from it, or is erased, and has everybody know.

What is decided stands in the object store first, which is not lost together with Redis; then Redis is told, whose
scripts write nothing to the document from then on; then all gateways are, which end it for whoever has it open. Whoever
dies in between has noted before that the decision is to be looked at, and the snapshotter that works on the shard goes
on from what stands in the object store.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from coedit.errors import DeletedError, UnavailableError, UnknownDocumentError
from coedit.identifiers import AuthorId, DocumentId
from coedit.protocol.webhooks.events import DocumentDeleted, packed
from coedit.store.keys import Shard
from coedit.store.objects.deletions import Deletion, DeletionRecords
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script
from coedit.store.streams.orders import Order, OrdersStream

logger = logging.getLogger(__name__)

NOBODY = AuthorId("")
KEPT_MS = 24 * 3600 * 1000
"""For so long Redis remembers a document that was restored or erased, and who was late is looked for."""
_LOOK_MS = 10_000
"""After so long a decision is looked at that somebody was about to take, or to tell."""
_RACES = 5
_FIRST_SWEEP_MS = 5_000

_Phase = Literal["note", "due"]


class Decisions:
    """About all documents; ``shard_of`` says where each lies."""

    def __init__(
        self, nodes: Nodes, shard_of: Callable[[DocumentId], Shard], records: DeletionRecords
    ) -> None:
        self.records = records
        self._nodes = nodes
        self.shard_of = shard_of
        self._orders = OrdersStream(nodes)
        self._note = Script("note_deletion.lua")

    async def trash(self, document_id: DocumentId, author: AuthorId, seconds: float) -> Deletion:
        """Put a document in the trash, for so long; one that is there stays as it is.

        Raises:
            DeletedError: it is erased.
            RedisError, OSError, CoeditError: it may or may not be; doing it again is harmless.
        """

        def decide(newest: Deletion | None, now_ms: int) -> Deletion | None:
            if newest is not None and newest.is_deleted:
                _refuse_final(newest)
                return None
            return Deletion(_next(newest), "trash", author, now_ms, now_ms + int(seconds * 1000))

        return await self._decided(document_id, decide)

    async def restore(self, document_id: DocumentId, author: AuthorId) -> Deletion:
        """Take a document out of the trash; one that was taken out stays as it is.

        Raises:
            DeletedError: it is erased, or its time was over.
            UnknownDocumentError: it never was there.
            RedisError, OSError, CoeditError: it may or may not be; doing it again is harmless.
        """

        def decide(newest: Deletion | None, now_ms: int) -> Deletion | None:
            if newest is None:
                raise UnknownDocumentError("the document is not in the trash")
            _refuse_final(newest)
            if newest.state == "trash" and newest.until <= now_ms:
                raise DeletedError("the time of the document in the trash is over")
            return Deletion(_next(newest), "restored", author, now_ms) if newest.is_deleted else None

        return await self._decided(document_id, decide)

    async def erase(self, document_id: DocumentId, author: AuthorId) -> Deletion:
        """Decide that a document is erased, for good; whoever works on its shard does it.

        Raises:
            RedisError, OSError, CoeditError: it may or may not be; doing it again is harmless.
        """

        def decide(newest: Deletion | None, now_ms: int) -> Deletion | None:
            if newest is not None and newest.is_final:
                return None
            return Deletion(_next(newest), "erasing", author, now_ms)

        return await self._decided(document_id, decide)

    async def expire(self, document_id: DocumentId) -> Deletion | None:
        """Decide that a document is erased whose time in the trash is over; raises as `erase` does."""
        now_ms = await self.now_ms(document_id)
        newest = await self.records.newest(document_id)
        if newest is not None and newest.state == "trash" and newest.until <= now_ms:
            await self.records.add(document_id, Deletion(_next(newest), "erasing", NOBODY, now_ms))
            return await self.records.newest(document_id)
        return newest

    async def done(self, document_id: DocumentId, erasing: Deletion) -> Deletion:
        """Note that a document is erased; raises as `erase` does."""
        erased = replace(
            erasing, number=erasing.number + 1, state="erased", at=await self.now_ms(document_id)
        )
        await self.records.add(document_id, erased)
        return erased

    async def tell(self, document_id: DocumentId, newest: Deletion) -> None:
        """Have Redis and all gateways know what was decided last; to do it again is harmless.

        Raises:
            RedisError, OSError: some may not know; it is told again.
        """
        await self._tell_redis(document_id, newest, "note", await self.now_ms(document_id) + _LOOK_MS)
        if newest.state in ("trash", "erasing"):
            await self._announce(document_id)
        await self.look_at(document_id, newest)

    async def look_at(self, document_id: DocumentId, newest: Deletion) -> None:
        """Note when a decision is to be looked at next; raises as `tell` does."""
        now_ms = await self.now_ms(document_id)
        due_ms = now_ms
        match newest.state:
            case "trash":
                due_ms = newest.until
            case "restored":
                due_ms = newest.at + KEPT_MS
            case "erased":  # less and less often
                due_ms = min(now_ms + max(_FIRST_SWEEP_MS, 3 * (now_ms - newest.at)), newest.at + KEPT_MS + 1)
        await self._tell_redis(document_id, newest, "due", due_ms)

    async def forget(self, document_id: DocumentId, number: int) -> None:
        """Have Redis forget a decision that was the newest; the object store has it. Raises as `tell` does."""
        await self._run_note(document_id, (number, "", "forget", 0, b""))

    async def now_ms(self, document_id: DocumentId) -> int:
        """Return the time (ms since 1970) by the clock of the Redis that has a document."""
        seconds, microseconds = await self._nodes.at(self.shard_of(document_id)).time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def _decided(
        self, document_id: DocumentId, decide: Callable[[Deletion | None, int], Deletion | None]
    ) -> Deletion:
        """Return what is decided; ``decide`` says what that is to be after the newest, None: nothing new."""
        await self._intend(document_id)
        for _ in range(_RACES):
            newest = await self.records.newest(document_id)
            wanted = decide(newest, await self.now_ms(document_id))
            if wanted is not None and not await self.records.add(document_id, wanted):
                continue
            decided = wanted or newest
            assert decided is not None  # noqa: S101 - where nothing was decided, something new is
            if wanted is not None:
                facts = {"event": "deletion", "document_id": document_id, "state": decided.state}
                logger.info("it was decided about a document", extra=facts | {"author": decided.author})
            await self.tell(document_id, decided)
            return decided
        raise UnavailableError(f"lost {_RACES} races to decide about the document")

    async def _intend(self, document_id: DocumentId) -> None:
        """Note that something is being decided, for the case that nobody comes to tell of it."""
        shard = self.shard_of(document_id)
        due_ms = await self.now_ms(document_id) + _LOOK_MS
        await self._nodes.at(shard).zadd(shard.deletions, {document_id: due_ms}, lt=True)

    async def _tell_redis(
        self, document_id: DocumentId, newest: Deletion, phase: _Phase, due_ms: int
    ) -> None:
        event = b""
        # What is told again, after a loss of Redis, is no news any more.
        if phase == "note" and newest.at + KEPT_MS > due_ms and newest.state in ("trash", "erased"):
            event = packed(DocumentDeleted(document=document_id, erased=newest.is_final))
        await self._run_note(document_id, (newest.number, newest.noted(), phase, due_ms, event))

    async def _run_note(self, document_id: DocumentId, arguments: tuple[int, str, str, int, bytes]) -> None:
        shard = self.shard_of(document_id)
        keys = [shard.deleted, shard.deletions, shard.happened]
        await self._note.run(self._nodes.at(shard), keys, [document_id, *arguments])

    async def _announce(self, document_id: DocumentId) -> None:
        """Have all gateways end the document for whoever has it open; they may be told twice."""
        await self._orders.add(Order("deleted", None, document_id))


def _next(newest: Deletion | None) -> int:
    return newest.number + 1 if newest is not None else 1


def _refuse_final(newest: Deletion) -> None:
    if newest.is_final:
        newest.refuse()
