"""Awareness, by which Yjs clients say who and where they are: its format, and whose word counts for whom.

Each state has a clock, and the greater clock wins. Whoever is silent for half a minute is gone. Providers send
back to the server what they heard of others, so that most of what comes is no news; and anyone could say anything
of anybody. Here an id belongs to the one owner that brought it first, an owner has one id, and only the owner's
word counts while it has not been silent for too long.

Source: the npm package y-protocols, ``awareness.js``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from coedit.errors import InvalidUpdateError, TooLargeError
from coedit.presence.roster import MAX_STATE_CHARACTERS
from coedit.protocol.yjs.ids import is_server_id
from coedit.protocol.yjs.lib0 import Reader, write_text, write_uint

MAX_ENTRIES = 10_000
"""In one update: a provider may send back all it knows."""
MAX_STATE_BYTES = MAX_STATE_CHARACTERS
"""Of one state's JSON, in UTF-8."""
OUTDATED_SECONDS = 30.0
"""After what silence a state is gone; its owner renews it twice as often."""
_REMEMBERED_SECONDS = 60.0
"""How long the clock of one that is gone is known, so that an echo does not bring it back."""
_GONE = "null"


class Entry(NamedTuple):
    """The state of one Yjs client at its ``clock``, as JSON; `null`: it is gone."""

    client: int
    clock: int
    state: str

    @property
    def is_gone(self) -> bool:
        """Whether the client has no state any more."""
        return self.state == _GONE


def read_entries(update: bytes) -> list[Entry]:
    """Return what an awareness update says; states that nobody may have are checked when they are merged.

    Raises:
        InvalidUpdateError: it is none.
    """
    reader = Reader(update)
    count = reader.uint()
    if count > MAX_ENTRIES:
        raise InvalidUpdateError(f"an awareness update has at most {MAX_ENTRIES} entries")
    entries = [Entry(reader.uint(), reader.uint(), reader.text()) for _ in range(count)]
    if not reader.is_at_end:
        raise InvalidUpdateError("bytes follow behind the end")
    return entries


def write_entries(entries: Iterable[Entry]) -> bytes:
    """Return an awareness update."""
    parts = [write_uint(client) + write_uint(clock) + write_text(state) for client, clock, state in entries]
    return write_uint(len(parts)) + b"".join(parts)


def check_state(state: str) -> None:
    """Refuse a state that is too large, or that a browser could not read.

    Raises:
        TooLargeError: it is above the bound.
        InvalidUpdateError: it is not JSON.
    """
    if len(state.encode("utf-8")) > MAX_STATE_BYTES:
        raise TooLargeError(
            f"an awareness state of {len(state)} characters; allowed are {MAX_STATE_BYTES} bytes"
        )
    try:
        orjson.loads(state)
    except orjson.JSONDecodeError as error:
        raise InvalidUpdateError("an awareness state is not JSON") from error


@dataclass(slots=True)
class _Known:
    owner: str
    clock: int
    state: str
    heard_at: float


@dataclass(slots=True)
class Merged:
    """What came of some entries: ``news`` is to be told to others; ``foreign`` of them were of others' ids."""

    news: list[Entry] = field(default_factory=list)
    foreign: int = 0


@dataclass(slots=True)
class AwarenessStates:
    """The states of one document's Yjs clients; times are seconds of any one clock, and arguments."""

    _known: dict[int, _Known] = field(default_factory=dict)
    _ids: dict[str, int] = field(default_factory=dict)
    """The id of each owner."""

    def hear(
        self, owner: str, entries: Iterable[Entry], now: float, shown: Callable[[str], str] | None = None
    ) -> Merged:
        """Merge what ``owner``, somebody outside, says; ``shown`` makes of its own state what others are shown.

        Raises:
            TooLargeError, InvalidUpdateError: `check_state` refuses its own state; what came before it counts.
        """
        merged = Merged()
        for entry in entries:
            if not self._may_speak(owner, entry.client, now):
                merged.foreign += 1
            elif self._is_news(entry):
                check_state(entry.state)
                if shown is not None and not entry.is_gone:
                    entry = entry._replace(state=shown(entry.state))  # noqa: PLW2901 - it is what is merged
                    check_state(entry.state)
                self._take(owner, entry, now)
                if (
                    entry.clock
                ):  # with clock 0 it is shown to nobody; but whose the id is, is known from now on
                    merged.news.append(entry)
        return merged

    def tell(self, owner: str, client: int, state: str, clock: int, now: float) -> Entry | None:
        """Take note of the state of an ``owner`` who is known by other means; return the entry if it is news."""
        known = self._known.get(client)
        if known is not None and (
            known.clock >= clock or (known.owner != owner and not _is_silent(known, now))
        ):
            return None
        entry = Entry(client, clock, state)
        self._take(owner, entry, now)
        return entry

    def leave(self, owner: str, now: float) -> Entry | None:
        """Forget ``owner``; return what tells the others, if it had a state."""
        client = self._ids.pop(owner, None)
        known = None if client is None else self._known.get(client)
        if client is None or known is None or known.owner != owner:
            return None
        was_gone = known.state == _GONE
        known.owner, known.state, known.heard_at = "", _GONE, now
        return None if was_gone else Entry(client, known.clock, _GONE)

    def expire(self, now: float) -> list[Entry]:
        """Let go who was silent for too long; return what tells the others."""
        silent = [known.owner for known in self._known.values() if known.owner and _is_silent(known, now)]
        told = [entry for owner in silent if (entry := self.leave(owner, now)) is not None]
        forgotten = [
            client
            for client, known in self._known.items()
            if not known.owner and now - known.heard_at > _REMEMBERED_SECONDS
        ]
        for client in forgotten:
            del self._known[client]
        return told

    def entries(self) -> list[Entry]:
        """Return the state of everybody who has one."""
        return [
            Entry(client, known.clock, known.state)
            for client, known in self._known.items()
            if known.state != _GONE and known.clock
        ]

    def owners(self) -> list[str]:
        """Return everybody who has an id."""
        return list(self._ids)

    def _may_speak(self, owner: str, client: int, now: float) -> bool:
        if is_server_id(client):
            return False
        known = self._known.get(client)
        if known is not None and known.owner not in ("", owner) and not _is_silent(known, now):
            return False
        mine = self._ids.get(owner)
        if mine is None or mine == client:
            return True
        held = self._known.get(mine)
        return held is None or held.state == _GONE

    def _is_news(self, entry: Entry) -> bool:
        known = self._known.get(entry.client)
        if known is None:
            return True
        return entry.clock > known.clock or (
            entry.clock == known.clock and entry.is_gone and known.state != _GONE
        )

    def _take(self, owner: str, entry: Entry, now: float) -> None:
        before = self._known.get(entry.client)
        if before is not None and before.owner not in ("", owner):
            self._ids.pop(before.owner, None)
        self._ids[owner] = entry.client
        self._known[entry.client] = _Known(owner, entry.clock, entry.state, now)


def _is_silent(known: _Known, now: float) -> bool:
    return now - known.heard_at > OUTDATED_SECONDS
