"""One document as Yjs items, for all Yjs clients of this gateway that have it open.

It goes along with the document's feed: the items are those of the newest snapshot and of the commits since, and each
commit is one update for everybody. What takes long to apply is applied in a thread, to a copy, which then takes the
place of the items. Where it cannot follow, its clients are sent away and come back.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from coedit.crdt.items import YjsItems
from coedit.errors import CoeditError, DeletedError, QuarantinedError, UnavailableError, WrongRootError
from coedit.identifiers import AuthorId, ClientId, DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit
from coedit.protocol.events import Rejected, Repeated, YjsHeld, YjsTaken
from coedit.protocol.server_session import CloseCode
from coedit.protocol.yjs.deleted import Deleted
from coedit.protocol.yjs.ids import is_server_id
from coedit.protocol.yjs.sync import write_update
from coedit.protocol.yjs.update import decode_state_vector, encode_state_vector, parts_of
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.documents.reader import DocumentReader
from coedit.store.redis.connection import TROUBLE
from services.gateway.documents.feed import Answer
from services.gateway.documents.open_document import OpenDocument
from services.gateway.documents.recent import Logged
from services.gateway.heavy.beside import LONG_BYTES, beside
from services.gateway.metrics import ERRORS, LOOP_ERRORS, YJS_DELIVERED
from services.gateway.redis.submit import Submitter
from services.gateway.traces import EditTrace
from services.gateway.yjs.bridge_wish import BridgeWish
from services.gateway.yjs.frames import YjsFrame
from services.gateway.yjs.people import YjsPeople
from services.gateway.yjs.seat import YjsSeat

logger = logging.getLogger(__name__)

_CATCH_UP_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.05
_RECENT_COMMITS = 256
_TRY_HELD_SECONDS = 0.05
_NOTHING_KNOWN = b"\0"
_LONGEST_AT_ONCE = 1024 * 1024
_MOST_PARTS = 2048
"""What has more structs and ranges, or bytes, is applied beside the loop: each part takes up to some 40 µs, and a byte
of a text next to nothing. Beside costs a copy of the whole document, so an honest paste is not worth it."""


class YjsDocument:
    """Satisfies `services.gateway.documents.feed.Follower`; ``author`` of what it submits is whoever opens it."""

    def __init__(
        self, document: OpenDocument, reader: DocumentReader, submitter: Submitter, people: YjsPeople
    ) -> None:
        self.people = people
        self.document_id: DocumentId = document.feed.document_id
        self.epoch = 0
        self.revision = Revision(0)
        self.bridge: Bridge | None = None
        self.seats: dict[ClientId, YjsSeat] = {}
        self.users = 0
        """How many seats, and openings under way, need it."""
        self.failure: CoeditError | None = None
        """Why it cannot follow any more: whoever comes next begins another."""
        self.document = document
        self._reader = reader
        self._submitter = submitter
        self._items: YjsItems | None = None
        self._follows = False
        """Whether commits are taken as they come; before, they are read."""
        self._tries_held = False
        self._known: dict[int, int] | None = None
        self._deleted: Deleted | None = None
        self._deleted_at = self.revision
        self._deleted_lock = asyncio.Lock()
        self._lock = asyncio.Lock()
        self._loading: asyncio.Task[None] | None = None
        self._catching_up: asyncio.Task[None] | None = None
        self._wish = BridgeWish(self.submit)

    @property
    def state_vector(self) -> bytes:
        """How far the items of each client are here."""
        return self._loaded.state_vector()

    @property
    def known(self) -> dict[int, int]:
        """The same, decoded."""
        if self._known is None:
            self._known = decode_state_vector(self.state_vector)
        return self._known

    async def open(self, root: str, author: AuthorId) -> None:
        """Load the document, once for all; make it one that Yjs clients can open, if it is not yet.

        Raises:
            WrongRootError: it is the text of another shared type than ``root``.
            QuarantinedError: it is damaged.
            UnavailableError, RedisError, OSError, CoeditError: it cannot be opened now.
        """
        async with self._lock:
            await self._until_caught_up()
            if self.failure is None and not self._follows:
                await self._load(root, author)
            self.check_followed()
        self.check_root(root)

    def check_root(self, root: str) -> None:
        """Refuse a client that would edit another shared type than the one that is the text.

        Raises:
            WrongRootError: it would.
        """
        if self._is_another_root(root) and self.bridge is not None:
            raise WrongRootError(
                f"the document is the shared text {self.bridge.root!r}: ask for it with ?root="
            )

    def _is_another_root(self, root: str) -> bool:
        return self.bridge is not None and self.bridge.is_text and self.bridge.root != root

    def since(self, known: dict[int, int]) -> bytes:
        """Return what somebody who knows so much lacks; what is not here, and what is said of it, does not count."""
        here = {
            client: min(clock, self.known[client]) for client, clock in known.items() if client in self.known
        }
        return self._loaded.since(encode_state_vector(here))

    async def deleted_of(self, known: dict[int, int]) -> bytes | None:
        """Return what was deleted of what somebody knows who lacks items; None: nothing, or nothing is lacking.

        To be told before what is lacking: whoever has a character that was cut since, and put right, has to lose it
        before its halves get neighbours (`coedit.protocol.yjs.whole`).
        """
        if not known or all(clock <= known.get(client, 0) for client, clock in self.known.items()):
            return None
        revision = self.revision
        async with self._deleted_lock:  # it is read once for all who ask meanwhile
            if self._deleted is None or self._deleted_at < revision:
                at, data = self.revision, self._loaded.since(self.state_vector)
                self._deleted, self._deleted_at = await beside(Deleted, data), at
            return self._deleted.within(known)

    async def has_all_of_ours(self, known: dict[int, int]) -> bool:
        """Return whether all items that the server made, of those that somebody knows, are in the document.

        Somebody who was told by another gateway may be ahead of this one for a moment; and what Redis lost may come
        back, as long as it is suspect.

        Raises:
            UnavailableError: that cannot be told yet.
            RedisError, OSError, CoeditError: nor can it be asked.
        """
        deadline = asyncio.get_running_loop().time() + _CATCH_UP_SECONDS
        while not self._covers(known):
            is_suspect = await self.document.stored.is_suspect()
            head = await self.document.until_current()
            if self.failure is not None:
                raise self.failure
            if self.revision >= head and not is_suspect:
                return self._covers(known)
            if asyncio.get_running_loop().time() > deadline:
                raise UnavailableError("the document is being restored; come again in a while")
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        return True

    @property
    def receiver_count(self) -> int:
        """How many Yjs clients have it open."""
        return len(self.seats)

    def submit(self, submission: YjsSubmission, trace: EditTrace | None = None) -> None:
        """Forward what a Yjs client did; what fails is sent again by who keeps it.

        Raises:
            OverloadedError: too much waits.
            UnavailableError: Redis has lost what it might rest on, and is being mended.
        """
        if self.document.is_behind:
            raise UnavailableError("the document is being restored; send again in a while")
        self._submitter.submit(self.document_id, submission, _count, trace)

    def tell(self, message: bytes) -> None:
        """Send a message to all Yjs clients."""
        frame = YjsFrame(message)
        for seat in list(self.seats.values()):
            seat.outlet.write(frame)

    def committed(self, commits: list[Logged]) -> None:
        """Go along with commits; see `services.gateway.documents.feed.Follower`."""
        if not self._follows:
            return
        if self.bridge is None and not commits[0].update:
            # An OT client was the first to write what Yjs clients have open, empty.
            self._follows = False
            self._loading = asyncio.get_running_loop().create_task(self._load_for_all())
            return
        try:
            if _is_dear([commit.update for commit in commits]):
                self._follows = False
                self._catching_up = asyncio.get_running_loop().create_task(self._catch_up_beside())
                return
            for commit in commits:
                self._follow(commit)
        except CoeditError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - it is told, logged and counted
            self._on_defect(error)  # the subscriptions of the same feed are none of its business

    def answered(self, event: Answer) -> None:
        """Hand an answer to whom it is for."""
        self._wish.answered(event)
        seat = self.seats.get(event.client_id)
        if seat is None:
            return
        match event:
            case YjsTaken() | Repeated():
                seat.answer(event.client_sequence)
            case YjsHeld():
                seat.hold(event.client_sequence)
            case Rejected():
                seat.reject(event)
        self.people.answered()

    def moved(self, present: Sequence[dict[str, Any]], left: Sequence[ClientId]) -> None:
        """Take note of who came or moved, and who is gone."""
        self.people.moved(present, left)

    def refresh_roster(self) -> None:
        """Read again who is here."""
        self.people.read_again()

    def dropped(self, error: CoeditError) -> None:
        """The document has another history now, or is damaged."""
        self._fail(error)

    def close(self) -> None:
        """Go along with the document no more."""
        if self.document.feed.follower is self:
            self.document.feed.follower = None
        for task in (self._loading, self._catching_up):
            if task is not None:
                task.cancel()
        self.people.end()

    @property
    def _loaded(self) -> YjsItems:
        if self._items is None:
            raise self.failure or UnavailableError("the document is not loaded")
        return self._items

    def _covers(self, known: dict[int, int]) -> bool:
        return all(
            clock <= self.known.get(client, 0) for client, clock in known.items() if is_server_id(client)
        )

    async def _load(self, root: str, author: AuthorId) -> None:
        damage = await self.document.look_for_damage()  # and with it, subscribe
        if damage:
            raise QuarantinedError(f"the document is damaged: {damage}")
        self.document.feed.follower = self
        loaded = await self._reader.load(self.document_id)
        if loaded.revision > 0 and not loaded.has_its_items:
            await self._wish.make(lambda: self.document.feed.epoch, root, author)
            loaded = await self._reader.load(self.document_id)
            if not loaded.has_its_items:
                raise UnavailableError("the document cannot be opened by Yjs clients yet")
        self.document.check_history(loaded)
        self.document.keep_read(loaded)
        items = await _items_of([loaded.update, *(commit.update for commit in loaded.recent)])
        self.epoch, self.revision, self.bridge = loaded.epoch, loaded.revision, loaded.bridge
        self._items, self._known = items, None
        root_now = self.bridge.text_root if self.bridge else root
        self.people.begin(root_now, self.revision, items, self._recent(loaded))
        await self._catch_up()

    def _recent(self, loaded: LoadedDocument) -> Sequence[Commit]:
        """Return some commits that led to where the document was loaded, from memory or as they were read."""
        _, kept = self.document.feed.recent_above(0)
        known = [commit for commit in kept if commit.revision <= loaded.revision][-_RECENT_COMMITS:]
        if not known or known[-1].revision != loaded.revision or len(known) < len(loaded.recent):
            return loaded.recent[-_RECENT_COMMITS:]
        return [commit.commit() for commit in known]

    async def _load_for_all(self) -> None:
        """Load the document for those who have it open already, and tell them all of it."""
        try:
            async with self._lock:
                await self._until_caught_up()
                if self.failure is not None:
                    return
                if not self._follows:  # else somebody who opened it has loaded it meanwhile
                    seat = next(iter(self.seats.values()))
                    await self._load(seat.root, seat.identity.author)
                self.tell(write_update(self.since({})))
            self._send_others_away()
        except (CoeditError, StopIteration, *TROUBLE) as error:
            self._fail(UnavailableError(f"the document cannot be loaded now: {error!r}"))
        except Exception as error:  # noqa: BLE001 - it is told, logged and counted
            self._on_defect(error)

    async def _until_caught_up(self) -> None:
        """Return with nothing being applied beside the loop: what is loaded then goes past nothing that is to be told.

        Between the end of one task and the turn of who waits for it, the feed may have begun another. One that was
        cancelled was so by `close`, and has nobody left to tell.
        """
        while (task := self._catching_up) is not None and not task.done():
            await asyncio.wait({task})

    def _send_others_away(self) -> None:
        """End the document for those who edit another shared type than the one that it has turned out to be."""
        for seat in list(self.seats.values()):
            if self._is_another_root(seat.root):
                ERRORS.labels(WrongRootError.code).inc()
                seat.outlet.end(CloseCode.REFUSED, WrongRootError.code)

    async def _catch_up_beside(self) -> None:
        """Go along with commits that would hold up everybody else, and with what comes meanwhile."""
        try:
            await self._catch_up()
        except (CoeditError, *TROUBLE) as error:
            self._fail(UnavailableError(f"the document cannot be followed now: {error!r}"))
        except Exception as error:  # noqa: BLE001 - it is told, logged and counted
            self._on_defect(error)

    async def _catch_up(self) -> None:
        """Go on to where the feed is; from there on it tells of what comes."""
        while commits := await self.document.logged_after(self.revision):
            if any(_is_dear([commit.update]) for commit in commits):
                await self._follow_beside(commits)
            else:
                await self._follow_each(commits)
        # Nothing was awaited since the feed said that there is no more.
        self._follows = True

    async def _follow_each(self, commits: list[Logged]) -> None:
        """Go along with commits, and let others have their turn before each."""
        for commit in commits:
            await asyncio.sleep(0)
            self.check_followed()
            self._follow(commit)

    async def _follow_beside(self, commits: list[Logged]) -> None:
        """Go along with commits by one copy for them all, made in a thread.

        What it is made of is read here: Yjs has one transaction at a time, and others ask the items meanwhile.
        """
        held = self._loaded.since(_NOTHING_KNOWN)
        ahead = await _items_of([held, *(commit.update for commit in commits)])
        self.check_followed()
        self.people.leave_behind()
        for commit in commits:
            self._follow(commit, ahead)

    def check_followed(self) -> None:
        """Refuse to go on with a document that cannot be followed any more.

        Raises:
            CoeditError: it cannot be.
        """
        self.document.check_deleted()
        if self.failure is not None:
            raise self.failure

    def _follow(self, commit: Logged, ahead: YjsItems | None = None) -> None:
        """Go along with a commit; ``ahead``: the items that it, and what follows at once, make of those here.

        Raises:
            UnavailableError: it cannot be.
            DamagedError: Yjs failed on it.
        """
        if commit.revision <= self.revision:
            return
        if commit.revision != self.revision + 1:
            raise UnavailableError(f"revision {commit.revision} came after revision {self.revision}")
        if not commit.update:
            raise UnavailableError(f"revision {commit.revision} has no Yjs update")
        if self.bridge is None:
            self.bridge = Bridge.declared(Revision(commit.revision), commit.fields.get("bridge", ""))
            self.people.set_root(self.bridge.text_root)
            self._send_others_away()
        if ahead is None:
            self._loaded.apply(commit.update)
        else:
            self._loaded.become(ahead)
        self._known = None
        self.revision, self.epoch = Revision(commit.revision), commit.fields["epoch"]
        self.tell(write_update(commit.update))
        YJS_DELIVERED.inc(len(self.seats))
        seat = self.seats.get(commit.fields["client_id"])
        if seat is not None:
            seat.answer(commit.fields["client_sequence"])
        self.people.committed(commit)
        if any(seat.holds for seat in self.seats.values()) and not self._tries_held:
            # Not at once: the owner holds back too, and tells of what it let go in the same breath.
            self._tries_held = True
            asyncio.get_running_loop().call_later(_TRY_HELD_SECONDS, self._try_held)

    def _try_held(self) -> None:
        self._tries_held = False
        if self._follows:
            for seat in list(self.seats.values()):
                seat.try_held()

    def _on_defect(self, error: Exception) -> None:
        LOOP_ERRORS.labels("yjs").inc()
        facts = {"event": "defect", "document_id": self.document_id}
        logger.error("a defect in following a document for Yjs clients", extra=facts, exc_info=error)
        self._fail(UnavailableError(f"a defect of the server: {type(error).__name__}"))

    def _fail(self, error: CoeditError) -> None:
        """Send everybody away; whoever comes back begins afresh."""
        if self.failure is not None:
            return
        self.failure = error
        self._items, self._follows = None, False
        self.people.end()
        facts = {"event": "yjs-dropped", "document_id": self.document_id, "error": str(error)}
        logger.warning("Yjs clients of a document have to come again", extra=facts)
        code = CloseCode.DELETED if isinstance(error, DeletedError) else CloseCode.SYNC_AGAIN
        for seat in list(self.seats.values()):
            seat.outlet.end(code, error.code)


def _is_dear(updates: Sequence[bytes]) -> bool:
    """Return whether applying updates in one go would hold up everybody else; most that are long are one long string.

    Raises:
        InvalidUpdateError: one of them is none.
    """
    size = sum(map(len, updates))
    if size <= LONG_BYTES:
        return False
    parts = 0
    for update in updates:
        if size > _LONGEST_AT_ONCE or parts > _MOST_PARTS:
            return True
        parts += parts_of(update, _MOST_PARTS - parts) if update else 0
    return parts > _MOST_PARTS


async def _items_of(updates: Sequence[bytes]) -> YjsItems:
    """Return the items that updates bring; made in a thread where that may take long."""
    brought = [update for update in updates if update]
    if sum(map(len, brought)) <= LONG_BYTES:
        return YjsItems.of(brought)
    return await asyncio.to_thread(YjsItems.of, brought)


def _count(error: CoeditError) -> None:
    ERRORS.labels(error.code).inc()
