"""History that snapshots cover, and that the log may lose: segments of commits, kept for ever.

The segment of the revisions ``first`` to ``last`` (both included) is the object
``{document id, escaped}/history/{first, 16 digits}-{last, 16 digits}``: a MessagePack map of ``format``
(int, 1), ``checksum`` (bin, BLAKE2b, 16 bytes, of ``entries``) and ``entries`` (bin): a MessagePack list of
the log's own entries, zlib. Segments may overlap: short ones are stored before a snapshot is told of, and replaced by
longer ones when the log is trimmed or when they are merged (`coedit.store.objects.merging`), and two snapshotters may
cut at different places. Where they overlap, they hold the same entries. A segment is deleted only while others hold all
of it, or where it came late and is of an epoch that has ended; so whoever listed it before, and does not find it,
lists again.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import NamedTuple, TypeVar

import msgpack

from coedit.errors import DamagedError, ObjectStoreError, RevisionTooOldError
from coedit.identifiers import DocumentId, Revision, escape
from coedit.protocol.log_entry import refuse_newer
from coedit.store.objects.object_store import ObjectStore

FORMAT = 1
_LISTINGS = 5
"""So often segments may vanish between being listed and being read."""
_BROKEN = (KeyError, TypeError, ValueError, zlib.error)


T = TypeVar("T")


class VanishedSegmentError(ObjectStoreError):
    """A segment was listed and is not there: others hold what it held, unless somebody else has deleted it."""


class Segment(NamedTuple):
    """The revisions that one object holds, both ends included."""

    first: Revision
    last: Revision


class Archive:
    """The history segments of all documents, in an object store."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def store(self, document_id: DocumentId, first: Revision, entries: Sequence[bytes]) -> Segment:
        """Store the entries of the revisions from ``first`` on, and read them back.

        Raises:
            DamagedError: something else stands there already.
            ObjectStoreError: they may or may not be stored.
        """
        segment = Segment(first, Revision(first + len(entries) - 1))
        body = await asyncio.to_thread(encode_segment, entries)
        if await self._objects.create(segment_key(document_id, segment), body):
            return segment
        # Somebody was here before, perhaps we ourselves; what counts is that it is the same.
        if await self.load(document_id, segment) != list(entries):
            raise DamagedError(f"segment {segment} holds another history than the log", "object")
        return segment

    async def read(self, document_id: DocumentId, first: int, last: int) -> list[bytes]:
        """Return the log's entries of the revisions ``first`` to ``last``, both included.

        Raises:
            RevisionTooOldError: one of them is in no segment.
            DamagedError: a segment is not what was written.
            ObjectStoreError: the store cannot answer.
        """

        async def read(segments: list[Segment]) -> list[bytes]:
            found: list[bytes] = []
            wanted = first
            for segment in covering(segments, first, last):
                entries = await self.load(document_id, segment)
                found += entries[wanted - segment.first : last - segment.first + 1]
                wanted = segment.last + 1
            return found

        return await self._of_listed(document_id, read)

    async def run_from(self, document_id: DocumentId, first: int, count: int) -> list[bytes]:
        """Return entries from revision ``first`` on, at most ``count``; fewer where no sound segment has them.

        Raises:
            ObjectStoreError: the store cannot answer.
        """

        async def run(segments: list[Segment]) -> list[bytes]:
            for segment in segments:
                if segment.first <= first <= segment.last:
                    with suppress(DamagedError):
                        entries = await self.load(document_id, segment)
                        return entries[first - segment.first :][:count]
            return []

        return await self._of_listed(document_id, run)

    async def page(self, document_id: DocumentId, first: int, last: int) -> list[bytes]:
        """Return as many of these entries as one segment has, at least the first; raises as `read` does."""

        async def page(segments: list[Segment]) -> list[bytes]:
            segment = next(covering(segments, first, first))
            entries = await self.load(document_id, segment)
            return entries[first - segment.first : last - segment.first + 1]

        return await self._of_listed(document_id, page)

    async def _of_listed(self, document_id: DocumentId, read: Callable[[list[Segment]], Awaitable[T]]) -> T:
        for _ in range(_LISTINGS - 1):
            with suppress(VanishedSegmentError):
                return await read(await self.segments(document_id))
        return await read(await self.segments(document_id))

    async def segments(self, document_id: DocumentId, above: int = 0) -> list[Segment]:
        """Return which segments a document has, by their first revision; only those that begin above ``above``.

        Raises:
            ObjectStoreError: the store cannot answer.
        """
        after = (
            f"{_folder(document_id)}{above + 1:016d}" if above else ""
        )  # each key goes on after its first revision
        return [_segment(key) for key in await self._objects.list(_folder(document_id), after)]

    async def compact(self, document_id: DocumentId, floor: int) -> None:
        """Delete segments up to ``floor`` whose revisions longer ones hold too.

        Raises:
            ObjectStoreError: some may be left, until the next time.
        """
        segments = [segment for segment in await self.segments(document_id) if segment.last <= floor]
        needed = set(chain(segments))
        for segment in segments:
            if segment not in needed:
                await self._objects.delete(segment_key(document_id, segment))

    async def delete(self, document_id: DocumentId, segment: Segment) -> None:
        """Delete a segment of another history than the document's.

        Raises:
            ObjectStoreError: it may be left.
        """
        await self._objects.delete(segment_key(document_id, segment))

    async def delete_within(self, document_id: DocumentId, whole: Segment) -> int:
        """Delete the segments that ``whole``, which is stored, holds all of; return how many.

        Raises:
            ObjectStoreError: some may be left, until the next time.
        """
        within = [
            segment
            for segment in await self.segments(document_id)
            if segment != whole and whole.first <= segment.first and segment.last <= whole.last
        ]
        for segment in within:
            await self._objects.delete(segment_key(document_id, segment))
        return len(within)

    async def load(self, document_id: DocumentId, segment: Segment) -> list[bytes]:
        """Return what a segment holds.

        Raises:
            VanishedSegmentError: it is not there any more.
            DamagedError: it is not what was written.
            ObjectStoreError: the store cannot answer.
        """
        body = await self._objects.read(segment_key(document_id, segment))
        if body is None:
            raise VanishedSegmentError(f"the object store listed segment {segment} and does not have it")
        entries = await asyncio.to_thread(decode_segment, body)
        if len(entries) != segment.last - segment.first + 1:
            raise DamagedError(f"segment {segment} holds {len(entries)} entries", "object")
        return entries


