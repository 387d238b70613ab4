"""Who is in a document and where, for Yjs clients: their own awareness states, and the presences of everybody else.

What a Yjs client here says goes on to the Yjs clients here at once, and by the presence service to everybody else: its
state as it is for Yjs clients of other gateways, its name and its caret for OT clients. The other way, whoever is no
Yjs client gets a state that the editor bindings show, under an id of the server's.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from coedit.crdt.items import YjsItems
from coedit.errors import CoeditError, ProtocolError
from coedit.identifiers import AuthorId, ClientId, DocumentId, Revision
from coedit.ot.commit import Caret, Commit
from coedit.presence.remote_carets import RemoteCarets
from coedit.presence.roster import Presence, YjsState, presence_from_fields, shared_fields
from coedit.protocol.tokens import Identity
from coedit.protocol.yjs.awareness import AwarenessStates, Entry, read_entries, write_entries
from coedit.protocol.yjs.ids import awareness_id
from coedit.protocol.yjs.person import read_person, vouched, write_person
from coedit.protocol.yjs.sync import write_awareness
from coedit.store.presence.store import PresenceStore
from coedit.store.redis.connection import TROUBLE
from services.gateway.documents.recent import Logged
from services.gateway.metrics import ERRORS, LOOP_ERRORS, YJS_IGNORED
from services.gateway.redis.presences import Presences
from services.gateway.yjs.carets import YjsCarets
from services.gateway.yjs.frames import YjsFrame

logger = logging.getLogger(__name__)

_NOBODY = ClientId("-")
_MOMENT_SECONDS = 0.02
_TICK_SECONDS = 0.05
_RENEW_SECONDS = 15.0
CLOCKS_A_SECOND = 10
_CLOCKS_SINCE = 1_735_689_600
"""Clocks of what the server says count from 2025 on, so that they grow from gateway to gateway, within 32 bits: by the
one clock that all gateways have. A Yjs client passes over what has a lower clock than it saw, wherever it saw that."""


class Speaker(Protocol):
    """A Yjs client here, as far as it takes that to say where it is."""

    client_id: ClientId
    identity: Identity

    @property
    def newest_sent(self) -> int:
        """The number of the submission that was made last of what it sent."""

    def is_answered_to(self, sequence: int) -> bool:
        """Return whether its submissions up to ``sequence`` are dealt with, as far as they can be."""


class YjsPeople:
    """The people of one document; ``tell`` sends a message to all Yjs clients here, ``is_here`` knows them."""

    def __init__(
        self,
        document_id: DocumentId,
        presences: Presences,
        rosters: PresenceStore,
        time_of_day: Callable[[], float],
    ) -> None:
        self.tell: Callable[[bytes], None] = lambda _: None
        self.seat_of: Callable[[ClientId], Speaker | None] = lambda _: None
        self._document_id = document_id
        self._presences = presences
        self._rosters = rosters
        self._time_of_day = time_of_day
        self._states = AwarenessStates()
        self._root: str | None = None
        self._revision = Revision(0)
        self._carets: YjsCarets | None = None
        self._others = RemoteCarets(_NOBODY, Revision(0))
        """Who is no Yjs client."""
        self._moved: dict[ClientId, Revision] = {}
        """Those of them of whom something else is to be said, once the document is at the revision that they named."""
        self._said: dict[ClientId, tuple[str, int, float]] = {}
        """What the server says of these: the state, its clock, and when."""
        self._unplaced: dict[ClientId, tuple[Entry, int]] = {}
        """Yjs clients here whose carets wait for what has not come yet, and up to which of their submissions."""
        self._count = 0
        """Of changes of the roster that came so far."""
        self._news: dict[int, Entry] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_due = False
        self._is_placing = False

    def begin(self, root: str | None, revision: Revision, items: YjsItems, recent: Sequence[Commit]) -> None:
        """Begin with a document at ``revision`` whose text is ``root``; None: it is no text, and has no carets.

        ``recent`` are the commits that led there, as far as they are known: carets may have been stated before them.
        """
        self._revision, self._root = revision, root
        self._others.reopened(Revision(revision - len(recent)))
        for commit in recent:
            self._others.committed(commit)
        self._items = items
        self._carets = None if root is None else YjsCarets(root, items)
        self.read_again()

    def set_root(self, root: str | None) -> None:
        """Take note of which shared text the document has turned out to be."""
        if root != self._root:
            self._root = root
            self._carets = None if root is None else YjsCarets(root, self._items)

    def end(self) -> None:
        """Do nothing more."""
        for task in self._tasks:
            task.cancel()

    def hear(self, seat: Speaker, update: bytes) -> None:
        """Take in an awareness update of a client here.

        A state that nobody may have is passed over: its client edits on, and is not seen.

        Raises:
            InvalidUpdateError: it is none.
        """
        entries = read_entries(update)
        try:
            shown = _shown_as(seat.identity)
            merged = self._states.hear(seat.client_id, entries, time.monotonic(), shown)
        except CoeditError as error:
            ERRORS.labels(error.code).inc()
            YJS_IGNORED.labels("state").inc()
            return
        if merged.foreign:
            YJS_IGNORED.labels("foreign-state").inc(merged.foreign)
        self._tell(merged.news)
        for entry in merged.news:
            if entry.is_gone:
                self._unplaced.pop(seat.client_id, None)
                self._start(partial(self._presences.leave, seat.client_id, self._document_id))
            else:
                self._say(seat, entry, seat.newest_sent)

    async def left(self, client_id: ClientId) -> None:
        """A Yjs client here is gone."""
        entry = self._states.leave(client_id, time.monotonic())
        if entry is not None:
            self._tell([entry])
        self._unplaced.pop(client_id, None)
        await self._presences.leave(client_id, self._document_id)

    def moved(self, present: Iterable[dict[str, Any]], left: Sequence[ClientId]) -> None:
        """Take in a change of the roster: of Yjs clients here more is known already."""
        self._count += 1
        news = [entry for client in left if (entry := self._forget(client)) is not None]
        people: list[Presence] = []
        for fields in present:
            with suppress(ProtocolError):
                people.append(presence_from_fields(fields))
        self._tell(news + self._met(people))

    def leave_behind(self) -> None:
        """Take note that much comes at once, which the items have taken."""
        if self._carets is not None:
            self._carets.leave_behind()

    def committed(self, commit: Logged) -> None:
        """Go along with a commit, which the items have taken."""
        self._revision = Revision(commit.revision)
        if self._carets is not None:
            self._carets.apply(commit.update)
        if self._root is None:
            return
        self._others.committed(commit.commit())
        if "caret" in commit.fields and self.seat_of(commit.fields["client_id"]) is None:
            self._moved[commit.fields["client_id"]] = self._revision
        self._show_soon()
        self.answered()

    def answered(self) -> None:
        """Say the carets that waited for what their owners had sent before."""
        for client_id, (entry, sequence) in list(self._unplaced.items()):
            seat = self.seat_of(client_id)
            if seat is not None and seat.is_answered_to(sequence):
                if self._caret(entry) is not None:
                    self._say_placed(client_id)
                else:
                    self._place_soon()

    def everybody(self) -> YjsFrame | None:
        """Return the states of all, for somebody who comes; None: there is nobody."""
        entries = self._states.entries()
        return YjsFrame(write_awareness(write_entries(entries))) if entries else None

    def step(self, now: float) -> None:
        """Let go who was silent for long, and renew what the server says."""
        gone = self._states.expire(now)
        news = list(gone)
        for client_id, (state, clock, said_at) in list(self._said.items()):
            if now - said_at >= _RENEW_SECONDS:
                news += self._assert(client_id, state, clock, now)
        self._tell(news)

    def read_again(self) -> None:
        """Read the whole roster: whoever is not in it is gone."""
        self._start(self._read_roster)

    async def _read_roster(self) -> None:
        try:
            count = -1
            while count != self._count:  # what the channel brought meanwhile would be taken back
                count = self._count
                present = await self._rosters.read_roster(self._document_id)
        except TROUBLE as error:
            LOOP_ERRORS.labels("presence").inc()
            logger.info("a roster was not read", extra={"event": "presence-error", "error": repr(error)})
            return
        here = {presence.client_id for presence in present}
        gone = [client for client in self._remote() if client not in here]
        self.moved([shared_fields(presence) for presence in present], gone)

    def _remote(self) -> list[ClientId]:
        known = {*self._said, *(presence.client_id for presence in self._others.shown())}
        known |= {ClientId(owner) for owner in self._states.owners()}
        return [client for client in known if self.seat_of(client) is None]

    def _met(self, people: list[Presence]) -> list[Entry]:
        """Take in others' presences; return what is to be told at once."""
        now, news = time.monotonic(), list[Entry]()
        others: list[Presence] = []
        for presence in people:
            if self.seat_of(presence.client_id) is not None:
                continue
            if presence.yjs is None:
                others.append(presence)
                continue
            client, clock, state = presence.yjs
            entry = self._states.tell(presence.client_id, client, state, clock, now)
            news += [entry] if entry is not None else []
        self._others.changed(others, ())
        self._moved |= {presence.client_id: presence.revision for presence in others}
        self._show_soon()
        return news

    def _forget(self, client: ClientId) -> Entry | None:
        if self.seat_of(client) is not None:
            return None
        self._others.changed((), (client,))
        self._moved.pop(client, None)
        self._said.pop(client, None)
        return self._states.leave(client, time.monotonic())

    def _show_soon(self) -> None:
        """Tell where those are who moved, once for all that happens within a tick."""
        if not self._is_due and any(revision <= self._revision for revision in self._moved.values()):
            self._is_due = True
            self._start(self._show)

    async def _show(self) -> None:
        await asyncio.sleep(_TICK_SECONDS)
        self._is_due = False
        if self._carets is not None:
            await self._carets.make()
        due = {client for client, revision in self._moved.items() if revision <= self._revision}
        for client in due:
            del self._moved[client]
        for presence in self._others.shown():
            if presence.client_id in due:
                self._tell(self._show_one(presence, presence.caret))

    def _show_one(self, presence: Presence, caret: Caret | None) -> list[Entry]:
        cursor = None
        if caret is not None and self._carets is not None and self._carets.is_ready:
            cursor = self._carets.items(caret)
        state = write_person(
            presence.name or presence.author, presence.colour, cursor, self._root or "", presence.avatar
        )
        before, clock, _ = self._said.get(presence.client_id, ("", 0, 0.0))
        if state == before:
            return []
        return self._assert(presence.client_id, state, clock, time.monotonic())

    def _assert(self, client_id: ClientId, state: str, clock: int, now: float) -> list[Entry]:
        """Say the state of somebody who is no Yjs client, under a clock above the last."""
        clock = max(clock + 1, int((self._time_of_day() - _CLOCKS_SINCE) * CLOCKS_A_SECOND))
        self._said[client_id] = state, clock, now
        entry = self._states.tell(client_id, awareness_id(client_id), state, clock, now)
        return [] if entry is None else [entry]

    def _say(self, seat: Speaker, entry: Entry, sequence: int) -> None:
        """Report a Yjs client here to everybody else; its caret as soon as it can be told.

        That is when its submissions up to ``sequence``, which it had made before, are part of the text: offsets in the
        text before would be carried over them as if they were somebody else's.
        """
        self._unplaced.pop(seat.client_id, None)
        person = read_person(entry.state, self._root or "")
        revision, caret = self._revision, self._caret(entry) if seat.is_answered_to(sequence) else None
        if caret is None and person.cursor is not None and self._carets is not None:
            # Beside what its author typed a moment ago, and what is not committed yet: until then it is where it was.
            self._unplaced[seat.client_id] = entry, sequence
            known = self._presences.known(seat.client_id, self._document_id)
            if known is not None:
                revision, caret = known.revision, known.caret
            self._place_soon()
        presence = Presence(
            seat.client_id,
            AuthorId(seat.identity.author),
            person.name,
            person.colour,
            revision,
            caret,
            YjsState(*entry),
            seat.identity.avatar,
        )
        self._presences.say(self._document_id, presence)

    def _caret(self, entry: Entry) -> Caret | None:
        cursor = read_person(entry.state, self._root or "").cursor
        return None if cursor is None or self._carets is None else self._carets.caret(*cursor)

    def _place_soon(self) -> None:
        """Make what carets are told with, if it is not there, for all who wait for it."""
        carets = self._carets
        if carets is not None and not (carets.is_ready or carets.is_broken or self._is_placing):
            self._is_placing = True
            self._start(partial(self._place, carets))

    async def _place(self, carets: YjsCarets) -> None:
        try:
            await carets.make()
        finally:
            self._is_placing = False
        self.answered()

    def _say_placed(self, client_id: ClientId) -> None:
        waiting, seat = self._unplaced.pop(client_id, None), self.seat_of(client_id)
        if waiting is not None and seat is not None:
            self._say(seat, *waiting)

    def _tell(self, entries: Sequence[Entry]) -> None:
        """Tell all Yjs clients here, once for all that happens within a moment: the newest of each counts."""
        if not self._news and entries:
            asyncio.get_running_loop().call_later(_MOMENT_SECONDS, self._tell_news)
        self._news.update((entry.client, entry) for entry in entries)

    def _tell_news(self) -> None:
        news, self._news = self._news, {}
        self.tell(write_awareness(write_entries(news.values())))

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.get_running_loop().create_task(_guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _shown_as(identity: Identity) -> Callable[[str], str] | None:
    """Return what makes of a state one in which its client is shown as its token has it; None: as it says itself."""
    if not (identity.name or identity.colour or identity.avatar):
        return None
    return partial(vouched, name=identity.name, colour=identity.colour, avatar=identity.avatar)


async def _guarded(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except CoeditError as error:
        LOOP_ERRORS.labels("yjs-people").inc()
        logger.warning("carets are not told", extra={"event": "yjs-people", "error": str(error)})
    except Exception:
        LOOP_ERRORS.labels("yjs-people").inc()
        logger.exception("a defect in telling who is where", extra={"event": "defect"})
