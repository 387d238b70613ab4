"""What is kept of documents that nobody has open, and when it is given out again."""

import pytest

from coedit.identifiers import DocumentId, Revision
from coedit.ot import Delta
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.objects.rendered import Rendered
from services.gateway.documents.content import Content
from services.gateway.documents.kept import KeptContents
from tests.unit.gateway.fakes import FakeStore


def _content(size: int = 1000, name: str = "notes") -> Content:
    loaded = LoadedDocument(1, Revision(1), "1/1", Rendered(Delta().insert("x" * size)))
    return Content(DocumentId(name), loaded)


def test_contents_are_kept_within_a_bound_of_bytes_the_newest_of_them() -> None:
    names = [DocumentId(str(number)) for number in range(4)]
    contents = [_content(name=name) for name in names]
    kept = KeptContents(2 * contents[0].size_bytes)
    for name, content in zip(names, contents, strict=True):
        kept.put(name, content)
    assert [kept.take(name) for name in names] == [None, None, contents[2], contents[3]]
    assert kept.take(names[3]) is None


def test_content_above_the_bound_is_not_kept_and_pushes_nothing_out() -> None:
    small, large = _content(), _content(100_000)
    kept = KeptContents(2 * small.size_bytes)
    kept.put(DocumentId("small"), small)
    kept.put(DocumentId("large"), large)
    assert kept.take(DocumentId("large")) is None
    assert kept.take(DocumentId("small")) is small


def test_content_that_is_put_again_takes_the_place_of_the_old_one() -> None:
    first, second = _content(), _content()
    kept = KeptContents(first.size_bytes)
    kept.put(DocumentId("notes"), first)
    kept.put(DocumentId("notes"), second)
    assert kept.take(DocumentId("notes")) is second


async def test_document_that_is_opened_again_is_not_rendered_again() -> None:
    store = FakeStore(head=5)
    content = await store.document().content()
    assert await store.document(content).content() is content


async def test_document_that_went_on_meanwhile_is_rendered_at_its_head() -> None:
    store = FakeStore(head=5)
    content = await store.document().content()
    store.commit(2)
    assert (await store.document(content).content()).revision == 7


async def test_commit_that_comes_while_a_kept_document_is_opened_is_not_missed() -> None:
    """Redis has confirmed the subscription, and what was kept lacks a commit that nobody will tell of."""
    store = FakeStore(head=5)
    content = await store.document().content()

    async def commit() -> None:
        store.commit()

    store.before_subscribed = commit
    assert (await store.document(content).content()).revision == 6


@pytest.mark.parametrize("change", ["epoch", "fork"])
async def test_content_of_a_history_that_is_no_more_is_not_given_out(change: str) -> None:
    store = FakeStore(head=5)
    content = await store.document().content()
    if change == "epoch":
        store.epoch = 2
    else:
        store.fork_at = 3
    again = store.document(content)
    assert (await again.content()).mac == again.feed.mac != content.mac


async def test_large_document_that_lags_is_given_out_only_while_it_is_followed() -> None:
    """What was kept may be of another history, however near its revision is."""
    store = FakeStore(head=5)
    document = store.document()
    content = await document.content()
    content.parts = _content(100_000).parts
    store.commit()
    assert await document.content() is content
    assert await store.document(content).content() is not content
