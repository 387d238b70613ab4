"""A shard that this process owns, and what was given back to it so far."""

import asyncio
from dataclasses import dataclass, field

from redis.asyncio import Redis

from coedit.identifiers import DocumentId
from coedit.protocol.giving_back.donations import Donations
from coedit.store.deployment.incarnation import Incarnation
from coedit.store.streams.offers import Seen
from services.transformer.recovery.unsaved import Remembered


@dataclass(slots=True)
class Watched:
    """A shard that this process owns, and what was given back to it so far."""

    redis: Redis
    """Of the node on which it was examined."""
    incarnation: Incarnation
    is_suspect: bool
    place: str = "0-0"
    """Id of the last offer that was read."""
    donations: dict[DocumentId, Donations] = field(default_factory=dict)
    seen: dict[DocumentId, Seen] = field(default_factory=dict)
    """The furthest that anybody saw of each document."""
    offered: dict[DocumentId, list[str]] = field(default_factory=dict)
    """Ids of the offers of each document that was not dealt with yet."""
    unmended: list[DocumentId] = field(default_factory=list)
    """Documents of which this process itself knows something that may be lost."""
    broken: set[DocumentId] = field(default_factory=set)
    """Those that could not be restored, being damaged; what was given of them is kept until they are repaired."""
    known: list[Remembered] = field(default_factory=list)
    """What it knows; should the shard become somebody else's before it is sound, its new owner is to know."""

    def note(self, seen: Seen) -> None:
        """Take note of how far somebody saw a document."""
        known = self.seen.get(seen.document_id)
        if known is None or (known.epoch, known.revision) < (seen.epoch, seen.revision):
            self.seen[seen.document_id] = seen

    def forget(self, document_id: DocumentId) -> None:
        """Forget what was given of a document that is dealt with."""
        self.broken.discard(document_id)
        self.donations.pop(document_id, None)
        self.seen.pop(document_id, None)

    def forget_all_but_broken(self) -> None:
        """Forget what was given of the others, which all are dealt with."""
        for document_id in (self.donations.keys() | self.seen.keys()) - self.broken:
            self.forget(document_id)
        self.known.clear()
        self.offered.clear()


async def remember(watched: Watched, known: Remembered) -> None:
    """Take in what this process itself knows of a document, as if it were given back."""
    document_id, stored = known.document_id, known.stored
    watched.known.append(known)
    if stored.head:
        watched.note(Seen(document_id, stored.epoch, stored.head, stored.mac))
    watched.unmended.append(document_id)
    donations = watched.donations.setdefault(document_id, Donations(document_id))
    for given in await asyncio.to_thread(list, known.given()):
        donations.add(given.commits, given.before)
