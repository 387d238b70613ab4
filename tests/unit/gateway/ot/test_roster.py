"""Nobody stays a ghost on a client: what it missed of the roster is mended, and what it was told is not taken back."""

from collections.abc import Awaitable, Callable
from typing import cast

from coedit.identifiers import AuthorId, ClientId, DocumentId, Revision
from coedit.presence.roster import Presence, presence_fields
from coedit.protocol.events import PresenceChanged, encode_events
from coedit.store.presence.store import PresenceStore
from services.gateway.ot.missed import Missed
from tests.unit.gateway.fakes import FakeOutlet, FakeStore, subscription

EVE = Presence(ClientId("eve"), AuthorId("eve"), "", "", Revision(0))


class Rosters:
    """The stored roster of the one document."""

    def __init__(self) -> None:
        self.present = [EVE]
        self.after_read: Callable[[], Awaitable[None]]

    async def read_roster(self, _: DocumentId) -> list[Presence]:
        present = list(self.present)
        await self.after_read()
        return present


async def test_who_leaves_while_the_roster_is_read_is_not_in_it() -> None:
    store, rosters = FakeStore(head=1), Rosters()
    document = store.document()
    await document.content()
    one = subscription(FakeOutlet())
    missed = Missed({one: document}, cast("PresenceStore", rosters))

    async def leave() -> None:
        if rosters.present:
            rosters.present = []
            store.on_message(encode_events([PresenceChanged((), (EVE.client_id,))]))

    rosters.after_read = leave
    assert await missed.read_roster(one) == []


async def test_client_whose_buffer_is_full_of_presence_falls_behind() -> None:
    store, outlet = FakeStore(head=1), FakeOutlet()
    document = store.document()
    await document.content()
    one = subscription(outlet)
    document.join(one, Revision(1))
    one.is_live, outlet.is_full = True, True
    for _ in range(3):
        store.on_message(encode_events([PresenceChanged((presence_fields(EVE),), ())]))
    assert (len(outlet.sent), one.is_live) == (1, False)
