"""Work on what Yjs clients send, beside the batches: nobody else's edit waits for it.

A submission is taken out of its batch, worked on, and added to its shard's stream again; the batch that it comes in
finds the answer. Documents have their turns, so that one has all others wait for one piece of work at most.
Whoever dies in between leaves a submission without an answer, and its gateway sends it again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from hashlib import blake2b
from typing import Generic, NamedTuple, TypeVar

from coedit.errors import CoeditError, OverloadedError
from coedit.identifiers import ClientId, ClientSequence, DocumentId
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.documents.tries import Tries
from coedit.store.keys import Shard
from coedit.store.streams.ops import Addressed, OpsStream

_MAX_WAITING = 256
_MAX_WAITING_BYTES = 128 * 1024 * 1024
"""What all that waits for one kind of work may take together."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")
_Key = tuple[DocumentId, ClientId, ClientSequence]


class _Waiting(NamedTuple, Generic[Question]):
    submission: YjsSubmission
    question: Question
    size_bytes: int


class ComesAgain(Generic[Question, Answer]):
    """One kind of work; what waits for it and what is done are both bounded."""

    def __init__(
        self,
        kind: str,
        work: Callable[[Question], Awaitable[Answer]],
        ops: OpsStream,
        shard_of: Callable[[DocumentId], Shard],
        tries: Tries,
        answered_by: Callable[[Question, Answer], Answer | None] = lambda *_: None,
    ) -> None:
        """``answered_by`` tells what a question of the same document is answered by another's answer, if it is."""
        self._kind = kind
        self._work = work
        self._ops = ops
        self._shard_of = shard_of
        self._tries = tries
        self._answered_by = answered_by
        self._waiting: OrderedDict[DocumentId, OrderedDict[_Key, _Waiting[Question]]] = OrderedDict()
        """By document, whose turn is next first."""
        self._count = 0
        self._bytes = 0
        self._done: OrderedDict[_Key, Answer | CoeditError] = OrderedDict()
        self._awake = asyncio.Event()

    def answer(self, document_id: DocumentId, submission: YjsSubmission) -> Answer | None:
        """Return what was found out about a submission that comes again; None: nothing yet.

        Raises:
            CoeditError: why it cannot be.
        """
        done = self._done.pop(_key(document_id, submission), None)
        if isinstance(done, CoeditError):
            raise done
        return done

    def is_asked(self, document_id: DocumentId, submission: YjsSubmission) -> bool:
        """Return whether a submission is waiting here: it was sent again meanwhile."""
        return _key(document_id, submission) in self._waiting.get(document_id, {})

    def ask(
        self, document_id: DocumentId, submission: YjsSubmission, question: Question, size_bytes: int
    ) -> None:
        """Have a submission worked on, which takes so much meanwhile; then it comes again.

        Raises:
            OverloadedError: too much waits.
        """
        key = _key(document_id, submission)
        if self.is_asked(document_id, submission):
            return
        if self._count >= _MAX_WAITING or self._bytes > _MAX_WAITING_BYTES:
            raise OverloadedError("too much work on updates comes at once; send again in a while")
        of_document = self._waiting.setdefault(document_id, OrderedDict())
        of_document[key] = _Waiting(submission, question, size_bytes)
        self._count += 1
        self._bytes += size_bytes
        self._awake.set()

    def deciding(
        self, document_id: DocumentId, submission: YjsSubmission
    ) -> AbstractAsyncContextManager[None]:
        """Return in what a submission is to be decided that may have been worked on here.

        Each owner works on it again, and decides it in another entry; see `Aside.deciding`. Raises as `Tries.noted`.
        """
        return self._tries.noted("decide", document_id, _which(submission), takes_turn=False)

    async def step(self) -> None:
        """Work on one, or wait for one.

        Raises:
            RedisError, OSError: it may or may not come again; if not, its gateway sends it again.
        """
        if not self._waiting:
            self._awake.clear()
            await self._awake.wait()
        document_id, of_document = next(iter(self._waiting.items()))
        key, waiting = next(iter(of_document.items()))
        self._waiting.move_to_end(document_id)
        outcome: Answer | CoeditError
        try:
            async with self._tries.noted(self._kind, document_id, _which(waiting.submission)):
                outcome = await self._work(waiting.question)
        except CoeditError as error:
            outcome = error
        finally:
            self._forget(document_id, key)
        done = [(waiting.submission, outcome)]
        if not isinstance(outcome, CoeditError):
            done += self._answered_too(document_id, outcome)
        await self._tell(document_id, done)

    def _answered_too(
        self, document_id: DocumentId, answer: Answer
    ) -> list[tuple[YjsSubmission, Answer | CoeditError]]:
        """Return what else of a document an answer answers; it waits no more."""
        found: list[tuple[YjsSubmission, Answer | CoeditError]] = []
        for key, other in list(self._waiting.get(document_id, {}).items()):
            its_own = self._answered_by(other.question, answer)
            if its_own is not None:
                self._forget(document_id, key)
                found.append((other.submission, its_own))
        return found

    async def _tell(
        self, document_id: DocumentId, done: Sequence[tuple[YjsSubmission, Answer | CoeditError]]
    ) -> None:
        for submission, outcome in done:
            self._done[_key(document_id, submission)] = outcome
        while len(self._done) > _MAX_WAITING:
            self._done.popitem(last=False)
        shard = self._shard_of(document_id)
        failed = await self._ops.add({shard: [Addressed(document_id, submission) for submission, _ in done]})
        if failed:
            raise failed[shard]

    def _forget(self, document_id: DocumentId, key: _Key) -> None:
        of_document = self._waiting[document_id]
        self._bytes -= of_document.pop(key).size_bytes
        self._count -= 1
        if not of_document:
            del self._waiting[document_id]


def _key(document_id: DocumentId, submission: YjsSubmission) -> _Key:
    return document_id, submission.client_id, submission.client_sequence


def _which(submission: YjsSubmission) -> str:
    """Name an update by what is in it: whoever was refused comes back, as somebody else, with the same."""
    return f"-{blake2b(submission.update, digest_size=16).hexdigest()}"
