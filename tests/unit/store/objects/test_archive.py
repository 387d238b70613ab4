import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coedit.errors import DamagedError, RevisionTooOldError
from coedit.identifiers import DocumentId, Revision, escape
from coedit.store.objects.archive import Archive, Segment, covering, decode_segment, encode_segment
from coedit.store.objects.object_store import ObjectStore, open_object_store

DOCUMENT_ID = DocumentId("é%2F")


@pytest.fixture
def objects() -> ObjectStore:
    return open_object_store("memory://")


def entries(first: int, last: int) -> list[bytes]:
    return [f"entry {revision}".encode() for revision in range(first, last + 1)]


async def stored(objects: ObjectStore, *segments: tuple[int, int]) -> Archive:
    archive = Archive(objects)
    for first, last in segments:
        assert await archive.store(DOCUMENT_ID, Revision(first), entries(first, last)) == (first, last)
    return archive


@pytest.mark.parametrize(("first", "last"), [(1, 25), (1, 1), (10, 11), (5, 18), (20, 25)])
async def test_any_range_is_read_from_overlapping_segments(
    objects: ObjectStore, first: int, last: int
) -> None:
    archive = await stored(objects, (1, 10), (1, 3), (4, 15), (8, 9), (11, 20), (21, 25))
    assert await archive.read(DOCUMENT_ID, Revision(first), Revision(last)) == entries(first, last)


@pytest.mark.parametrize(("first", "last"), [(1, 2), (0, 5), (9, 12), (10, 10)])
async def test_revision_in_no_segment_is_too_old(objects: ObjectStore, first: int, last: int) -> None:
    archive = await stored(objects, (3, 9), (11, 20))
    with pytest.raises(RevisionTooOldError):
        await archive.read(DOCUMENT_ID, Revision(first), Revision(last))


async def test_storing_the_same_again_is_harmless(objects: ObjectStore) -> None:
    archive = await stored(objects, (1, 5), (1, 5))
    assert await archive.segments(DOCUMENT_ID) == [(1, 5)]


async def test_storing_another_history_under_the_same_key_is_damage(objects: ObjectStore) -> None:
    archive = await stored(objects, (1, 5))
    with pytest.raises(DamagedError):
        await archive.store(DOCUMENT_ID, Revision(1), entries(2, 6))


async def test_segment_that_is_too_short_is_damage(objects: ObjectStore) -> None:
    await objects.create(f"{escape(DOCUMENT_ID)}/history/{1:016d}-{5:016d}", encode_segment(entries(1, 4)))
    with pytest.raises(DamagedError):
        await Archive(objects).read(DOCUMENT_ID, Revision(1), Revision(5))


def test_any_altered_byte_is_damage_or_harmless() -> None:
    body = encode_segment(entries(1, 5))
    for index in range(len(body)):
        try:
            found = decode_segment(body[:index] + bytes([body[index] ^ 0x20]) + body[index + 1 :])
        except DamagedError:
            continue
        assert found == entries(1, 5)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xc1", msgpack.packb([1]), msgpack.packb({"format": 200})])
def test_something_else_is_damage(body: bytes) -> None:
    with pytest.raises(DamagedError):
        decode_segment(body)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 8)), max_size=12),
    st.integers(1, 30),
    st.integers(0, 20),
)
def test_cover_is_found_exactly_if_there_is_one(
    spans: list[tuple[int, int]], first: int, length: int
) -> None:
    segments = sorted(Segment(Revision(start), Revision(start + size)) for start, size in spans)
    held = {revision for segment in segments for revision in range(segment.first, segment.last + 1)}
    wanted = set(range(first, first + length + 1))
    try:
        chosen = list(covering(segments, Revision(first), Revision(first + length)))
    except RevisionTooOldError:
        assert not wanted <= held
    else:
        assert wanted <= {revision for part in chosen for revision in range(part.first, part.last + 1)}


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 8)), max_size=8), st.integers(0, 30))
async def test_compacting_loses_no_revision_and_leaves_no_superfluous_segment(
    spans: list[tuple[int, int]], floor: int
) -> None:
    archive = await stored(
        open_object_store("memory://"), *((start, start + size) for start, size in set(spans))
    )
    before = await archive.segments(DOCUMENT_ID)
    await archive.compact(DOCUMENT_ID, floor)
    after = await archive.segments(DOCUMENT_ID)
    assert held(after) == held(before)
    low = [segment for segment in after if segment.last <= floor]
    assert all(held([other for other in low if other != segment]) != held(low) for segment in low)


def held(segments: list[Segment]) -> set[int]:
    return {revision for segment in segments for revision in range(segment.first, segment.last + 1)}


async def test_page_ends_with_its_segment(objects: ObjectStore) -> None:
    """All segments of a long history together may be larger than memory."""
    archive = await stored(objects, (1, 10), (11, 20), (21, 25))
    assert await archive.page(DOCUMENT_ID, 5, 25) == entries(5, 10)
    assert await archive.page(DOCUMENT_ID, 11, 13) == entries(11, 13)
