"""A Yjs document of the gateway with everything around it in memory."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import msgpack
from pycrdt import Doc, Text

from coedit.crdt.document import NOTHING
from coedit.identifiers import AuthorId, ClientId, DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.presence.roster import Presence
from coedit.protocol.events import Committed, Event, encode_events
from coedit.protocol.grants import Facets, Grants
from coedit.protocol.log_entry import update_digest
from coedit.protocol.server_session import CloseCode
from coedit.protocol.tokens import Identity
from coedit.protocol.yjs.lib0 import Reader
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.documents.reader import DocumentReader
from coedit.store.presence.store import PresenceStore
from services.gateway.access.access import Access
from services.gateway.redis.presences import Presences
from services.gateway.redis.submit import OnError, Submitter
from services.gateway.yjs.desk import YjsDesk
from services.gateway.yjs.document import YjsDocument
from services.gateway.yjs.frames import YjsFrame
from services.gateway.yjs.seat import YjsSeat
from tests.unit.gateway.fakes import DOCUMENT, FakeStore

ANN = Identity(AuthorId("ann"), Grants.of({"*": "write"}))


class FakeYjsStore(FakeStore):
    """The log of a bridged document, of which each commit inserts one letter; and who is where."""

    def __init__(self, *, is_bridged: bool = True) -> None:
        super().__init__()
        self.is_bridged = is_bridged
        self.updates: list[bytes] = []
        self.author: Doc[Any] = Doc(client_id=2**32 + 1)
        self.author.observe(lambda event: self.updates.append(event.update))
        self.submitted: list[YjsSubmission] = []
        self.roster: list[Presence] = []
        self.said: list[Presence] = []
        self.gone: list[ClientId] = []
        self.before_roster: Callable[[], None] = lambda: None

    def commit(self, count: int = 1) -> None:
        for _ in range(count):
            text: Text = self.author.get("content", type=Text)
            text.insert(len(text), "x")
        super().commit(count)

    def tell(self, *events: Event) -> None:
        self.on_message(encode_events(list(events)))

    def commit_of(self, client: ClientId, sequence: int, inserted: str = "y") -> None:
        """Commit somebody's submission."""
        self.author.get("content", type=Text).insert(0, inserted)
        self.head += 1
        fields = msgpack.unpackb(self._entry(self.head)) | {"client_id": client, "client_sequence": sequence}
        self.tell(Committed((msgpack.packb(fields),)))

    async def load(self, document_id: DocumentId, known: LoadedDocument | None = None) -> LoadedDocument:
        loaded = await super().load(document_id, known)
        bridge = Bridge(Revision(1), "text", "content") if self.is_bridged and self.head else None
        return replace(loaded, bridge=bridge)

    def submit(self, _: DocumentId, submission: YjsSubmission, __: OnError, ___: object = None) -> None:
        self.submitted.append(submission)

    async def read_roster(self, _: DocumentId) -> list[Presence]:
        roster = list(self.roster)
        self.before_roster()
        return roster

    def say(self, _: DocumentId, presence: Presence) -> None:
        self.said.append(presence)

    def known(self, client_id: ClientId, _: DocumentId) -> Presence | None:
        return next((presence for presence in reversed(self.said) if presence.client_id == client_id), None)

    async def leave(self, client_id: ClientId, _: DocumentId) -> None:
        self.gone.append(client_id)

    def desk(self, time_of_day: Callable[[], float] = time.time) -> YjsDesk:
        hub = _OneDocumentHub(self)
        presences, rosters = cast("Presences", self), cast("PresenceStore", self)
        reader, submitter = cast("DocumentReader", self), cast("Submitter", self)
        access = cast("Access", self)
        return YjsDesk(access, cast("Any", hub), reader, submitter, presences, rosters, time_of_day)

    async def facets(self, identity: Identity, document_id: DocumentId) -> Facets:
        return identity.grants.facets(document_id)

    def _entry(self, revision: int) -> bytes:
        fields = msgpack.unpackb(super()._entry(revision))
        if self.is_bridged:
            update = self.updates[revision - 1] if revision <= len(self.updates) else NOTHING
            fields |= {"update": update, "yjs": update_digest(update)}
            fields |= {"bridge": "text content"} if revision == 1 else {}
        packed: bytes = msgpack.packb(fields)
        return packed


class _OneDocumentHub:
    def __init__(self, store: FakeYjsStore) -> None:
        self._store = store
        self.released = 0

    def get(self, _: DocumentId) -> Any:
        return self._store.document()

    def release(self, _: Any) -> None:
        self.released += 1


class FakeYjsOutlet:
    """A client's connection, and what went out on it."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.confirmed: list[bool] = []
        self.ended: list[tuple[CloseCode, str]] = []
        self.kept_alive = 0

    @property
    def is_closed(self) -> bool:
        return bool(self.ended)

    def write(self, frame: YjsFrame) -> None:
        whole = frame.of(None)
        header = {126: 4, 127: 10}.get(whole[1], 2)
        self.messages.append(whole[header:])

    async def until_drained(self) -> None:
        pass

    def confirm(self, *, is_taken: bool) -> None:
        self.confirmed.append(is_taken)

    def keep_alive(self) -> None:
        self.kept_alive += 1

    def end(self, code: CloseCode, reason: str) -> None:
        self.ended.append((code, reason))

    @property
    def text(self) -> str:
        """What the client has, of all that it was told."""
        doc: Doc[Any] = Doc()
        for message in self.messages:
            reader = Reader(message)
            if reader.uint() == 0 and reader.uint() in (1, 2):
                doc.apply_update(reader.bytes())
        return str(doc.get("content", type=Text))


async def seat_of(desk: YjsDesk, outlet: FakeYjsOutlet, root: str = "content") -> YjsSeat:
    return await desk.open(outlet, DOCUMENT, ANN, root)


def document_of(seat: YjsSeat) -> YjsDocument:
    assert isinstance(seat.document, YjsDocument)
    return seat.document
