"""The loop: read what waits in the owned shards, decide it, write it, and read again.

One blocking read covers all shards, and one pipeline all their scripts, so that a quiet system wakes as seldom, and a
busy one batches as much, as it can.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import cast

from coedit.errors import DamagedError
from coedit.identifiers import DocumentId
from coedit.runtime.lifecycle import until_stopped
from coedit.runtime.tracing.active import TRACES, UNTRACED, observe
from coedit.store.keys import Shard
from coedit.store.redis.stream_reader import StreamReader
from coedit.store.streams.ops import Entry
from coedit.store.writes.commit import (
    BatchWrite,
    CommitScript,
    Committed,
    DocumentWrite,
    Fenced,
    Misfit,
    Moved,
    Outcome,
)
from services.transformer.deciding.batch import BatchDecider
from services.transformer.documents.working import WorkingDocuments
from services.transformer.heads import HeadAnnouncer
from services.transformer.loop.attempts import Attempts
from services.transformer.loop.traces import committing, trace_of
from services.transformer.metrics import (
    BATCH_SECONDS,
    COMMIT_SECONDS,
    COMMITS,
    MISFITS,
    RECEIPT_TO_COMMIT_SECONDS,
)
from services.transformer.recovery.unsaved import Remembered, Unsaved

logger = logging.getLogger(__name__)

START = "0-0"
_BLOCK_MS = 1000
_MISFIT_SECONDS = 0.02
_BATCH_SECONDS = 0.25
"""After so long what is decided is written, however much else waits."""
_MAX_BATCH_SUBMISSION_BYTES = 8 * 1024 * 1024


class Consumer:
    """Consumes the shards that `own` names, from their cursors on."""

    def __init__(
        self,
        reader: StreamReader,
        documents: WorkingDocuments,
        decider: BatchDecider,
        script: CommitScript,
        heads: HeadAnnouncer,
        shard_of: Callable[[DocumentId], Shard],
        batch_entries: int,
    ) -> None:
        self._reader = reader
        self._documents = documents
        self._decider = decider
        self._script = script
        self._attempts = Attempts(reader.redis, script.token)
        self._heads = heads
        self._shard_of = shard_of
        self._batch_entries = batch_entries
        self._cursors: dict[bytes, str] = {}
        """By the names of the shards' streams, so that XREAD takes them as they are."""
        self._shards: dict[bytes, Shard] = {}
        """By the same names."""
        self._wanted: frozenset[Shard] = frozenset()
        self._followed: frozenset[Shard] = self._wanted
        """What `_wanted` was when it was followed last; compared by identity, on every step."""
        self._awake = asyncio.Event()
        """Ends the wait for shards."""
        self._waiting: asyncio.Task[object] | None = None
        """The task of `step`, while it waits for submissions."""
        self._is_interrupted = False

    @property
    def unsaved(self) -> Unsaved:
        """What no snapshot covers of what was written here."""
        return self._documents.unsaved

    def own(self, held: frozenset[Shard]) -> None:
        """Say which shards to consume from now on; takes effect with the next step."""
        if held != self._wanted:
            self._wanted = held
            self.interrupt()

    def interrupt(self) -> None:
        """End the step if it only waits; one that is dealing with submissions goes on to its end."""
        self._awake.set()
        if self._waiting is not None and not self._is_interrupted:
            self._is_interrupted = True
            self._waiting.cancel()

    async def step(self) -> None:
        """Deal with what waits, or with nothing after at most a second.

        Raises:
            RedisError, OSError: whether the batch was written is unknown; `recover` before the next step.
        """
        await self._follow()
        arrived = await self._read() if self._cursors else {}
        if not arrived:
            if not self._cursors:
                await until_stopped(self._awake, _BLOCK_MS / 1000)
                self._awake.clear()
            return
        started = time.perf_counter()
        batches = await self._decided(arrived)
        before_commit = time.perf_counter()
        with UNTRACED if TRACES.tracer is None else committing(batches) as trace:
            outcomes = await self._script.run(batches)
        now = time.perf_counter()
        observe(COMMIT_SECONDS, now - before_commit, trace)
        observe(BATCH_SECONDS, now - started, trace)
        concluded = list(zip(batches, outcomes, strict=True))
        # First of all, and without waiting for anything: what is stored is known here even if Redis goes away now.
        for batch, outcome in concluded:
            if isinstance(outcome, Committed):
                self._note_committed(batch)
                waited_ms = outcome.at - arrived[batch.shard.ops.encode()][0].at
                observe(RECEIPT_TO_COMMIT_SECONDS, max(0, waited_ms) / 1000, trace_of(batch))
        for batch, outcome in concluded:
            await self._conclude(batch, outcome)
        self._documents.drop_excess()

    async def _decided(self, arrived: dict[bytes, list[Entry]]) -> list[BatchWrite]:
        """Return what to write for the first shards that brought something, as many as the time allows.

        What is noted is decided and written by itself: else it would be blamed for what others bring.
        """
        until = time.monotonic() + _BATCH_SECONDS
        batches: list[BatchWrite] = []
        for name, entries in arrived.items():
            is_noted = entries[0].is_suspect or self._attempts.is_noting(self._shards[name])
            if is_noted and batches:
                continue
            batches.append(await self._decided_in(name, _alike(entries), until))
            if is_noted or time.monotonic() > until:
                break
        if len(batches) < len(arrived):
            for batch in batches:  # those that had no turn come first the next time
                name = batch.shard.ops.encode()
                self._cursors[name] = self._cursors.pop(name)
        return batches

    async def _decided_in(self, name: bytes, entries: list[Entry], until: float) -> BatchWrite:
        shard, cursor = self._shards[name], self._cursors[name]
        first, last = entries[0], entries[-1]
        care = await self._attempts.begin(shard, cursor, last.entry_id, is_suspect=first.is_suspect)
        if care.is_refused:
            return await self._decider.refuse(shard, cursor, first, is_blind=care.is_blind)
        if care.is_apart:
            return await self._decider.decide_apart(shard, cursor, first)
        return await self._decider.decide(shard, cursor, entries, until)

    def recover(self) -> list[Remembered]:
        """After an error: forget what is in memory; the next step begins with each shard as if it were gained.

        So from where Redis stands, and with the heads: what was written may not have been told. Return what is known
        to be stored and no snapshot covers.
        """
        self.close()  # what is still connected may be connected to a server that is not the one any more
        remembered = self.unsaved.remembered()
        for document_id in self._documents.held():
            self._documents.drop(document_id)
        self._cursors.clear()
        self._shards.clear()
        self._followed = frozenset()
        return remembered

    def close(self) -> None:
        """End the connections; the next step makes others."""
        self._reader.close()
        self._script.close()

    async def _follow(self) -> None:
        """Begin with the shards gained, at their cursors in Redis; leave off those lost."""
        wanted = self._wanted
        if wanted is self._followed:
            return
        held = frozenset(self._shards.values())
        changed = held ^ wanted
        for document_id in self._documents.held():
            if self._shard_of(document_id) in changed:
                self._documents.drop(document_id)
        for shard in (held | self._attempts.unfinished) - wanted:
            await self._leave(shard)
        for shard in wanted - held:
            await self._heads.announce_changed(shard)
            cursor = await self._stored_cursor(shard)
            name = shard.ops.encode()
            self._cursors[name], self._shards[name] = cursor, shard
            self._attempts.gained(shard)
        self._followed = wanted

    async def _leave(self, shard: Shard, *, is_fenced: bool = False) -> None:
        name = shard.ops.encode()
        self._cursors.pop(name, None)
        self._shards.pop(name, None)
        await self._attempts.lost(shard, is_fenced=is_fenced)

    async def _stored_cursor(self, shard: Shard) -> str:
        cursor = cast("bytes | None", await self._reader.redis.get(shard.cursor))
        return cursor.decode() if cursor else START

    async def _read(self) -> dict[bytes, list[Entry]]:
        waiting = self._waiting = asyncio.current_task()
        assert waiting is not None  # noqa: S101 - a coroutine runs in a task
        try:
            found = await self._reader.read(self._cursors, count=self._batch_entries, block_ms=_BLOCK_MS)
        except asyncio.CancelledError:
            # Cancelled by `interrupt` alone, or by somebody else as well? What was read, if anything, is read again.
            was_interrupted, self._is_interrupted = self._is_interrupted, False
            if not was_interrupted or waiting.uncancel():
                raise
            return {}
        finally:
            if self._is_interrupted:
                # It met the end of the connection, and came out as that: the next one must not count as two.
                waiting.uncancel()
            self._waiting, self._is_interrupted = None, False
        return {name: _bounded(entries) for name, entries in found.items()}

    def _note_committed(self, batch: BatchWrite) -> None:
        self._cursors[batch.shard.ops.encode()] = batch.new_cursor
        for write in batch.documents:
            if not write.is_note:
                self._note_written(write)

    async def _conclude(self, batch: BatchWrite, outcome: Outcome) -> None:
        match outcome:
            case Committed():
                await self._attempts.finish(batch.shard, batch.new_cursor)
            case Misfit(document_ids, broken):
                self._drop_batch(batch)
                MISFITS.labels("broken" if broken else "stale").inc()
                logger.warning(
                    "documents are not where they were expected",
                    extra={"event": "misfit", "documents": document_ids, "broken": broken},
                )
                for document_id in document_ids if broken else ():
                    await self._quarantine_broken(document_id)
                await asyncio.sleep(_MISFIT_SECONDS)
            case Moved(cursor):
                self._drop_batch(batch)
                MISFITS.labels("moved").inc()
                self._cursors[batch.shard.ops.encode()] = cursor
                # Written, and then the connection was lost: where it must be waited for, nobody was told.
                await self._heads.announce_changed(batch.shard)
            case Fenced():
                self._drop_batch(batch)
                MISFITS.labels("fenced").inc()
                self._wanted -= {batch.shard}
                logger.warning(
                    "the shard is somebody else's", extra={"event": "fenced", "shard": batch.shard.number}
                )
                await self._leave(batch.shard, is_fenced=True)

    async def _quarantine_broken(self, document_id: DocumentId) -> None:
        """Quarantine a document that cannot be written, unless it is already."""
        message = "the log in Redis does not end where the position says"
        await self._documents.quarantine(document_id, DamagedError(message, "log"))

    def _note_written(self, write: DocumentWrite) -> None:
        if write.commits:
            COMMITS.inc(len(write.commits))
            self._documents.note_written(write)
            self._heads.committed(write.document_id, write.after)
        elif write.expected.epoch == 0:
            # Redis does not hold it. That says nothing about its head, and holds for one batch and its cursor alone:
            # later another owner may have written it, and it may have been evicted again.
            self._documents.drop(write.document_id)

    def _drop_batch(self, batch: BatchWrite) -> None:
        for write in batch.documents:
            self._documents.drop(write.document_id)


def _alike(entries: list[Entry]) -> list[Entry]:
    """Return the first entry alone if it is suspect, or else the first ones that are not."""
    if entries[0].is_suspect:
        return entries[:1]
    return list(takewhile(lambda entry: not entry.is_suspect, entries))


def _bounded(entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> list[Entry]:
    """Return the first entries, at least one, as far as they stay within a batch's bytes."""
    bounded: list[Entry] = []
    size = 0
    for entry_id, fields in entries:
        size += sum(map(len, fields.values()))
        if bounded and size > _MAX_BATCH_SUBMISSION_BYTES:
            break
        name = entry_id.decode()
        bounded.append(Entry(name, int(name.split("-")[0]), fields))
    return bounded
