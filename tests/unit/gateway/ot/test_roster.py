"""Nobody stays a ghost on a client: what it missed of the roster is mended, and what it was told is not taken back."""

from collections.abc import Awaitable, Callable
from typing import cast

from pydantic import SecretStr

from coedit.identifiers import AuthorId, ClientId, DocumentId, Revision
from coedit.presence.roster import Presence, presence_fields
from coedit.protocol.events import PresenceChanged, encode_events
from coedit.store.presence.store import PresenceStore
from services.gateway.access.access import Access
from services.gateway.documents.hub import Hub
from services.gateway.ot.desk import GatewayDesk
from services.gateway.ot.give_back import GiveBack
from services.gateway.redis.presences import Presences
from services.gateway.redis.submit import Submitter
from services.gateway.settings import GatewaySettings
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


def _desk(rosters: Rosters) -> GatewayDesk:
    settings = GatewaySettings(secret=SecretStr("x" * 32))
    return GatewayDesk(
        settings,
        Access(settings),
        cast("Hub", None),
        cast("Submitter", None),
        cast("Presences", None),
        cast("PresenceStore", rosters),
        cast("GiveBack", None),
    )


async def test_who_leaves_while_the_roster_is_read_is_not_in_it() -> None:
    store, rosters = FakeStore(head=1), Rosters()
    document, desk = store.document(), _desk(rosters)
    await document.content()
    one = subscription(FakeOutlet())
    desk._open[one] = document

    async def leave() -> None:
        if rosters.present:
            rosters.present = []
            store.on_message(encode_events([PresenceChanged((), (EVE.client_id,))]))

    rosters.after_read = leave
    assert await desk.read_roster(one) == []


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
