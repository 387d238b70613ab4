"""Rebases that take long, beside the batches: nobody else's edit waits for them.

A submission that is far behind is taken out of its batch and carried to where the log stood, a part of each such
submission in turn. Then it is added to its shard's stream again, and the batch that it comes in finds it almost done.
Whoever dies in between leaves a submission without an answer, and its client sends it again.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from coedit.errors import CoeditError, OverloadedError, RevisionTooOldError
from coedit.identifiers import ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Commit, Submission
from coedit.ot.roles.rebase import Rebase
from coedit.store.documents.reader import DocumentReader
from coedit.store.documents.tries import Tries
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.streams.ops import Addressed, OpsStream
from services.transformer.metrics import ASIDE, ERRORS

logger = logging.getLogger(__name__)

MAX_HISTORY_BYTES = 16 * 1024 * 1024
"""What one submission is carried over, at most: about two seconds to read."""
_MAX_JOBS = 256
_MAX_WEIGHT = 64 * 1024 * 1024
"""What the deltas of all of them may weigh together (see `Delta.weight`)."""
_PAGE_COMMITS = 500
_AT_ONCE = 4
"""So many are read at a time, each up to `MAX_HISTORY_BYTES`."""
_SLICE_STEPS = 20_000
"""After about so many the batches have their turn: some hundredths of a second."""

_Key = tuple[DocumentId, int, ClientId, ClientSequence]
"""With the epoch: what was made in another one may be sent again, carried over to this one."""


@dataclass(slots=True)
class _Job:
    """A rebase on its way to ``goal``, a revision that is stored."""

    document_id: DocumentId
    rebase: Rebase
    goal: Revision
    size_bytes: int = 0

    @property
    def key(self) -> _Key:
        return _key(self.document_id, self.rebase.submission)


class Aside:
    """The submissions that are being rebased, and those that are done and come again; both bounded."""

    def __init__(
        self, reader: DocumentReader, ops: OpsStream, shard_of: Callable[[DocumentId], Shard], tries: Tries
    ) -> None:
        self._reader = reader
        self._ops = ops
        self._tries = tries
        self._shard_of = shard_of
        self._jobs: OrderedDict[_Key, _Job] = OrderedDict()
        self._done: OrderedDict[_Key, Rebase | CoeditError] = OrderedDict()
        self._weight = 0
        self._awake = asyncio.Event()
        self._computing = asyncio.Lock()

    def begun(self, document_id: DocumentId, submission: Submission) -> Rebase:
        """Return the rebase of a submission, as far as it has come here.

        Raises:
            CoeditError: it came to an end here, and not to a good one.
        """
        done = self._done.pop(_key(document_id, submission), None)
        if isinstance(done, CoeditError):
            raise done
        return done or Rebase.begin(submission)

    def deciding(self, document_id: DocumentId, rebase: Rebase) -> AbstractAsyncContextManager[None]:
        """Return in what a submission is to be decided that may have been carried on here.

        Each owner carries it on again, and decides it in another entry, behind others that it finished: what is noted
        of batches would never find it. Raises as `Tries.noted` does.
        """
        if not rebase.steps:
            return nullcontext()
        return self._tries.noted("decide", document_id, _which(rebase), takes_turn=False)

    def take(self, document_id: DocumentId, rebase: Rebase, goal: Revision) -> None:
        """Carry a rebase on to ``goal``, which is stored; nothing is said of it in the batch.

        Raises:
            OverloadedError: too many are under way.
        """
        job = _Job(document_id, rebase, goal)
        if job.key in self._jobs:
            return  # it was sent again meanwhile, and both are the same edit
        if len(self._jobs) >= _MAX_JOBS or self._weight > _MAX_WEIGHT:
            raise OverloadedError("too many clients come back from far behind; send again in a while")
        self._jobs[job.key] = job
        self._weight += rebase.submission.delta.weight
        ASIDE.set(len(self._jobs))
        self._awake.set()

    async def step(self) -> None:
        """Carry each one on by a part, or wait for one."""
        if not self._jobs:
            self._awake.clear()
            await self._awake.wait()
        jobs = list(self._jobs.values())
        for first in range(0, len(jobs), _AT_ONCE):
            # Most of the time of each is that of Redis, which writes down what is begun.
            carried = map(self._carry_on_by_a_part, jobs[first : first + _AT_ONCE])
            for failure in await asyncio.gather(*carried, return_exceptions=True):
                if failure is not None:
                    raise failure

    async def _carry_on_by_a_part(self, job: _Job) -> None:
        outcome = await self._carry_on(job)
        if outcome is not None and self._drop(job):
            await self._send_again(job, outcome)

    async def add_again(self, shard: Shard, submissions: Sequence[Addressed]) -> None:
        """Add submissions to their shard's stream again, behind what waits there.

        Raises:
            RedisError, OSError: they may be added; twice does no harm.
        """
        failed = await self._ops.add({shard: submissions})
        if failed:
            raise failed[shard]

    async def add_apart(self, shard: Shard, submissions: Sequence[Addressed]) -> None:
        """Add submissions to their shard's stream again, each as a suspect entry of its own.

        Raises:
            RedisError, OSError: some of them may be added; twice does no harm.
        """
        for addressed in submissions:
            failed = await self._ops.add({shard: [addressed]}, is_suspect=True)
            if failed:
                raise failed[shard]

    def _drop(self, job: _Job) -> bool:
        """Let go of a submission; return False if it was given up before."""
        if self._jobs.get(job.key) is not job:
            return False
        del self._jobs[job.key]
        self._weight -= job.rebase.submission.delta.weight
        ASIDE.set(len(self._jobs))
        return True

    async def _carry_on(self, job: _Job) -> Rebase | CoeditError | None:
        """Carry a rebase over a page; return it once it is there, or how it failed."""
        try:
            # By page: those before the one that ends a process are gone over again by the next one.
            which = f"{_which(job.rebase)}-{job.rebase.revision}"
            async with self._tries.noted("rebase", job.document_id, which):
                await self._over_page(job)
        except TROUBLE as error:
            ERRORS.labels("aside").inc()
            facts = {"event": "aside-error", "document_id": job.document_id, "error": repr(error)}
            logger.warning("a history could not be read; its client sends again", extra=facts)
            self._drop(job)
        except CoeditError as error:
            return error
        is_done = job.rebase.revision >= job.goal or job.rebase.repeated is not None
        return job.rebase if is_done else None

    async def _over_page(self, job: _Job) -> None:
        rebase = job.rebase
        first = rebase.revision + 1
        last = min(job.goal, first + _PAGE_COMMITS - 1)
        page, size_bytes = await self._reader.commits.history(job.document_id, first, last)
        job.size_bytes += size_bytes
        if job.size_bytes > MAX_HISTORY_BYTES:
            behind = job.goal - rebase.submission.base_revision
            raise RevisionTooOldError(f"{behind} commits behind, which are too large to rebase over")
        commits = deque(page)
        while commits:
            async with self._computing:
                started = time.monotonic()
                await asyncio.to_thread(_over_slice, rebase, commits)
                # At most half of the time, however many there are: the batches need this process as well.
                await asyncio.sleep(time.monotonic() - started)

    async def _send_again(self, job: _Job, outcome: Rebase | CoeditError) -> None:
        self._done[job.key] = outcome
        if len(self._done) > _MAX_JOBS:
            self._done.popitem(last=False)
        shard = self._shard_of(job.document_id)
        failed = await self._ops.add({shard: [Addressed(job.document_id, job.rebase.submission)]})
        if failed:
            raise failed[shard]


def _over_slice(rebase: Rebase, commits: deque[Commit]) -> None:
    until = rebase.steps + _SLICE_STEPS
    while commits and rebase.steps < until:
        rebase.over((commits.popleft(),))


def _which(rebase: Rebase) -> str:
    return f"-{rebase.submission.client_id}-{rebase.submission.client_sequence}"


def _key(document_id: DocumentId, submission: Submission) -> _Key:
    return document_id, submission.epoch, submission.client_id, submission.client_sequence
