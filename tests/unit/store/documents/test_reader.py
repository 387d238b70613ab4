"""History that is read while a snapshotter moves it from the log to the archive, and history that is large."""

import threading
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from redis.asyncio import Redis

from coedit.errors import CoeditError, DamagedError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Commit
from coedit.ot.delta import Delta
from coedit.protocol import history
from coedit.protocol.log_entry import ChainKey, decode_commit, encode_commit
from coedit.store.documents.log import DocumentLog
from coedit.store.documents.reader import DocumentReader
from coedit.store.objects.archive import Archive
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshots
from coedit.store.redis.topology import Nodes

DOCUMENT = DocumentId("notes")
HEAD = 5000
CHAIN_KEY = ChainKey.derive(b"secret")


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

    async def hmget(self, _: Any, fields: Any, *__: Any) -> Any:
        mac = msgpack.unpackb(self.entries[max(self.entries)]).get("mac", "")
        known = {"epoch": b"1", "head": b"%d" % max(self.entries), "mac": mac.encode()}
        return [known.get(field) for field in fields]

    async def hget(self, *_: Any) -> Any:
        """Nothing was ever decided about its deletion."""

    def trim(self, floor: int) -> None:
        self.entries = {revision: packed for revision, packed in self.entries.items() if revision > floor}


async def _reader(stream: Stream, archived: int, chain_key: ChainKey | None = None) -> DocumentReader:
    objects = open_object_store("memory://", "")
    archive = Archive(objects)
    await archive.store(DOCUMENT, Revision(1), [entry(revision) for revision in range(1, archived + 1)])
    return DocumentReader(DocumentLog(Nodes(stream), 4), Snapshots(objects), archive, chain_key)


async def test_history_has_no_hole_where_the_log_is_trimmed_between_two_pages() -> None:
    stream = Stream()
    reader = await _reader(stream, 3000)
    stream.between_pages = lambda: stream.trim(3000)
    assert revisions(await reader.commits.entries(DOCUMENT, 1, HEAD)) == list(range(1, HEAD + 1))


async def test_pages_are_read_from_the_archive_and_then_from_the_log() -> None:
    stream = Stream()
    reader = await _reader(stream, 3000)
    stream.trim(3000)
    assert revisions(await reader.commits.page(DOCUMENT, 2999, 3001)) == [2999, 3000]
    assert revisions(await reader.commits.page(DOCUMENT, 3001, 3002)) == [3001, 3002]


async def test_history_whose_end_is_missing_is_refused() -> None:
    stream = Stream()
    reader = await _reader(stream, 3000)
    del stream.entries[HEAD]
    with pytest.raises(CoeditError):
        await reader.commits.entries(DOCUMENT, 1, HEAD)


async def test_large_log_is_decoded_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that decodes for longer than a lease lives loses its shards, begins anew, and never comes to an end."""
    threads = set[int]()

    def watched(packed: bytes) -> Commit:
        threads.add(threading.get_ident())
        return decode_commit(packed)

    monkeypatch.setattr(history, "decode_commit", watched)
    stream = Stream()
    stream.entries = _commits(4, 100_000)
    reader = await _reader(stream, 0)
    loaded = await reader.load(DOCUMENT)
    assert loaded.revision == 4
    commits, size_bytes = await reader.commits.history(DOCUMENT, 2, 4)
    assert [commit.revision for commit in commits] == [2, 3, 4]
    assert size_bytes == sum(map(len, list(stream.entries.values())[1:]))
    assert threads
    assert threading.get_ident() not in threads


async def test_what_is_known_of_a_history_that_is_no_more_is_read_again_from_the_start() -> None:
    stream = Stream()
    stream.entries = _commits(4, 1)
    reader = await _reader(stream, 0, CHAIN_KEY)
    known = await reader.load(DOCUMENT)
    stream.entries = _commits(6, 2)
    assert (await reader.load(DOCUMENT, known)).document == Delta().insert("a" * 12)
    stream.entries = _commits(6, 2)
    stream.entries[6] = stream.entries[5]
    with pytest.raises(DamagedError):
        await reader.load(DOCUMENT, known)


def _commits(count: int, units: int) -> dict[int, bytes]:
    """Return a log of ``count`` commits, each of which inserts ``units``."""
    key, mac, entries = CHAIN_KEY, "", dict[int, bytes]()
    for revision in range(1, count + 1):
        commit = Commit(
            revision=Revision(revision),
            delta=Delta().insert("a" * units),
            author=AuthorId("ada"),
            client_id=ClientId("ada"),
            client_sequence=ClientSequence(revision),
            at=0,
            epoch=1,
            caret=None,
        )
        sealed = key.seal(DOCUMENT, commit, mac)
        mac, entries[revision] = sealed.mac, encode_commit(sealed)
    return entries
