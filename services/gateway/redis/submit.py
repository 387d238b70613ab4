"""The way in: what clients submit within one turn of the event loop goes to Redis together."""

import asyncio
import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from coedit.errors import CoeditError, OverloadedError
from coedit.identifiers import AuthorId, ClientId, DocumentId
from coedit.ot.commit import Submission
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.runtime.tracing.active import TRACES, observe
from coedit.store.documents.log import DocumentLog
from coedit.store.keys import Shard
from coedit.store.redis.connection import told
from coedit.store.streams.ops import Addressed, OpsStream
from services.gateway.metrics import ENQUEUE_SECONDS, SUBMITTED
from services.gateway.redis.busiest import Busiest
from services.gateway.traces import EditTrace, end_enqueued

if TYPE_CHECKING:
    from coedit.runtime.tracing.spans import Span

logger = logging.getLogger(__name__)

MAX_WAITING = 20_000
MAX_WAITING_WEIGHT = 64 * 1024 * 1024
"""What submissions that wait here may weigh together (see `Delta.weight`)."""
MAX_ENTRY_WEIGHT = 1024 * 1024
MAX_ENTRY_SUBMISSIONS = 256
_BACKLOG_SECONDS = 0.5

OnError = Callable[[CoeditError], None]
_Waiting = tuple[Addressed, OnError, "Span | None"]


class Submitter:
    """Gathers submissions and adds them to the shards' streams, one entry a shard and turn.

    A submission that Redis did not take is answered as ``unavailable``: the client sends it again. What comes less than
    ``gather_seconds`` after others have gone out waits for that time to be over, and what comes after a pause does not.
    """

    def __init__(
        self, ops: OpsStream, log: DocumentLog, max_backlog: int, gather_seconds: float = 0.0
    ) -> None:
        self._ops = ops
        self._log = log
        self._max_backlog = max_backlog
        self._gather_seconds = gather_seconds
        self._next_at = 0.0
        """When the next may go out, by the loop's clock."""
        self._waiting: deque[_Waiting] = deque()
        self._weight = 0
        self._awake = asyncio.Event()
        self._first_at = 0.0
        """When the first of those that wait came, or one before it, by `time.perf_counter`."""
        self.busiest_documents: Busiest[DocumentId] = Busiest()
        self.busiest_clients: Busiest[tuple[ClientId, AuthorId]] = Busiest()
        self._backlog: dict[Shard, int] = {}
        self._used: set[Shard] = set()

    def shard(self, document_id: DocumentId) -> Shard:
        """Return the shard that a document belongs to."""
        return self._log.shard(document_id)

    def submit(
        self,
        document_id: DocumentId,
        submission: Submission | YjsSubmission,
        on_error: OnError,
        trace: EditTrace | None = None,
    ) -> None:
        """Forward a submission, which goes on with its ``trace``; ``on_error`` is called if that fails.

        Raises:
            OverloadedError: the shard's backlog, or what waits here, is above its bound.
        """
        shard = self._log.shard(document_id)
        is_full = len(self._waiting) >= MAX_WAITING or self._weight >= MAX_WAITING_WEIGHT
        if is_full or self._backlog.get(shard, 0) > self._max_backlog:
            raise OverloadedError("too many submissions wait; send again in a while")
        if not self._waiting:
            self._first_at = perf_counter()
        span = None if trace is None else trace.enqueue(shard)
        if span is not None:
            submission = replace(submission, traceparent=span.traceparent)
        self._waiting.append((Addressed(document_id, submission), on_error, span))
        self._weight += submission.weight
        self._awake.set()

    async def step(self) -> None:
        """Add what waits to the streams, or wait for something."""
        await self._awake.wait()
        if self._gather_seconds:
            await self._gather()
        self._awake.clear()
        first_at = self._first_at
        waiting = self._take()
        shards: dict[Shard, list[Addressed]] = defaultdict(list)
        for addressed, _, _ in waiting:
            shards[self._log.shard(addressed.document_id)].append(addressed)
        failed = await self._ops.add(dict(shards))
        self._used |= shards.keys() - failed.keys()
        trace = "" if TRACES.tracer is None else self._end_spans(waiting, failed)
        if failed:
            self._tell_failed(waiting, failed)
        if not failed:
            observe(ENQUEUE_SECONDS, perf_counter() - first_at, trace)
        SUBMITTED.inc(len(waiting))
        self._note_busy([addressed for addressed, _, _ in waiting])
        if failed and len(failed) == len(shards):
            raise next(iter(failed.values()))

    def _note_busy(self, submitted: list[Addressed]) -> None:
        self.busiest_documents.count([addressed.document_id for addressed in submitted])
        self.busiest_clients.count([(one.submission.client_id, one.submission.author) for one in submitted])

    async def _gather(self) -> None:
        now = asyncio.get_running_loop().time
        if (wait_seconds := self._next_at - now()) > 0:
            await asyncio.sleep(wait_seconds)
        self._next_at = now() + self._gather_seconds

    def _end_spans(self, waiting: list[_Waiting], failed: dict[Shard, Exception]) -> str:
        """End the waits of what is traced; return the id of a trace, if any is."""
        trace = ""
        counts = Counter(self._log.shard(addressed.document_id) for addressed, _, _ in waiting)
        for addressed, _, span in waiting:
            if span is not None:
                shard = self._log.shard(addressed.document_id)
                end_enqueued(span, counts[shard], failed.get(shard))
                trace = span.trace_id
        return trace

    def _tell_failed(self, waiting: list[_Waiting], failed: dict[Shard, Exception]) -> None:
        for addressed, on_error, _ in waiting:
            if (trouble := failed.get(self._log.shard(addressed.document_id))) is not None:
                on_error(told(trouble))
        errors = sorted({repr(error) for error in failed.values()})
        logger.warning("submissions not taken", extra={"event": "submit-error", "errors": errors})

    def _take(self) -> list[_Waiting]:
        """Take the first that wait, at least one, as far as they fit an entry."""
        taken: list[_Waiting] = []
        weight = 0
        while self._waiting and len(taken) < MAX_ENTRY_SUBMISSIONS and weight < MAX_ENTRY_WEIGHT:
            taken.append(self._waiting.popleft())
            weight += taken[-1][0].submission.weight
        self._weight -= weight
        if self._waiting:
            self._awake.set()
        return taken

    async def watch_backlog(self) -> None:
        """Ask how much waits in the shards that were used since the last time, or have too much waiting."""
        await asyncio.sleep(_BACKLOG_SECONDS)
        asked = self._used | {shard for shard, count in self._backlog.items() if count > self._max_backlog}
        self._used = set()
        if asked:
            self._backlog = await self._ops.backlog(sorted(asked, key=lambda shard: shard.number))

    async def drain(self) -> None:
        """Wait until nothing waits here."""
        while self._waiting or self._awake.is_set():
            await asyncio.sleep(0.01)
