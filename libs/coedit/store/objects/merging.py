"""Many short history segments become a few long ones, so that a long history is few objects.

As in a log-structured merge tree: eight neighbours or more that are each shorter than 8 revisions become one, then
eight that are shorter than 64, and so on; so that a revision is written anew a few times and not each time. The long
one is stored and read back before the short ones go, and covers them for whoever listed in between.
"""

from collections.abc import Iterator, Sequence

from coedit.identifiers import DocumentId
from coedit.store.objects.archive import Archive, Segment, chain

_FACTOR = 8
_SEGMENT_BYTES = 8 * 1024 * 1024
"""A segment is read as a whole: above this nothing more is added to it."""


async def merge(archive: Archive, document_id: DocumentId, most: int) -> int:
    """Merge what can be merged into segments of at most ``most`` revisions; return how many segments went.

    Several may do this at once: each removes only what it has itself stored again.

    Raises:
        VanishedSegmentError: another merges or trims at the same time; the next time finds what is left.
        DamagedError: a segment is not what was written; nothing that it holds is taken away.
        ObjectStoreError: the store cannot do it now.
    """
    total = 0
    while found := groups(await archive.segments(document_id), most):
        gone = sum([await _merge_group(archive, document_id, group) for group in found])
        if not gone:
            break  # what is left is too large
        total += gone
    return total


async def _merge_group(archive: Archive, document_id: DocumentId, group: Sequence[Segment]) -> int:
    first, reached = group[0].first, group[0].first - 1
    entries: list[bytes] = []
    size_bytes = 0
    for segment in group:
        if size_bytes >= _SEGMENT_BYTES:
            break
        more = (await archive.load(document_id, segment))[reached + 1 - segment.first :]
        size_bytes += sum(map(len, more))
        entries += more
        reached = segment.last
    if reached == group[0].last:
        return 0
    return await archive.delete_within(document_id, await archive.store(document_id, first, entries))


def groups(segments: Sequence[Segment], most: int) -> list[list[Segment]]:
    """Return which neighbours to merge: each group without a gap, of at most ``most`` revisions, of two or more."""
    needed = list(chain(segments))
    limit = _FACTOR
    while limit < _FACTOR * most:
        found = [group for run in _runs(needed, min(limit, most)) for group in _cut(run, most)]
        if found:
            return found
        limit *= _FACTOR
    return []


def _runs(segments: Sequence[Segment], limit: int) -> Iterator[list[Segment]]:
    """Yield runs of at least eight neighbours, each with fewer revisions than ``limit``."""
    run: list[Segment] = []
    for segment in [*segments, None]:
        is_next = segment is not None and _length(segment) < limit
        if segment is not None and is_next and (not run or segment.first <= run[-1].last + 1):
            run.append(segment)
            continue
        if len(run) >= _FACTOR:
            yield run
        run = [segment] if segment is not None and is_next else []


def _cut(run: Sequence[Segment], most: int) -> Iterator[list[Segment]]:
    group: list[Segment] = []
    for segment in run:
        if group and segment.last - group[0].first + 1 > most:
            if len(group) > 1:
                yield group
            group = []
        group.append(segment)
    if len(group) > 1:
        yield group


def _length(segment: Segment) -> int:
    return segment.last - segment.first + 1
