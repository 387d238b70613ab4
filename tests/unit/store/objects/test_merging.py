"""Merged segments hold what the short ones held, at every moment and whoever else is at it."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coedit.errors import DamagedError, ObjectStoreError
from coedit.identifiers import DocumentId, Revision
from coedit.store.objects.archive import Archive, Segment, VanishedSegmentError, chain, segment_key
from coedit.store.objects.merging import groups, merge
from coedit.store.objects.object_store import ObjectStore, open_object_store

DOCUMENT_ID = DocumentId("é%2F")
MOST = 100


def entries(first: int, last: int) -> list[bytes]:
    return [f"entry {revision}".encode() for revision in range(first, last + 1)]


async def stored(objects: ObjectStore, spans: Sequence[tuple[int, int]]) -> Archive:
    archive = Archive(objects)
    for first, last in spans:
        await archive.store(DOCUMENT_ID, Revision(first), entries(first, last))
    return archive


def singles(count: int, start: int = 1) -> list[tuple[int, int]]:
    return [(revision, revision) for revision in range(start, start + count)]


class FailingObjects:
    """An object store whose connection breaks after so many writes and deletions."""

    def __init__(self, objects: ObjectStore, left: int) -> None:
        self._objects = objects
        self.left = left

    def _step(self) -> None:
        if self.left == 0:
            raise ObjectStoreError("gone")
        self.left -= 1

    async def create(self, key: str, body: bytes) -> bool:
        self._step()
        return await self._objects.create(key, body)

    async def delete(self, key: str) -> None:
        self._step()
        await self._objects.delete(key)

    async def read(self, key: str) -> bytes | None:
        return await self._objects.read(key)

    async def list(self, prefix: str, after: str = "") -> Sequence[str]:
        return await self._objects.list(prefix, after)

    async def folders(self) -> Sequence[str]:
        return await self._objects.folders()

    async def first_keys(self, begin: str, count: int) -> Sequence[str]:
        return await self._objects.first_keys(begin, count)

    async def delete_all(self, prefix: str) -> None:
        self._step()
        await self._objects.delete_all(prefix)


async def test_short_segments_become_one() -> None:
    archive = await stored(open_object_store("memory://"), [(1, 60), *singles(9, 61)])
    assert await merge(archive, DOCUMENT_ID, MOST) == 9
    assert await archive.segments(DOCUMENT_ID) == [(1, 60), (61, 69)]
    assert await archive.read(DOCUMENT_ID, 1, 69) == entries(1, 69)


async def test_long_history_of_single_commits_is_few_segments_and_is_written_a_few_times() -> None:
    objects = open_object_store("memory://")
    archive, written = Archive(objects), 0
    for revision in range(1, 1001):
        await archive.store(DOCUMENT_ID, Revision(revision), entries(revision, revision))
        if revision % 8 == 0:
            before = set(await archive.segments(DOCUMENT_ID))
            await merge(archive, DOCUMENT_ID, MOST)
            new = set(await archive.segments(DOCUMENT_ID)) - before
            written += sum(segment.last - segment.first + 1 for segment in new)
    segments = await archive.segments(DOCUMENT_ID)
    assert len(segments) <= 30
    assert max(segment.last - segment.first + 1 for segment in segments) <= MOST
    assert written <= 6 * 1000
    assert await archive.read(DOCUMENT_ID, 1, 1000) == entries(1, 1000)


@pytest.mark.parametrize("steps", range(10))
async def test_whoever_dies_on_the_way_has_taken_nothing_away(steps: int) -> None:
    objects = open_object_store("memory://")
    await stored(objects, singles(8))
    if steps < 9:  # one is written, and eight are deleted
        with pytest.raises(ObjectStoreError):
            await merge(Archive(FailingObjects(objects, steps)), DOCUMENT_ID, MOST)
    else:
        await merge(Archive(FailingObjects(objects, steps)), DOCUMENT_ID, MOST)
    archive = Archive(objects)
    assert await archive.read(DOCUMENT_ID, 1, 8) == entries(1, 8)
    await merge(archive, DOCUMENT_ID, MOST)
    await archive.compact(DOCUMENT_ID, 8)
    assert await archive.segments(DOCUMENT_ID) == [(1, 8)]


async def test_several_at_once_lose_nothing() -> None:
    """Two that merge, one that trims, and one that goes on storing, each with a view of its own."""
    objects = open_object_store("memory://")
    await stored(objects, singles(40))

    async def merge_often(most: int) -> None:
        for _ in range(30):
            try:
                await merge(Archive(objects), DOCUMENT_ID, most)
            except VanishedSegmentError:
                await asyncio.sleep(0)

    async def store_more() -> None:
        for revision in range(41, 121):
            await Archive(objects).store(DOCUMENT_ID, Revision(revision), entries(revision, revision))

    async def trim() -> None:
        for floor in (10, 20, 37):
            await Archive(objects).store(DOCUMENT_ID, Revision(1), entries(1, floor))
            await Archive(objects).compact(DOCUMENT_ID, floor)

    async def read() -> None:
        for _ in range(60):
            assert await Archive(objects).read(DOCUMENT_ID, 3, 39) == entries(3, 39)
            assert (await Archive(objects).page(DOCUMENT_ID, 7, 30))[0] == b"entry 7"
            assert (await Archive(objects).run_from(DOCUMENT_ID, 7, 2))[0] == b"entry 7"

    await asyncio.gather(merge_often(100), merge_often(30), store_more(), trim(), read(), read())
    assert await Archive(objects).read(DOCUMENT_ID, 1, 120) == entries(1, 120)


async def test_nothing_is_merged_over_a_gap() -> None:
    archive = await stored(open_object_store("memory://"), [*singles(7), *singles(8, 9)])
    await merge(archive, DOCUMENT_ID, MOST)
    assert await archive.segments(DOCUMENT_ID) == [*singles(7), (9, 16)]
    assert await archive.read(DOCUMENT_ID, 9, 16) == entries(9, 16)


async def test_damaged_segment_is_not_merged_away() -> None:
    objects = open_object_store("memory://")
    archive = await stored(objects, singles(8))
    key = segment_key(DOCUMENT_ID, Segment(Revision(5), Revision(5)))
    body = await objects.read(key)
    assert body is not None
    await objects.delete(key)
    await objects.create(key, body[:-1] + b"x")
    with pytest.raises(DamagedError):
        await merge(archive, DOCUMENT_ID, MOST)
    assert len(await archive.segments(DOCUMENT_ID)) == 8


async def test_large_segments_are_not_joined() -> None:
    objects = open_object_store("memory://")
    archive = Archive(objects)
    for revision in range(1, 10):
        await archive.store(DOCUMENT_ID, Revision(revision), [bytes([revision]) * (3 << 20)])
    await merge(archive, DOCUMENT_ID, MOST)
    assert (1, 3) in await archive.segments(DOCUMENT_ID)
    assert len(await archive.read(DOCUMENT_ID, 1, 9)) == 9


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30)), max_size=30), st.integers(2, 40))
async def test_merging_loses_no_revision_and_comes_to_an_end(spans: list[tuple[int, int]], most: int) -> None:
    archive = await stored(
        open_object_store("memory://"), sorted({(start, start + size) for start, size in spans})
    )
    held = _held(await archive.segments(DOCUMENT_ID))
    await merge(archive, DOCUMENT_ID, most)
    assert not groups(await archive.segments(DOCUMENT_ID), most)
    assert _held(await archive.segments(DOCUMENT_ID)) == held
    for revision in held:
        assert await archive.read(DOCUMENT_ID, revision, revision) == entries(revision, revision)


_spans = st.builds(
    lambda start, size: Segment(Revision(start), Revision(start + size)),
    st.integers(1, 40),
    st.integers(0, 30),
)


@given(st.lists(_spans, max_size=20, unique=True))
def test_chain_holds_everything_and_no_more_segments_than_it_takes(segments: list[Segment]) -> None:
    """Each one reaches further than any other that holds the first revision that is still wanted."""
    chained = list(chain(segments))
    assert _held(chained) == _held(segments)
    reached = 0
    for segment in chained:
        wanted = min(revision for revision in _held(segments) if revision > reached)
        assert segment.last == max(other.last for other in segments if other.first <= wanted <= other.last)
        reached = segment.last


def test_chain_of_a_very_long_history_is_found() -> None:
    """Looking at all segments for each would take hours."""
    segments = [Segment(Revision(first), Revision(first + 499)) for first in range(1, 100_000_000, 500)]
    assert sum(1 for _ in chain(segments)) == len(segments)


async def test_segments_of_the_newest_history_are_listed_alone() -> None:
    archive = await stored(open_object_store("memory://"), [(1, 60), (40, 61), (61, 70), (62, 80), (81, 82)])
    assert await archive.segments(DOCUMENT_ID, above=60) == [(61, 70), (62, 80), (81, 82)]
    assert await archive.segments(DOCUMENT_ID, above=61) == [(62, 80), (81, 82)]
    assert await archive.segments(DOCUMENT_ID, above=82) == []


def _held(segments: Sequence[Segment]) -> set[int]:
    return {revision for segment in segments for revision in range(segment.first, segment.last + 1)}
