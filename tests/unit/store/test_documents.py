"""History that is read while a snapshotter moves it from the log to the archive."""

from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from redis.asyncio import Redis

from coedit.errors import CoeditError
from coedit.identifiers import DocumentId, Revision
from coedit.store.archive import Archive
from coedit.store.document_log import DocumentLog
from coedit.store.documents import DocumentReader
from coedit.store.object_store import open_object_store
from coedit.store.snapshots import Snapshots
from coedit.store.topology import Nodes

DOCUMENT = DocumentId("notes")
HEAD = 5000


def entry(revision: int) -> bytes:
    packed: bytes = msgpack.packb({"revision": revision})
    return packed


def revisions(entries: list[bytes]) -> list[int]:
    return [msgpack.unpackb(packed)["revision"] for packed in entries]


class Stream(Redis):
    """The log of one document; ``between_pages`` happens after each page that is read."""

    def __init__(self) -> None:
        self.entries = {revision: entry(revision) for revision in range(1, HEAD + 1)}
        self.between_pages: Callable[[], None] = lambda: None

    def __del__(self, *_: Any) -> None:
        """There is no connection."""

    async def xrange(self, _: Any, min: Any = "-", max: Any = "+", count: int | None = None) -> Any:  # noqa: A002
        first, last = (int(bound.split("-")[0]) for bound in (min, max))
        found = [revision for revision in self.entries if first <= revision <= last][:count]
        page = [(b"%d-0" % revision, {b"commit": self.entries[revision]}) for revision in found]
        self.between_pages()
        return page

    def trim(self, floor: int) -> None:
        self.entries = {revision: packed for revision, packed in self.entries.items() if revision > floor}


async def _reader(stream: Stream, archived: int) -> DocumentReader:
    objects = open_object_store("memory://", "")
    archive = Archive(objects)
    await archive.store(DOCUMENT, Revision(1), [entry(revision) for revision in range(1, archived + 1)])
    return DocumentReader(DocumentLog(Nodes(stream), 4), Snapshots(objects), archive)


async def test_history_has_no_hole_where_the_log_is_trimmed_between_two_pages() -> None:
    stream = Stream()
    reader = await _reader(stream, 3000)
    stream.between_pages = lambda: stream.trim(3000)
    assert revisions(await reader.entries(DOCUMENT, 1, HEAD)) == list(range(1, HEAD + 1))


async def test_history_whose_end_is_missing_is_refused() -> None:
    stream = Stream()
    reader = await _reader(stream, 3000)
    del stream.entries[HEAD]
    with pytest.raises(CoeditError):
        await reader.entries(DOCUMENT, 1, HEAD)
