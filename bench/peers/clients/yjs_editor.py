"""One client that speaks Yjs: every edit is an update of its own, as many unacked as one likes.

Servers send a client's own update back to it as to everyone else: that is the ack.
"""

import asyncio
from collections.abc import Callable

from bench.peers.clients.yjs_framing import Framing
from bench.peers.clients.yjs_update import Span, Typed, read_spans, write_insertion
from bench.raw_socket import RawSocket
from bench.tally import DocumentTally, Tally
from coedit.protocol.yjs.lib0 import Reader
from coedit.protocol.yjs.sync import write_step_1, write_update

_EMPTY_STATE = b"\x00"
_SYNC, _STEP_2, _UPDATE = 0, 1, 2
_CACHED_UPDATES = 4096
_spans: dict[bytes, list[Span]] = {}
"""What updates insert, by their bytes: the same update comes to many clients of this process."""


class YjsEditor:
    """Types behind what it typed last, and counts what others insert."""

    def __init__(
        self, framing: Framing, tally: Tally, document: str, counts: DocumentTally, number: int
    ) -> None:
        self.client = number
        self.on_ack: Callable[[YjsEditor, int], None] = lambda _editor, _edits: None
        self.is_open = asyncio.Event()
        self._framing = framing
        self._prefix = framing.prefix(document)
        self._tally = tally
        self._document = document
        self._counts = counts
        self._clock = 0
        self._ends: dict[int, int] = {}
        """How far each client's characters have come in."""
        self._socket: RawSocket
        self._is_ending = False

    @property
    def is_quiet(self) -> bool:
        """Whether everything typed into the document has come, one's own too."""
        return sum(self._ends.values()) == self._counts.edits

    async def connect(self, host: str, port: int) -> None:
        """Connect and synchronize; return at the first step 2."""
        path = self._framing.path(self._document)
        self._socket = RawSocket(f"{host}:{port}", path, self._on_payload, self._on_end)
        await asyncio.get_running_loop().create_connection(lambda: self._socket, host, port)
        await self._socket.upgraded
        for message in [*self._framing.greeting(), write_step_1(_EMPTY_STATE)]:
            self._socket.send(self._prefix + message)
        await self.is_open.wait()

    def type(self, edits: int) -> None:
        """Type so many characters, each an update."""
        for _ in range(edits):
            self._send(write_insertion(self.client, self._clock, "x"), 1)

    def close(self) -> None:
        """Leave."""
        self._is_ending = True
        self._socket.close()

    def _send(self, update: bytes, edits: int) -> None:
        for clock in range(self._clock, self._clock + edits):
            self._tally.sent(self.client, clock)
        self._clock += edits
        self._counts.edits += edits
        self._socket.send(self._prefix + write_update(update))

    def _on_payload(self, payload: bytes) -> None:
        reader = Reader(payload, len(self._prefix))
        if reader.uint() != _SYNC:
            return
        step = reader.uint()
        if step in (_STEP_2, _UPDATE):
            self._on_update(reader.bytes())
        if step == _STEP_2:
            self.is_open.set()

    def _on_update(self, update: bytes) -> None:
        others = list[Typed]()
        acked = 0
        for client, first, end in _read(update):
            known = self._ends.get(client, 0)
            if end <= known:
                continue
            if first > known:
                self._tally.errors.append(f"{self._document}: {client} goes on at {first} after {known}")
            self._ends[client] = end
            if client == self.client:
                acked += end - known
            else:
                others += [Typed(client, clock) for clock in range(known, end)]
        if others:
            self._tally.told(others)
        if acked:
            self._on_acked(acked)

    def _on_acked(self, edits: int) -> None:
        end = self._ends[self.client]
        for clock in range(end - edits, end):
            self._tally.acked(self.client, clock, 1)
        self.on_ack(self, edits)

    def _on_end(self, reason: str) -> None:
        if not self._is_ending:
            self._tally.errors.append(reason)


def _read(update: bytes) -> list[Span]:
    spans = _spans.get(update)
    if spans is None:
        if len(_spans) >= _CACHED_UPDATES:
            _spans.clear()
        spans = _spans[update] = read_spans(update)
    return spans
