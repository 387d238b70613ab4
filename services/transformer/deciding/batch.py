"""Decides a batch: what the submissions of some entries become, document by document.

One document's trouble is its own: it is answered with a rejection, and the others go on.
"""

import logging
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from coedit.errors import (
    CoeditError,
    DamagedError,
    DivergedError,
    FutureRevisionError,
    InternalError,
    TooCostlyError,
    UnavailableError,
)
from coedit.identifiers import DocumentId, Revision
from coedit.ot.commit import Commit, Submission
from coedit.ot.delta import Delta
from coedit.ot.roles.authority import Accepted, AlreadyCommitted, Authority
from coedit.ot.roles.rebase import Rebase
from coedit.protocol.events import HeadAt, Repeated
from coedit.protocol.log_entry import ChainKey, with_update
from coedit.runtime.logs import Sparse
from coedit.runtime.tracing.active import TRACES
from coedit.store.keys import Shard
from coedit.store.objects.object_store import ObjectStoreError
from coedit.store.redis.connection import TROUBLE
from coedit.store.streams.ops import Addressed, Entry, decode_entry, packed_entry
from coedit.store.writes.commit import BatchWrite
from services.transformer.deciding.aside import Aside
from services.transformer.deciding.pace import HEAVY_WEIGHT, Pace, at_its_pace, beside_the_loop
from services.transformer.deciding.part import AnySubmission, Part, Refusal, refused
from services.transformer.deciding.traces import on_behalf, with_trace
from services.transformer.deciding.yjs import YjsDecider
from services.transformer.documents.working import WorkingDocument, WorkingDocuments
from services.transformer.documents.yjs_side import SpoiledError
from services.transformer.metrics import ERRORS, REFUSED, REPEATS

logger = logging.getLogger(__name__)

_LOG_SECONDS = 10.0
_LONG_STEPS = 20_000
"""What a rebase may take while the others of its batch wait: some hundredths of a second."""
_ASIDE_STEPS = 100_000
"""The same of one that was carried on aside: the document goes on meanwhile, and this has to come to an end."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A commit, its entry of the log, and the document with it."""

    commit: Commit
    entry: bytes
    document: Delta


