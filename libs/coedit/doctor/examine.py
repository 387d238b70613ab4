"""Reads everything that is stored of a document, and stumbles over nothing."""

from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

from coedit.doctor.diagnosis import Stored
from coedit.errors import DamagedError
from coedit.identifiers import DocumentId
from coedit.store.documents.log import DocumentLog, raw_position
from coedit.store.documents.quarantine import Quarantine
from coedit.store.objects.archive import Archive, Segment, VanishedSegmentError
from coedit.store.objects.object_store import ObjectStore
from coedit.store.objects.snapshots import Snapshots
from coedit.store.redis.topology import Nodes

T = TypeVar("T")

_LISTINGS = 5


class Examiner:
    """Reads documents of one deployment."""

    def __init__(self, nodes: Nodes, objects: ObjectStore, shard_count: int) -> None:
        self._nodes = nodes
        self._log = DocumentLog(nodes, shard_count)
        self._archive, self._snapshots = Archive(objects), Snapshots(objects)
        self._quarantine = Quarantine(nodes, shard_count, "doctor")

    async def read(self, document_id: DocumentId) -> Stored:
        """Return what is stored of a document.

        Raises:
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        shard = self._log.shard(document_id)
        redis = self._nodes.at(shard)
        numbers = await self._snapshots.numbers(document_id)
        segments = await self._segments(document_id)
        return Stored(
            document_id,
            # First the fields, as they stand: what is read later may only be newer, and is then found to be.
            fields=await raw_position(redis, shard, document_id),
            position=await _or_damage(self._log.position(document_id)),
            log=await _or_damage(self._log.whole(document_id)),
            segments=segments,
            snapshots={
                number: snapshot
                for number in numbers
                if (snapshot := await _or_damage(self._snapshots.read(document_id, number))) is not None
            },
            quarantine=await self._quarantine.of(document_id),
            is_changed=await redis.zscore(shard.changed, document_id) is not None,
            is_owned=bool(await redis.exists(shard.owner)),
        )

    async def _segments(self, document_id: DocumentId) -> dict[Segment, list[bytes] | DamagedError]:
        """Return what is archived; once more from the beginning where some were merged meanwhile."""
        for _ in range(_LISTINGS - 1):
            with suppress(VanishedSegmentError):
                return await self._listed_segments(document_id)
        return await self._listed_segments(document_id)

    async def _listed_segments(self, document_id: DocumentId) -> dict[Segment, list[bytes] | DamagedError]:
        segments = await self._archive.segments(document_id)
        return {segment: await _or_damage(self._archive.load(document_id, segment)) for segment in segments}


async def _or_damage(reading: Awaitable[T]) -> T | DamagedError:
    try:
        return await reading
    except DamagedError as error:
        return error
