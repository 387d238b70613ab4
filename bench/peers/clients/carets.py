"""Clients that move their carets, and see those of others."""

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgpack
import orjson

from bench.dialects import CoeditDialect
from bench.drive import Typist
from bench.editors import Editor
from bench.peers.clients.yjs_editor import YjsEditor
from bench.peers.clients.yjs_framing import Framing
from bench.tally import DocumentTally, Tally
from coedit.protocol.yjs.awareness import Entry, read_entries, write_entries
from coedit.protocol.yjs.lib0 import Reader
from coedit.protocol.yjs.sync import write_awareness

Moves = Mapping[Hashable, int]
"""Where clients' carets are, by who they are."""
_CACHED_FRAMES = 4096
_AWARENESS = 1


@dataclass(slots=True)
class CaretTally:
    """When carets were moved, and how long it took until the clients that watch closely saw it."""

    sent_at: dict[tuple[Hashable, int], float] = field(default_factory=dict)
    newest: dict[Hashable, int] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    _frames: dict[bytes, Moves] = field(default_factory=dict)

    def moved(self, who: Hashable, place: int) -> None:
        """Take note of a move that goes out now."""
        self.sent_at[who, place] = time.perf_counter()
        self.newest[who] = place

    def seen(self, moves: Moves) -> None:
        """Take note of what one of those saw."""
        now = time.perf_counter()
        self.delays += [now - self.sent_at[move] for move in moves.items() if move in self.sent_at]

    def known(self, payload: bytes) -> Moves | None:
        """Return what a frame said when it came to another client."""
        return self._frames.get(payload)

    def remember(self, payload: bytes, moves: Moves) -> Moves:
        """Keep what a frame says for the other clients."""
        if len(self._frames) >= _CACHED_FRAMES:
            self._frames.clear()
        self._frames[payload] = moves
        return moves


class CaretClient(Typist, Protocol):
    """Types, and moves its caret."""

    seen: dict[Hashable, int]
    """Where others' carets are, as far as it knows."""
    watches: bool
    """Whether it takes note of every move's delay: a few do, or the load process would do nothing else."""

    @property
    def who(self) -> Hashable:
        """How others know it."""

    def move(self, place: int) -> None:
        """Put the caret there."""


class CoeditCarets(Editor):
    """Presence of protocol v1: what comes is merged, the newest of each client."""

    def __init__(
        self, tally: Tally, carets: CaretTally, document: str, counts: DocumentTally, author: str
    ) -> None:
        super().__init__(CoeditDialect(), tally, document, counts, author)
        self.seen: dict[Hashable, int] = {}
        self.watches = False
        self._carets = carets

    @property
    def who(self) -> Hashable:
        """The client id."""
        return self.client_id

    def move(self, place: int) -> None:
        """Say where the caret is."""
        self._carets.moved(self.client_id, place)
        caret = {"anchor": place, "head": place}
        message = {"type": "presence", "document": self.document, "revision": self.revision, "caret": caret}
        self._socket.send(msgpack.packb(message))

    def _on_payload(self, payload: bytes) -> None:
        moves = self._carets.known(payload)
        if moves is None and b"\xa8presence" in payload[:32]:
            message = msgpack.unpackb(payload)
            present = [one for one in message["present"] if one.get("caret")]
            moves = self._carets.remember(
                payload, {one["client_id"]: one["caret"]["anchor"] for one in present}
            )
        if moves is None:
            super()._on_payload(payload)
            return
        self.seen.update(moves)
        if self.watches:
            self._carets.seen(moves)


class YjsCarets(YjsEditor):
    """Awareness: each move is a message of its own to everybody."""

    def __init__(
        self,
        framing: Framing,
        tally: Tally,
        carets: CaretTally,
        document: str,
        counts: DocumentTally,
        number: int,
    ) -> None:
        super().__init__(framing, tally, document, counts, number)
        self.seen: dict[Hashable, int] = {}
        self.watches = False
        self._carets = carets
        self._moves = 0

    @property
    def who(self) -> Hashable:
        """The client's number."""
        return self.client

    def move(self, place: int) -> None:
        """Say where the caret is."""
        self._carets.moved(self.client, place)
        self._moves += 1
        state = orjson.dumps({"caret": place}).decode()
        entry = Entry(self.client, self._moves, state)
        self._socket.send(self._prefix + write_awareness(write_entries([entry])))

    def _on_payload(self, payload: bytes) -> None:
        moves = self._carets.known(payload)
        if moves is None:
            reader = Reader(payload, len(self._prefix))
            if reader.uint() != _AWARENESS:
                super()._on_payload(payload)
                return
            entries = [entry for entry in read_entries(reader.bytes()) if not entry.is_gone]
            states = {entry.client: orjson.loads(entry.state).get("caret") for entry in entries}
            moves = self._carets.remember(payload, {who: at for who, at in states.items() if at is not None})
        self.seen.update(moves)
        if self.watches:
            self._carets.seen(moves)