class BatchDecider:
    """Decides batches with the documents that this transformer holds in memory."""

    def __init__(
        self, documents: WorkingDocuments, chain_key: ChainKey, aside: Aside, yjs: YjsDecider
    ) -> None:
        self._documents = documents
        self._yjs = yjs
        self._chain_key = chain_key
        self._aside = aside
        self._rejections = Sparse(_LOG_SECONDS, time.monotonic)

    async def decide(
        self, shard: Shard, cursor: str, entries: Sequence[Entry], until: float = math.inf
    ) -> BatchWrite:
        """Return what to write for the first of ``entries``: at least one, and no more after ``until``.

        Of an entry that takes far longer only the first submissions: the others come again in another entry. The
        documents in memory then stand where the write will put them. ``until`` is by `time.monotonic`.

        Raises:
            RedisError, OSError: Redis cannot be read now; nothing was decided that counts.
        """
        undecodable: list[bytes] = []
        parts: dict[DocumentId, Part] = {}
        pace = Pace(until)
        count = 0
        began_ns = 0 if TRACES.tracer is None else time.time_ns()
        for entry in entries:
            submissions = await decoded(entry, undecodable)
            for number, addressed in enumerate(submissions, 1):
                if addressed.submission.traceparent:
                    with on_behalf(addressed.submission.traceparent):
                        await self._decide(parts, addressed, entry.at)
                else:
                    await self._decide(parts, addressed, entry.at)
                await pace.breathe()
                if pace.is_far_over and number < len(submissions):
                    await self._aside.add_again(shard, submissions[number:])
                    break
            count += 1
            if pace.is_over:
                break
        writes = [part.write() for part in parts.values()]
        batch = BatchWrite(shard, cursor, entries[count - 1].entry_id, writes, undecodable)
        return with_trace(batch, [part.submissions for part in parts.values()], began_ns)

    async def decide_apart(self, shard: Shard, cursor: str, entry: Entry) -> BatchWrite:
        """Return what to write for one entry that may end who decides it, or something that came with it.

        Several submissions are not decided together: each comes again in an entry of its own, so that none is blamed
        for another one.

        Raises:
            RedisError, OSError: see `decide`.
        """
        submissions = await decoded(entry, [])
        if len(submissions) < 2:
            return await self.decide(shard, cursor, [entry])
        await self._aside.add_apart(shard, submissions)
        return BatchWrite(shard, cursor, entry.entry_id)

    async def refuse(self, shard: Shard, cursor: str, entry: Entry, *, is_blind: bool) -> BatchWrite:
        """Return what to write to refuse an entry to its authors, and to set it apart.

        ``is_blind``: it is not even decoded; its authors hear nothing, send again, and are refused one day or not.
        """
        REFUSED.inc()
        facts = {"event": "entry-refused", "entry_id": entry.entry_id, "shard": shard.number}
        logger.error("an entry of ops that ended whoever decided it is set apart", extra=facts)
        by_document: dict[DocumentId, list[AnySubmission]] = defaultdict(list)
        set_apart = [packed_entry(entry)]
        for addressed in [] if is_blind else await decoded(entry, []):
            by_document[addressed.document_id].append(addressed.submission)
        error = TooCostlyError("what came with this edit ended the processes that decided about it")
        writes = [
            refused(document_id, submissions, lambda _: error)
            for document_id, submissions in by_document.items()
        ]
        return BatchWrite(shard, cursor, entry.entry_id, writes, set_apart)

    async def _decide(self, parts: dict[DocumentId, Part], addressed: Addressed, at: int) -> None:
        part = parts.get(addressed.document_id)
        if part is None:
            part = parts[addressed.document_id] = await self._begin(addressed.document_id)
        part.submissions.append(addressed.submission)
        if part.refusal is not None or part.working is None:
            return
        try:
            await self._decide_in(part, part.working, addressed.submission, at)
        except TROUBLE:
            raise
        except Exception as error:  # noqa: BLE001 - one document's trouble is its own
            part.refusal = await self._failed(part.document_id, error)

    async def _begin(self, document_id: DocumentId) -> Part:
        try:
            return Part.begin(document_id, await self._documents.get(document_id))
        except CoeditError as error:
            self._documents.drop(document_id)
            return Part.unreadable(document_id, _as_answer(error))
        except TROUBLE:
            raise
        except Exception as error:  # noqa: BLE001 - one document's trouble is its own
            return Part.unreadable(document_id, self._defect(document_id, error))

    async def _failed(self, document_id: DocumentId, error: Exception) -> Refusal:
        """Return with what to refuse everything of a document, which is in an unknown state and is forgotten."""
        self._documents.drop(document_id)
        if isinstance(error, DamagedError):
            await self._documents.quarantine(document_id, error)
            return lambda _: error
        if isinstance(error, SpoiledError):
            ERRORS.labels("spoiled").inc()
            facts = {
                "event": "spoiled",
                "document_id": document_id,
                "error": repr(error.__cause__ or error.answer),
            }
            logger.warning("one submission is refused, and its document read again", extra=facts)
            return partial(_refuse_to_blame, error)
        defect = self._defect(document_id, error)
        return lambda _: defect

    def _defect(self, document_id: DocumentId, error: Exception) -> CoeditError:
        ERRORS.labels("decide").inc()
        facts = {"event": "defect", "document_id": document_id}
        logger.error("a defect in deciding", extra=facts, exc_info=error)
        self._documents.drop(document_id)
        return InternalError("a defect of the server; it is logged there")

    async def _decide_in(
        self, part: Part, working: WorkingDocument, submission: AnySubmission, at: int
    ) -> None:
        if isinstance(submission, Submission):
            await self._decide_one(part, working, submission, at)
        elif submission.epoch != working.authority.epoch:
            self._put_off(part, working, submission)
        else:
            await self._yjs.decide(part.document_id, working, submission, at, part.outcome)

    async def _decide_one(
        self, part: Part, working: WorkingDocument, submission: Submission, at: int
    ) -> None:
        document_id, outcome = part.document_id, part.outcome
        try:
            decision = await self._decision(document_id, working, submission, at)
        except (FutureRevisionError, DivergedError):
            self._put_off(part, working, submission)
        except DamagedError:
            raise
        except CoeditError as error:
            self._reject(part, working, submission, _as_answer(error))
        else:
            if isinstance(decision, AlreadyCommitted):
                REPEATS.inc()
                outcome.events.append(
                    Repeated(submission.client_id, submission.client_sequence, decision.revision)
                )
            elif decision is not None:
                working.authority.append(decision.commit, decision.document)
                outcome.commit(decision.entry)

    def _reject(
        self, part: Part, working: WorkingDocument, submission: Submission, answer: CoeditError
    ) -> None:
        part.outcome.reject(submission, answer)
        # What is wanted exactly there or not at all is so however often it comes.
        if answer.definite and not submission.is_exact and working.authority.end(submission.client_id):
            part.outcome.ended.append(submission.client_id)
        if count := self._rejections.count(answer.code):
            facts = {
                "event": "reject",
                "code": answer.code,
                "count": count,
                "document_id": part.document_id,
                "client_id": submission.client_id,
            }
            logger.info("submission rejected", extra=facts)

    def _put_off(self, part: Part, working: WorkingDocument, submission: AnySubmission) -> None:
        """Have a submission sent again that was made above the head, or in another epoch.

        No gateway lets a client submit on what it was not told: it is we who have lost something, or an epoch has begun
        that this memory, or the client, does not know of yet. Refused for good, what is sent again in the new epoch
        would be carried over by its client as well, and be there twice.
        """
        authority = working.authority
        part.outcome.events.append(HeadAt(authority.epoch, authority.head, authority.mac))
        self._documents.drop(part.document_id)
        part.outcome.reject(
            submission, UnavailableError("the document is not what the edit was made on; wait for it")
        )

    async def _decision(
        self, document_id: DocumentId, working: WorkingDocument, submission: Submission, at: int
    ) -> _Made | AlreadyCommitted | None:
        """Return what becomes of a submission, or None if it waits or is carried on aside, and comes again.

        Raises:
            SpoiledError: it took too long; nobody knows what the document in memory is now.
        """
        if self._yjs.is_put_off(document_id, working, submission):
            return None
        authority = working.authority
        rebase = self._aside.begun(document_id, submission)
        may_take = _ASIDE_STEPS if rebase.steps else _LONG_STEPS
        # A base above the head has no history; the authority refuses it.
        recent = authority.since(min(rebase.revision, authority.head))
        ahead = rebase.copy()  # over commits that are not stored yet, and may never be
        if rebase.repeated is None and (recent is None or not ahead.over(recent, may_take)):
            self._aside.take(document_id, rebase, working.stored_head())
            return None
        async with self._aside.deciding(document_id, rebase):
            try:
                return await at_its_pace(
                    working, submission.weight, self._concluded, document_id, working, ahead, at
                )
            except TooCostlyError as error:
                raise SpoiledError(submission, error) from error

    def _concluded(
        self, document_id: DocumentId, working: WorkingDocument, ahead: Rebase, at: int
    ) -> _Made | AlreadyCommitted:
        """Return what becomes of a submission that was carried to the head; changes the Yjs side alone."""
        authority = working.authority
        decision = authority.conclude(ahead)
        if isinstance(decision, AlreadyCommitted):
            return decision
        commit = _commit(authority, ahead.submission, at, decision)
        if working.yjs is not None:
            commit = with_update(commit, working.yjs.derive(decision.delta, decision.document))
        return _Made(*self._chain_key.seal_entry(document_id, commit, authority.mac), decision.document)


