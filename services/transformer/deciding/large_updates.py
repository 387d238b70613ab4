"""Decodes large updates of Yjs clients beside the batches: nobody else's edit waits for them.

A third of a second per megabyte is usual, and a client that was away may send a whole document. So a large update is
taken out of its batch, decoded in a thread, and added to its shard's stream again; the batch that it comes in finds it
decoded. Whoever dies in between leaves it without an answer, and its gateway sends it again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from hashlib import blake2b

from coedit.errors import CoeditError, OverloadedError
from coedit.identifiers import ClientId, ClientSequence, DocumentId
from coedit.protocol.yjs.update import Update, decode_update
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.documents.tries import Tries
from coedit.store.keys import Shard
from coedit.store.streams.ops import Addressed, OpsStream

LARGE_BYTES = 64 * 1024
"""Decoded in some hundredths of a second."""
_MAX_WAITING = 256
_MAX_WAITING_BYTES = 128 * 1024 * 1024
"""What all of them may take together."""

_Key = tuple[DocumentId, ClientId, ClientSequence]


class LargeUpdates:
    """The updates that are being decoded, and those that are and come again; both bounded."""

    def __init__(self, ops: OpsStream, shard_of: Callable[[DocumentId], Shard], tries: Tries) -> None:
        self._ops = ops
        self._tries = tries
        self._shard_of = shard_of
        self._waiting: OrderedDict[_Key, YjsSubmission] = OrderedDict()
        self._waiting_bytes = 0
        self._done: OrderedDict[_Key, Update | CoeditError] = OrderedDict()
        self._awake = asyncio.Event()

    def decoded(self, document_id: DocumentId, submission: YjsSubmission) -> Update | None:
        """Return what a submission's update holds; None if it is being decoded, and comes again.

        Raises:
            InvalidUpdateError: it is no update.
            OverloadedError: too many are being decoded.
        """
        if len(submission.update) <= LARGE_BYTES:
            return decode_update(submission.update)
        key = document_id, submission.client_id, submission.client_sequence
        done = self._done.pop(key, None)
        if isinstance(done, CoeditError):
            raise done
        if done is None and key not in self._waiting:
            if len(self._waiting) >= _MAX_WAITING or self._waiting_bytes > _MAX_WAITING_BYTES:
                raise OverloadedError("too many large updates come at once; send again in a while")
            self._waiting[key] = submission
            self._waiting_bytes += len(submission.update)
            self._awake.set()
        return done

    def deciding(
        self, document_id: DocumentId, submission: YjsSubmission
    ) -> AbstractAsyncContextManager[None]:
        """Return in what an update is to be decided that may have been decoded here.

        Each owner decodes it again, and decides it in another entry; see `Aside.deciding`. Raises as `Tries.noted`.
        """
        if len(submission.update) <= LARGE_BYTES:
            return nullcontext()
        return self._tries.noted("decide", document_id, _which(submission), takes_turn=False)

    async def step(self) -> None:
        """Decode one, or wait for one.

        Raises:
            RedisError, OSError: it may or may not come again; if not, its gateway sends it again.
        """
        if not self._waiting:
            self._awake.clear()
            await self._awake.wait()
        key, submission = next(iter(self._waiting.items()))
        outcome: Update | CoeditError
        try:
            async with self._tries.noted("update", key[0], _which(submission)):
                outcome = await asyncio.to_thread(decode_update, submission.update)
        except CoeditError as error:
            outcome = error
        finally:
            del self._waiting[key]
            self._waiting_bytes -= len(submission.update)
        self._done[key] = outcome
        if len(self._done) > _MAX_WAITING:
            self._done.popitem(last=False)
        shard = self._shard_of(key[0])
        failed = await self._ops.add({shard: [Addressed(key[0], submission)]})
        if failed:
            raise failed[shard]


def _which(submission: YjsSubmission) -> str:
    """Name an update by what is in it: whoever was refused comes back, as somebody else, with the same."""
    return f"-{blake2b(submission.update, digest_size=16).hexdigest()}"
