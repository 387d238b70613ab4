"""The clients of a run: some stay, some come late, some leave, some vanish without a word; all are recorded."""

import asyncio
import random
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress

from coedit.client import Acknowledged, Change, Document, DocumentError, Session, Submitted, connect
from coedit.client.events import Event, Listener
from coedit.errors import CoeditError
from coedit.identifiers import DocumentId
from coedit.protocol.client_session import Loss
from coedit.protocol.codec import Codec
from tests.chaos.history import History
from tests.chaos.load import Load
from tests.chaos.people.scene import MIXED
from tests.chaos.replay import inserted_text
from tests.chaos.yjs_typist import YjsTypist
from tests.system import eventually
from tests.writers import Ledger, Made, Writer, settle_all

STAYING = 12
VISITORS = 3
NAMES = ("one", "two", "drei ü", "four/4")
BRIDGED = "both sides"
"""The document that Yjs clients have open too."""
YJS_TYPISTS = 3
_DOCUMENTS_EACH = 2
_EDITS_PER_SECOND = 1.5
"""Of each writer, of which there are some 33."""


class Crowd:
    """Everybody who edits; ``doors`` are the addresses that clients know."""

    def __init__(self, doors: list[str], history: History, seed: int, *, with_people: bool = False) -> None:
        self._doors = doors
        self._bridged = (BRIDGED, MIXED) if with_people else (BRIDGED,)
        self._history = history
        self._rng = random.Random(f"crowd {seed}")
        self._ledgers = {name: Ledger(seed + number) for number, name in enumerate(self.documents)}
        self._load = Load(1 / _EDITS_PER_SECOND, lambda writer: writer.step(undoes=True), self._note_failure)
        self._names: dict[Writer, str] = {}
        self._stack = AsyncExitStack()
        self._visits: list[asyncio.Task[None]] = []
        self.reconnects = 0
        self._sessions: list[Session] = []
        self._typists: list[YjsTypist] = []
        self._typing: list[asyncio.Task[None]] = []
        self._is_over = False

    async def __aenter__(self) -> "Crowd":
        for number in range(STAYING):
            session = await self._stack.enter_async_context(self._connect(number))
            self._sessions.append(session)
            for offset in range(_DOCUMENTS_EACH):
                name = NAMES[(number + offset) % len(NAMES)]
                self._load.add(await self._writer(session, f"stays {number}", name))
            if number % len(NAMES) == 0:
                for name in self._bridged:
                    self._load.add(await self._writer(session, f"stays {number}", name))
        for name in self._bridged:
            self._history.add("bridged", document=name)
            for number in range(YJS_TYPISTS):
                self._begin_typist(number, name)
        if MIXED in self._bridged:
            self._history.add("mixed", document=MIXED)
        self._visits = [asyncio.create_task(self._visit_again(number)) for number in range(VISITORS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end_visits()
        for task in self._typing:
            task.cancel()
        await asyncio.gather(*self._typing, return_exceptions=True)
        await self._stack.aclose()

    @property
    def documents(self) -> tuple[str, ...]:
        """The documents that somebody of the crowd edits."""
        return (*NAMES, *self._bridged)

    @property
    def writers(self) -> list[Writer]:
        """Who is there."""
        return self._load.writers

    async def end_visits(self) -> int:
        """Let nobody in any more, and all go who do not stay; return how many connections remain."""
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        return len(self._sessions) + len(self._typists)

    async def finish(self, seconds: float) -> None:
        """Stop typing, let everything settle, and record where everybody ends."""
        self._is_over = True
        await self._load.stop()
        try:
            await settle_all([writer.document for writer in self.writers], seconds)
        except (AssertionError, DocumentError):
            self._note_stuck()
        await self._finish_typists(seconds)
        self.reconnects = sum(session.reconnects for session in self._sessions)
        for writer in self.writers:
            self._note_end(writer)

    def _begin_typist(self, number: int, name: str) -> None:
        rng = random.Random(self._rng.random())
        typist = YjsTypist(
            f"yjs {number}" if name == BRIDGED else f"yjs {number} of {name}",
            name,
            lambda: rng.choice(self._doors),
            self._ledgers[name],
            self._history,
            rng,
        )
        self._typists.append(typist)
        typing = typist.type(1 / _EDITS_PER_SECOND, lambda: self._is_over)
        self._typing += [asyncio.create_task(typist.keep_connected()), asyncio.create_task(typing)]

    async def _finish_typists(self, seconds: float) -> None:
        """Wait until the Yjs clients have what an OT client of their document has, which has everything."""
        ours = {writer.document.state.document_id: writer.document for writer in self.writers}
        waits = (self._wait_for(each, ours[DocumentId(each.document)], seconds) for each in self._typists)
        await asyncio.gather(*waits)
        # Only now, since what one of them still had to say changes what the others have.
        with suppress(AssertionError, DocumentError):
            await settle_all([writer.document for writer in self.writers], seconds)
        for typist in self._typists:
            self._note_typist_end(typist, ours[DocumentId(typist.document)].revision)

    async def _wait_for(self, typist: YjsTypist, ours: Document, seconds: float) -> None:
        try:
            await eventually(lambda: typist.content == ours.content, "it has all", seconds)
        except AssertionError:
            facts = {"client": typist.client, "document": typist.document}
            self._history.add("stuck", **facts, revision=ours.revision)

    def _note_typist_end(self, typist: YjsTypist, revision: int) -> None:
        about = {"client": typist.client, "document": typist.document}
        self._history.add("replica", **about, revision=revision, content=typist.content.to_json())

    def _connect(self, number: int) -> AbstractAsyncContextManager[Session]:
        codec = [Codec.MSGPACK, Codec.JSON][number % 2]
        return connect(self._rng.choice(self._doors), author=f"author {number}", codec=codec)

    async def _writer(self, session: Session, client: str, name: str) -> Writer:
        document = await session.open(name)
        watch = ReplicaWatch(self._history, client, document)

        def note(made: Made) -> None:
            self._history.add("edit", client=client, document=name, **made._asdict())

        watch.begin()
        rng = random.Random(self._rng.random())
        writer = Writer(document, self._ledgers[name], rng, note)
        self._names[writer] = client
        return writer

    async def _visit_again(self, number: int) -> None:
        for visit in range(1_000_000):
            await self._visit(f"visits {number}.{visit}", number)

    async def _visit(self, client: str, number: int) -> None:
        """Come late, write for some seconds, and leave: half the time without waiting for the last ack."""
        async with self._connect(number) as session:
            writer = await self._writer(session, client, self._rng.choice(self.documents))
            self._load.add(writer)
            is_settled = False
            try:
                await asyncio.sleep(self._rng.uniform(2, 8))
                if self._rng.random() < 0.5:
                    await asyncio.wait({self._load.remove(writer)})
                    is_settled = await _settle(writer)
            finally:
                # No await in here: the visit may be cut short at any moment.
                if writer in self._load.writers:
                    self._load.remove(writer)
                self._note_rejections(writer)
                name = writer.document.state.document_id
                self._history.add("left", client=client, document=name, settled=is_settled)

    def _note_failure(self, writer: Writer, error: Exception) -> None:
        name = writer.document.state.document_id
        self._history.add("failed", client=self._names[writer], document=name, error=repr(error))

    def _note_stuck(self) -> None:
        newest: dict[str, int] = {}
        for writer in self.writers:
            name = writer.document.state.document_id
            newest[name] = max(newest.get(name, 0), writer.document.revision)
        for writer in self.writers:
            document, name = writer.document, writer.document.state.document_id
            if not document.saved or document.revision < newest[name]:
                facts = {"revision": document.revision, "newest": newest[name], "saved": document.saved}
                self._history.add("stuck", client=self._names[writer], document=name, **facts)

    def _note_rejections(self, writer: Writer) -> None:
        for rejection in writer.document.rejections:
            name = writer.document.state.document_id
            self._history.add("rejected", client=self._names[writer], document=name, code=rejection.code)

    def _note_end(self, writer: Writer) -> None:
        document = writer.document
        self._note_rejections(writer)
        self._history.add(
            "replica",
            client=self._names[writer],
            document=document.state.document_id,
            revision=document.revision,
            content=document.content.to_json(),
        )


async def _settle(writer: Writer) -> bool:
    with suppress(TimeoutError, DocumentError):
        async with asyncio.timeout(10):
            await writer.document.settle()
        return True
    return False


class ReplicaWatch(Listener[Event]):
    """Records what happens to a replica in the moment in which it happens."""

    def __init__(self, history: History, client: str, document: Document) -> None:
        super().__init__(document._events.discard)
        self._history = history
        self._document = document
        self._about = {"client": client, "document": document.state.document_id}

    def begin(self) -> None:
        self._document._events.add(self)
        self._add("opened", revision=self._document.revision)

    def put(self, item: Event | CoeditError) -> None:
        state = self._document.state
        match item:
            case Submitted(sequence, delta):
                text = inserted_text(delta.to_json())
                self._add("submitted", id=state.client_id, sequence=sequence, inserted=text)
            case Acknowledged(sequence, revision, _):
                self._add("acked", id=state.client_id, sequence=sequence, revision=revision, mac=state.mac)
            case Loss(epoch, first, last):
                about = {"document": self._about["document"], "epoch": epoch}
                self._history.add("reported", **about, first=first, last=last)
            case Change(is_reset=True):
                self._add("reset", revision=item.revision)
            case Change():
                facts = {"id": item.client_id, "sequence": item.client_sequence}
                self._add("seen", revision=item.revision, **facts)
            case _:
                self._add("failed", error=repr(item))

    def _add(self, what: str, **fields: object) -> None:
        state = self._document.state
        self._history.add(what, **self._about, epoch=state.epoch, me=state.client_id, **fields)
