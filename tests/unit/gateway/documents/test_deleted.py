"""A document that is deleted: ended for whoever has it open on a gateway, and nothing of it kept there."""

from typing import Any

import pytest

from coedit.errors import DeletedError
from coedit.identifiers import ClientId, DocumentId, Revision
from services.gateway.documents.hub import Hub
from services.gateway.documents.kept import KeptContents
from services.gateway.documents.subscription import Subscription
from tests.unit.gateway.fakes import DOCUMENT, FakeOutlet, FakeStore


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(head=3)


@pytest.fixture
def hub(store: FakeStore) -> Hub:
    everything: Any = store
    kept = KeptContents(1_000_000)
    return Hub(everything, everything, everything, everything, everything, kept, 1_000_000)


async def test_it_is_ended_for_whoever_has_it_open(hub: Hub) -> None:
    document, outlet = hub.get(DOCUMENT), FakeOutlet()
    await document.look_for_damage()
    document.join(Subscription(outlet, DOCUMENT, ClientId("one"), "write", "fsync"), Revision(3))
    hub.end_deleted(DocumentId("another"))
    assert outlet.dropped == []
    hub.end_deleted(DOCUMENT)
    assert [error.code for error in outlet.dropped] == ["deleted"]


async def test_whoever_is_about_to_join_does_not(hub: Hub) -> None:
    document = hub.get(DOCUMENT)
    await document.look_for_damage()
    document.check_deleted()
    hub.end_deleted(DOCUMENT)
    with pytest.raises(DeletedError):
        document.check_deleted()


async def test_who_asked_before_it_was_deleted_does_not_take_it_for_restored(
    hub: Hub, store: FakeStore
) -> None:
    """The answer is from before, and comes after the gateway was told."""
    document = hub.get(DOCUMENT)

    async def told_meanwhile() -> None:
        hub.end_deleted(DOCUMENT)

    store.after_deletion = told_meanwhile
    await document.look_for_damage()
    with pytest.raises(DeletedError):
        document.check_deleted()


async def test_it_is_refused_until_it_is_restored(hub: Hub, store: FakeStore) -> None:
    document = hub.get(DOCUMENT)
    await document.look_for_damage()
    hub.end_deleted(DOCUMENT)
    store.is_deleted = True
    with pytest.raises(DeletedError):
        await document.look_for_damage()
    store.is_deleted = False
    await document.look_for_damage()
    document.check_deleted()
    assert (await document.content()).revision == 3


@pytest.mark.parametrize("is_left_first", [True, False])
async def test_nothing_of_it_is_kept(hub: Hub, store: FakeStore, *, is_left_first: bool) -> None:
    document = hub.get(DOCUMENT)
    content = await document.content()
    if is_left_first:
        hub.release(document)
        hub.end_deleted(DOCUMENT)
    else:
        hub.end_deleted(DOCUMENT)
        hub.release(document)
    store.on_message(b"nobody is subscribed any more")
    again = hub.get(DOCUMENT)
    assert again is not document
    assert await again.content() is not content