def covering(segments: Sequence[Segment], first: int, last: int) -> Iterator[Segment]:
    """Yield segments that together hold ``first`` to ``last``, in order, as few as reach.

    Raises:
        RevisionTooOldError: they do not.
    """
    wanted = first
    while wanted <= last:
        reaching = [segment for segment in segments if segment.first <= wanted <= segment.last]
        if not reaching:
            raise RevisionTooOldError(f"no history is kept of revision {wanted}")
        best = max(reaching, key=lambda segment: segment.last)
        yield best
        wanted = best.last + 1


def chain(segments: Sequence[Segment]) -> Iterator[Segment]:
    """Yield segments that together hold all that ``segments`` hold, as few as reach; there may be gaps between them.

    In one pass, since a document of a million revisions has a thousand segments or more.
    """
    reached = wanted = 0
    best: Segment | None = None
    for segment in sorted(segments):
        if (
            best is not None and segment.first > wanted
        ):  # nothing that comes now holds the revision that is wanted
            yield best
            reached, best = best.last, None
        if best is None and segment.last > reached:
            wanted, best = max(reached + 1, segment.first), segment
        elif best is not None and segment.last > best.last:
            best = segment
    if best is not None:
        yield best


def encode_segment(entries: Sequence[bytes]) -> bytes:
    """Return the object that holds ``entries``."""
    packed = zlib.compress(msgpack.packb(list(entries)), 6)
    body: bytes = msgpack.packb({"format": FORMAT, "checksum": _checksum(packed), "entries": packed})
    return body


def decode_segment(body: bytes) -> list[bytes]:
    """Return the entries that an object holds.

    Raises:
        DamagedError: it is not what `encode_segment` wrote, or of a format that is not ours.
        NewerFormatError: a newer version wrote it.
    """
    try:
        parts = msgpack.unpackb(body)
        refuse_newer("a history segment", parts["format"], FORMAT)
        if parts["format"] != FORMAT or _checksum(parts["entries"]) != parts["checksum"]:
            raise DamagedError("a history segment is not what was written", "object")
        entries: list[bytes] = msgpack.unpackb(zlib.decompress(parts["entries"]))
    except _BROKEN as error:
        raise DamagedError(f"not a history segment: {error!r}", "object") from error
    return entries


def _checksum(part: bytes) -> bytes:
    return blake2b(part, digest_size=16).digest()


def _folder(document_id: DocumentId) -> str:
    return f"{escape(document_id)}/history/"


def segment_key(document_id: DocumentId, segment: Segment) -> str:
    """Return the key of a segment's object."""
    return f"{_folder(document_id)}{segment.first:016d}-{segment.last:016d}"


def _segment(key: str) -> Segment:
    first, _, last = key.rpartition("/")[2].partition("-")
    return Segment(Revision(int(first)), Revision(int(last)))
