"""Requests that are made under a key (``Idempotency-Key``): each is dealt with once, however often it is made."""

from collections.abc import Callable

from coedit.errors import AnotherRequestError, StillRunningError
from coedit.identifiers import DocumentId
from coedit.store.keys import Shard
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script

_RUNNING_MS = 30_000
_KEPT_MS = 24 * 3600 * 1000


class Asked:
    """Notes them in Redis, for a day."""

    def __init__(self, nodes: Nodes, shard_of: Callable[[DocumentId], Shard]) -> None:
        self._nodes = nodes
        self._shard_of = shard_of
        self._ask = Script("ask.lua")

    async def begin(self, document_id: DocumentId, key: str, fingerprint: str) -> tuple[bytes, bytes]:
        """Begin a request; return its answer, if it has one, or what was noted of it as its base ("": nothing yet).

        Raises:
            StillRunningError: somebody deals with it at the moment.
            AnotherRequestError: something else was asked for under this key.
            RedisError, OSError: it may be noted; it may be made again when that has run out.
        """
        shard = self._shard_of(document_id)
        name = shard.asked(key, document_id)
        became, *more = await self._ask.run(
            self._nodes.at(shard), [name], (fingerprint, _RUNNING_MS, _KEPT_MS)
        )
        if became == b"other":
            raise AnotherRequestError("something else was asked for under this Idempotency-Key")
        if became == b"running":
            raise StillRunningError("the same request is being dealt with; ask again in a while")
        return (more[0], b"") if became == b"answered" else (b"", more[0])

    async def note_base(self, document_id: DocumentId, key: str, base: bytes) -> None:
        """Note on what an edit is made: made again, it is made on the same.

        Raises:
            RedisError, OSError: it may be noted.
        """
        await self._note(document_id, key, "base", base)

    async def note_answer(self, document_id: DocumentId, key: str, answer: bytes) -> None:
        """Note the answer, which whoever asks again is given; raises as `note_base` does."""
        await self._note(document_id, key, "answer", answer)

    async def failed(self, document_id: DocumentId, key: str) -> None:
        """Let go of a request that came to nothing: it may be made again at once; raises as `note_base` does."""
        await self._note(document_id, key, "until", b"0")

    async def _note(self, document_id: DocumentId, key: str, field: str, value: bytes) -> None:
        shard = self._shard_of(document_id)
        await self._nodes.at(shard).hset(shard.asked(key, document_id), field, value)
