"""Scenes with an open document: it was read, and a client has joined it."""

import asyncio

from coedit.identifiers import Revision
from services.gateway.documents.open_document import OpenDocument
from services.gateway.documents.subscription import Subscription
from tests.unit.gateway.fakes import FakeOutlet, FakeStore, subscription


async def opened_at_5() -> tuple[FakeStore, OpenDocument]:
    """A document of five commits that was read."""
    store = FakeStore(head=5)
    document = store.document()
    await document.content()
    return store, document


async def joined_at_5(client: str = "bob") -> tuple[FakeStore, OpenDocument, FakeOutlet]:
    """The same, and somebody who has it open."""
    (store, document), outlet = await opened_at_5(), FakeOutlet()
    joined(document, outlet, client=client)
    return store, document, outlet


def joined(
    document: OpenDocument, outlet: FakeOutlet, revision: int = 5, *, client: str = "bob"
) -> Subscription:
    """Join a client that has caught up."""
    one = subscription(outlet, client)
    document.join(one, Revision(revision))
    one.is_live = True
    return one


async def settled(document: OpenDocument) -> None:
    """Wait until nothing is being mended."""
    async with asyncio.timeout(5):
        while document.mending.task is not None and not document.mending.task.done():
            await asyncio.sleep(0)
