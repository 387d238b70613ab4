"""One gateway asks all of them what they have: the question is in ``looks:{0}``, and each answers under its own key.

Nothing of this is kept: questions and answers expire within seconds, and idle gateways write nothing.
"""

from dataclasses import dataclass
from typing import Any, cast

import msgpack

from coedit.errors import CoeditError
from coedit.identifiers import AuthorId, DocumentId, author_id, document_id
from coedit.store.keys import LOOKS, look_answer
from coedit.store.redis.stream_reader import StreamReader
from coedit.store.redis.topology import Nodes

_FIELD = b"look"
_BOUND = 100
"""About so many questions are kept, for the moment that the slowest gateway takes to read them."""
_TTL_MS = 10_000
_READ_COUNT = 100
_LONGEST_ID = 64

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """Which connections are asked for: of an author, with a document open; and only those behind ``after``."""

    look_id: str
    author: AuthorId | None = None
    document_id: DocumentId | None = None
    after: str = ""
    limit: int = 100


class Looks:
    """Asks, and reads what is asked."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._reader: StreamReader | None = None

    async def ask(self, look: Look) -> None:
        """Ask all gateways.

        Raises:
            RedisError, OSError: Redis may or may not have it.
        """
        fields = {
            "id": look.look_id,
            "author": look.author,
            "document": look.document_id,
            "after": look.after,
            "limit": look.limit,
        }
        packed: Any = {_FIELD: msgpack.packb(fields)}
        async with self._nodes.of(LOOKS).pipeline(transaction=False) as pipe:
            pipe.xadd(LOOKS, packed, maxlen=_BOUND, approximate=True)
            pipe.pexpire(LOOKS, _TTL_MS)
            await pipe.execute()

    async def read(self, place: str, block_ms: int) -> list[tuple[str, Look | None]]:
        """Return what is asked behind a place, with its ids; None for what is no question. Waits so long at most.

        Raises:
            RedisError, OSError: Redis cannot be read now.
        """
        redis = self._nodes.of(LOOKS)
        if self._reader is None or self._reader.redis is not redis:
            self._reader = self._nodes.reader(redis)
        found = await self._reader.read({LOOKS.encode(): place}, count=_READ_COUNT, block_ms=block_ms)
        return [(entry_id.decode(), _decode(fields)) for entry_id, fields in found.get(LOOKS.encode(), [])]

    async def answer(self, look_id: str, token: str, rows: list[Row]) -> None:
        """Answer for one gateway.

        Raises:
            RedisError, OSError: Redis may or may not have it.
        """
        key = look_answer(look_id, token)
        await self._nodes.of(key).set(key, msgpack.packb(rows), px=_TTL_MS)

    async def answers(self, look_id: str, tokens: list[str]) -> dict[str, list[Row]]:
        """Return what gateways have answered so far, by their tokens.

        Raises:
            RedisError, OSError: Redis cannot be read now.
        """
        if not tokens:
            return {}
        keys = [look_answer(look_id, token) for token in tokens]
        found = cast("list[bytes | None]", await self._nodes.of(LOOKS).mget(keys))
        return {token: msgpack.unpackb(packed) for token, packed in zip(tokens, found, strict=True) if packed}


def _decode(fields: dict[bytes, bytes]) -> Look | None:
    try:
        said = msgpack.unpackb(fields[_FIELD])
        author, document = said["author"], said["document"]
        return Look(
            str(said["id"])[:_LONGEST_ID],
            None if author is None else author_id(author),
            None if document is None else document_id(document),
            str(said["after"]),
            int(said["limit"]),
        )
    except (CoeditError, KeyError, TypeError, ValueError):
        return None
