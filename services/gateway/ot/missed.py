"""What a client missed of a document that it has open, read for those who catch up."""

from collections.abc import Mapping
from typing import Any

from coedit.identifiers import Revision
from coedit.presence.roster import presence_fields
from coedit.store.presence.store import PresenceStore
from services.gateway.documents.open_document import OpenDocument
from services.gateway.documents.subscription import Subscription
from services.gateway.sockets.turns import Turns

_ROSTER_ATTEMPTS = 10


class Missed:
    """Satisfies `services.gateway.ot.catchup.Source`; ``documents`` are those that subscriptions are to."""

    def __init__(self, documents: Mapping[Subscription, OpenDocument], rosters: PresenceStore) -> None:
        self.turns = Turns()
        self._documents = documents
        self._rosters = rosters

    async def read_page(self, subscription: Subscription) -> list[dict[str, Any]]:
        """Return the commits that come next (see `OpenDocument.page_after`)."""
        return await self._documents[subscription].page_after(subscription.revision)

    async def read_roster(self, subscription: Subscription) -> list[dict[str, Any]]:
        """Return who is there, and where."""
        feed = self._documents[subscription].feed
        for _ in range(_ROSTER_ATTEMPTS):
            known = feed.presence_count
            present = await self._rosters.read_roster(subscription.document_id)
            # What the channel brought meanwhile was told already, and this would take it back: read it again.
            if feed.presence_count == known:
                break
        return [presence_fields(presence) for presence in present]

    def head_of(self, subscription: Subscription) -> Revision:
        """Return where the document stands."""
        return self._documents[subscription].feed.head
