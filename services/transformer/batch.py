"""Decides a batch: what the submissions of some entries become, document by document.

One document's trouble is its own: it is answered with a rejection, and the others go on.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence

import msgpack

from coedit.errors import (
    CoeditError,
    DamagedError,
    DivergedError,
    FutureRevisionError,
    InternalError,
    InvalidUpdateError,
    UnavailableError,
)
from coedit.identifiers import DocumentId, Revision
from coedit.ot.authority import Accepted, AlreadyCommitted, Authority
from coedit.ot.commit import Commit, Submission
from coedit.protocol.events import HeadAt, Repeated, encode_events
from coedit.protocol.log_entry import ChainKey, with_update
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.runtime.logs import Sparse
from coedit.store.commit_script import BatchWrite, DocumentWrite
from coedit.store.document_log import Position
from coedit.store.keys import Shard
from coedit.store.object_store import ObjectStoreError
from coedit.store.ops_stream import Entry, decode_entry
from coedit.store.redis_connection import TROUBLE
from services.transformer.aside import Aside
from services.transformer.documents import WorkingDocument, WorkingDocuments
from services.transformer.metrics import ERRORS, REFUSED, REPEATS
from services.transformer.outcome import Arrived, Outcome
from services.transformer.yjs_decide import YjsDecider
from services.transformer.yjs_side import SpoiledError

logger = logging.getLogger(__name__)

_LOG_SECONDS = 10.0
_LONG_STEPS = 20_000
"""What a rebase may take while the others of its batch wait: some hundredths of a second."""
_ASIDE_STEPS = 100_000
"""The same of one that was carried on aside: the document goes on meanwhile, and this has to come to an end."""
_NOWHERE = Position(0, Revision(0), "", Revision(0), Revision(0), 0)


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

    async def decide(self, shard: Shard, cursor: str, entries: Sequence[Entry]) -> BatchWrite:
        """Return what to write for ``entries``; the documents in memory then stand where the write will put them.

        Raises:
            RedisError, OSError: Redis cannot be read now; nothing was decided that counts.
        """
        refused: list[bytes] = []
        arrived = _by_document(entries, refused)
        writes = [
            await self._decide_document(document_id, waiting) for document_id, waiting in arrived.items()
        ]
        return BatchWrite(shard, cursor, entries[-1].entry_id, writes, refused)

    async def _decide_document(self, document_id: DocumentId, waiting: Sequence[Arrived]) -> DocumentWrite:
        try:
            return await self._decide_all(document_id, waiting)
        except TROUBLE:
            raise
        except Exception:
            ERRORS.labels("decide").inc()
            logger.exception("a defect in deciding", extra={"event": "defect", "document_id": document_id})
            self._documents.drop(document_id)
            return _refuse_all(
                document_id, waiting, InternalError("a defect of the server; it is logged there")
            )

    async def _decide_all(self, document_id: DocumentId, waiting: Sequence[Arrived]) -> DocumentWrite:
        try:
            working = await self._documents.get(document_id)
        except CoeditError as error:
            self._documents.drop(document_id)
            return _refuse_all(document_id, waiting, _as_answer(error))
        outcome = Outcome(working.stored)
        try:
            for arrival in waiting:
                submission = arrival.submission
                if isinstance(submission, YjsSubmission) and submission.epoch != working.authority.epoch:
                    self._put_off(document_id, working, submission, outcome)
                elif isinstance(submission, YjsSubmission):
                    self._yjs.decide(document_id, working, submission, arrival.at, outcome)
                else:
                    self._decide_one(document_id, working, submission, arrival.at, outcome)
        except DamagedError as error:
            # What was accepted of this batch before is given up with the rest: none of it is written yet.
            await self._documents.quarantine(document_id, error)
            return _refuse_all(document_id, waiting, error)
        except SpoiledError as spoiled:
            ERRORS.labels("yjs").inc()
            facts = {"event": "yjs-spoiled", "document_id": document_id, "error": repr(spoiled.__cause__)}
            logger.warning(
                "Yjs failed on an update, which is refused; the document is read again", extra=facts
            )
            self._documents.drop(document_id)
            return _refuse_spoiled(document_id, waiting, spoiled.submission)
        return DocumentWrite(
            document_id,
            outcome.before,
            working.stands_at(),
            encode_events(outcome.events) if outcome.events else b"",
            tuple(outcome.commits),
            tuple(outcome.ended),
        )

    def _decide_one(
        self,
        document_id: DocumentId,
        working: WorkingDocument,
        submission: Submission,
        at: int,
        outcome: Outcome,
    ) -> None:
        authority = working.authority
        try:
            decision = self._decision(document_id, working, submission)
        except (FutureRevisionError, DivergedError):
            self._put_off(document_id, working, submission, outcome)
            return
        except DamagedError:
            raise
        except CoeditError as error:
            answer = _as_answer(error)
            outcome.reject(submission, answer)
            if answer.definite and authority.end(submission.client_id):
                outcome.ended.append(submission.client_id)
            if count := self._rejections.count(error.code):
                facts = {"event": "reject", "code": error.code, "count": count, "document_id": document_id}
                logger.info("submission rejected", extra=facts | {"client_id": submission.client_id})
            return
        if decision is None:
            return
        if isinstance(decision, AlreadyCommitted):
            REPEATS.inc()
            outcome.events.append(
                Repeated(submission.client_id, submission.client_sequence, decision.revision)
            )
            return
        commit = _commit(authority, submission, at, decision)
        if working.yjs is not None:
            commit = with_update(commit, working.yjs.derive(decision.delta, decision.document))
        sealed, entry = self._chain_key.seal_entry(document_id, commit, authority.mac)
        authority.append(sealed, decision.document)
        outcome.commit(entry)

    def _put_off(
        self,
        document_id: DocumentId,
        working: WorkingDocument,
        submission: Submission | YjsSubmission,
        outcome: Outcome,
    ) -> None:
        """Have a submission sent again that was made above the head, or in another epoch.

        No gateway lets a client submit on what it was not told: it is we who have lost something, or an epoch has begun
        that this memory, or the client, does not know of yet. Refused for good, what is sent again in the new epoch
        would be carried over by its client as well, and be there twice.
        """
        authority = working.authority
        outcome.events.append(HeadAt(authority.epoch, authority.head, authority.mac))
        self._documents.drop(document_id)
        outcome.reject(
            submission, UnavailableError("the document is not what the edit was made on; wait for it")
        )

    def _decision(
        self, document_id: DocumentId, working: WorkingDocument, submission: Submission
    ) -> Accepted | AlreadyCommitted | None:
        """Return what becomes of a submission, or None if it waits or is carried on aside, and comes again."""
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
        return authority.conclude(ahead)


def _by_document(entries: Sequence[Entry], refused: list[bytes]) -> dict[DocumentId, list[Arrived]]:
    arrived: dict[DocumentId, list[Arrived]] = defaultdict(list)
    for entry in entries:
        try:
            for addressed in decode_entry(entry):
                arrived[addressed.document_id].append(Arrived(addressed.submission, entry.at))
        except CoeditError as error:
            REFUSED.inc()
            facts = {"event": "entry-refused", "entry_id": entry.entry_id, "error": str(error)}
            logger.warning("an entry of ops cannot be decoded and is set apart", extra=facts)
            refused.append(msgpack.packb([entry.entry_id, entry.fields]))
    return arrived


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
    )


def _as_answer(error: CoeditError) -> CoeditError:
    """Return what a client is told: trouble of a store passes."""
    if isinstance(error, ObjectStoreError):
        ERRORS.labels("object-store").inc()
        return UnavailableError("the object store cannot be read at the moment")
    return error


def _refuse_spoiled(
    document_id: DocumentId, waiting: Sequence[Arrived], spoiling: YjsSubmission
) -> DocumentWrite:
    """Refuse one update for good; what came with it is not to blame, and may be sent again."""
    outcome = Outcome(_NOWHERE)
    for arrival in waiting:
        is_to_blame = arrival.submission is spoiling
        error = (
            InvalidUpdateError("Yjs cannot apply it") if is_to_blame else UnavailableError("send it again")
        )
        outcome.reject(arrival.submission, error)
    return DocumentWrite(document_id, _NOWHERE, _NOWHERE, encode_events(outcome.events))


def _refuse_all(document_id: DocumentId, waiting: Sequence[Arrived], error: CoeditError) -> DocumentWrite:
    outcome = Outcome(_NOWHERE)
    for arrival in waiting:
        outcome.reject(arrival.submission, error)
    return DocumentWrite(document_id, _NOWHERE, _NOWHERE, encode_events(outcome.events))
