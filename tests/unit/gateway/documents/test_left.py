"""Which documents are kept that everybody has left, what of them, and at what cost."""

from typing import Any, cast

import pytest

from coedit.identifiers import DocumentId, Revision
from services.gateway.documents.feed import Feed, Place
from services.gateway.documents.hub import Hub
from services.gateway.documents.kept import KeptContents
from services.gateway.documents.left import LeftDocuments
from services.gateway.documents.open_document import OpenDocument
from services.gateway.documents.recent import Logged
from tests.unit.gateway.fakes import FakeStore


class _Closed(list[str]):
    """The names of the documents that were closed."""

    def __call__(self, document: OpenDocument) -> None:
        self.append(document.feed.document_id)


def _left(name: str, size_bytes: int) -> OpenDocument:
    """Return a document with ``size_bytes`` of commits that no snapshot covers."""
    document = FakeStore().document(document_id=DocumentId(name))
    document.feed.start(Place(1, Revision(0), "", Revision(0)))
    _write(document, size_bytes)
    return document


def _write(document: OpenDocument, size_bytes: int) -> None:
    revision = document.feed.head + 1
    fields = {"revision": revision, "mac": f"1/{revision}", "epoch": 1, "client_id": "ann"}
    document.feed.take([Logged(fields, size_bytes)])


def test_largest_go_first_so_that_who_writes_much_costs_nobody_else_anything() -> None:
    closed = _Closed()
    left = LeftDocuments(10_000, closed)
    for number in range(10):
        left.put(_left(f"bystander {number}", 100))
    for number in range(50):
        left.put(_left(f"large {number}", 3_000))
    assert len(closed) >= 47
    assert all(name.startswith("large") for name in closed)


def test_what_grew_after_it_was_left_is_measured_again() -> None:
    closed = _Closed()
    left = LeftDocuments(10_000, closed)
    growing = _left("growing", 10)
    left.put(growing)
    _write(growing, 20_000)
    left.put(_left("small", 10))
    assert closed == ["growing"]
    assert left.take(DocumentId("small")) is not None


def test_documents_beyond_the_count_go_in_the_order_they_were_left() -> None:
    closed = _Closed()
    left = LeftDocuments(1_000_000, closed)
    for number in range(2_003):
        left.put(_left(str(number), 10))
    assert closed == ["0", "1", "2"]


def test_snapshot_closes_what_it_covers() -> None:
    closed = _Closed()
    left = LeftDocuments(10_000, closed)
    document = _left("notes", 10)
    left.put(document)
    assert closed == []
    document.feed.stored_up_to(document.feed.head)
    assert closed == ["notes"]
    assert left.take(DocumentId("notes")) is None


@pytest.mark.parametrize("max_bytes", [10_000_000, 50_000], ids=["within the bound", "at the bound"])
def test_putting_takes_some_steps_and_not_one_for_each_that_is_kept(
    monkeypatch: pytest.MonkeyPatch, max_bytes: int
) -> None:
    closed = _Closed()
    left = LeftDocuments(max_bytes, closed)
    documents = [_left(str(number), 100) for number in range(1_500)]
    measured = 0
    measure = cast("property", Feed.unsaved_bytes).fget

    def count(feed: Feed) -> Any:
        nonlocal measured
        measured += 1
        return measure(feed)  # type: ignore[misc]

    monkeypatch.setattr(Feed, "unsaved_bytes", property(count))
    for document in documents:
        left.put(document)
    assert measured < 30 * len(documents)


async def test_content_of_a_document_that_was_left_is_counted_and_given_out_again() -> None:
    store, kept = FakeStore(head=5), KeptContents(1_000_000)
    hub = _hub(store, kept)
    document = hub.get(DocumentId("notes"))
    content = await document.content()
    hub.release(document)
    assert document.take_content() is None
    assert kept._bytes == content.size_bytes
    again = hub.get(DocumentId("notes"))
    assert again is document
    assert await again.content() is content
    assert kept._bytes == 0


async def test_content_above_the_bound_is_not_kept_with_a_document_that_was_left() -> None:
    hub = _hub(FakeStore(head=5), KeptContents(0))
    document = hub.get(DocumentId("notes"))
    content = await document.content()
    hub.release(document)
    again = hub.get(DocumentId("notes"))
    assert again is document
    assert await again.content() is not content


async def test_commit_that_came_after_it_was_left_is_in_what_is_given_out() -> None:
    store = FakeStore(head=5)
    hub = _hub(store, KeptContents(1_000_000))
    document = hub.get(DocumentId("notes"))
    await document.content()
    hub.release(document)
    store.commit(2)
    assert (await hub.get(DocumentId("notes")).content()).revision == 7


def _hub(store: FakeStore, kept: KeptContents) -> Hub:
    everything: Any = store
    return Hub(everything, everything, everything, everything, everything, kept, 1_000_000)
