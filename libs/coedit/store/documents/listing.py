"""All documents, in order, a page at a time: from Redis and from the object store together.

Redis lists those that have no snapshot yet (``fresh:{s}``), and so are few; the object store has all others, and those
that Redis has lost. Neither is gone through: each is asked for what follows a place in the one order of both, that of
the folders' names (`coedit.store.objects.spans`).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from coedit.identifiers import BEHIND, DocumentId
from coedit.store.keys import Shard, shard_of
from coedit.store.objects.deletions import Deletion
from coedit.store.objects.object_store import ObjectStore, folder_of
from coedit.store.objects.spans import Span, document_of
from coedit.store.redis.topology import Nodes

_LEAST_OF_SHARD = 8


class Listed(NamedTuple):
    """Folders in order, and where what follows them begins; it is the end of what was asked for where that is all."""

    folders: Sequence[str]
    next: str


class Listing:
    """Lists the documents of a deployment."""

    def __init__(self, nodes: Nodes, objects: ObjectStore, shard_count: int) -> None:
        self._nodes = nodes
        self._objects = objects
        self._shards = [Shard(number) for number in range(shard_count)]

    async def some(self, span: Span, count: int) -> tuple[list[DocumentId], str]:
        """Return documents of a span, at most ``count``, and where to go on; none may be where more follow.

        Raises:
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        # In this order: a document leaves Redis's list when the object store has it.
        fresh = await self._fresh(span, count)
        stored = await self._stored(span, count)
        folders, place = merged([*fresh, stored], span.end)
        if len(folders) > count:
            folders = folders[:count]
            place = folders[-1] + BEHIND
        found = map(document_of, folders)
        return await self._undeleted([name for name in found if name is not None]), place

    async def _undeleted(self, document_ids: Sequence[DocumentId]) -> list[DocumentId]:
        """Leave out what is in the trash, or being erased; what was erased stands in no list any more."""
        notes: list[bytes | None] = await self._nodes.each(
            document_ids,
            lambda document_id: shard_of(document_id, len(self._shards)),
            lambda pipe, document_id: pipe.hget(
                shard_of(document_id, len(self._shards)).deleted, document_id
            ),
        )
        return [
            document_id
            for document_id, note in zip(document_ids, notes, strict=True)
            if note is None or not Deletion.of_note(note).is_deleted
        ]

    async def _fresh(self, span: Span, count: int) -> list[Listed]:
        single = span.single
        shards = self._shards if single is None else [shard_of(single, len(self._shards))]
        most = max(_LEAST_OF_SHARD, 2 * count // len(shards))

        def ask(pipe: Redis, shard: Shard) -> None:
            pipe.zrange(shard.fresh, f"[{span.first}", f"({span.end}", bylex=True, offset=0, num=most)

        replies = await self._nodes.each(shards, lambda shard: shard, ask)
        return [_listed([name.decode() for name in names], most, span) for names in replies]

    async def _stored(self, span: Span, count: int) -> Listed:
        folders = [folder_of(key) for key in await self._objects.first_keys(span.first, count)]
        return _listed(folders, count, span)


def _listed(folders: Sequence[str], most: int, span: Span) -> Listed:
    """Return what was answered to who asked for so many: if it is fewer, or goes beyond the span, there are no more."""
    within = [folder for folder in folders if folder < span.end]
    is_all = len(folders) < most or len(within) < len(folders)
    return Listed(within, span.end if is_all else within[-1] + BEHIND)


def merged(parts: Iterable[Listed], end: str) -> Listed:
    """Return what several lists say together: no further than the one that goes least far."""
    lists = list(parts)
    place = min([end, *(listed.next for listed in lists)])
    return Listed(sorted({folder for listed in lists for folder in listed.folders if folder < place}), place)