async def decoded(entry: Entry, undecodable: list[bytes]) -> list[Addressed]:
    """Return what is in an entry; one that cannot be decoded is added to ``undecodable``, as it is set apart."""
    try:
        if sum(map(len, entry.fields.values())) <= HEAVY_WEIGHT:
            return decode_entry(entry)
        return await beside_the_loop(decode_entry, entry)
    except CoeditError as error:
        REFUSED.inc()
        facts = {"event": "entry-refused", "entry_id": entry.entry_id, "error": str(error)}
        logger.warning("an entry of ops cannot be decoded and is set apart", extra=facts)
        undecodable.append(packed_entry(entry))
        return []


def _commit(authority: Authority, submission: Submission, at: int, accepted: Accepted) -> Commit:
    return Commit(
        revision=Revision(authority.head + 1),
        delta=accepted.delta,
        author=submission.author,
        client_id=submission.client_id,
        client_sequence=submission.client_sequence,
        at=at,
        epoch=authority.epoch,
        caret=accepted.caret,
        metadata=submission.metadata,
    )


def _as_answer(error: CoeditError) -> CoeditError:
    """Return what a client is told: trouble of a store passes."""
    if isinstance(error, ObjectStoreError):
        ERRORS.labels("object-store").inc()
        return UnavailableError("the object store cannot be read at the moment")
    return error


def _refuse_to_blame(spoiled: SpoiledError, submission: AnySubmission) -> CoeditError:
    """Refuse one submission for good; what came with it is not to blame, and may be sent again."""
    return spoiled.answer if submission is spoiled.submission else UnavailableError("send it again")
