"""A Yjs client that types anywhere in its document, and therefore has one."""

import random
from typing import Any

from pycrdt import Doc, Text, TransactionEvent

from bench.peers.clients.yjs_editor import YjsEditor
from bench.peers.clients.yjs_framing import Framing
from bench.peers.clients.yjs_update import ROOT
from bench.tally import DocumentTally, Tally


class YjsWanderer(YjsEditor):
    """Inserts one character at a random place."""

    def __init__(
        self, framing: Framing, tally: Tally, document: str, counts: DocumentTally, number: int
    ) -> None:
        super().__init__(framing, tally, document, counts, number)
        self._doc: Doc[Any] = Doc(client_id=number)
        self._text: Text = self._doc.get(ROOT, type=Text)
        self._length = 0
        self._made = list[bytes]()
        self._is_applying = False
        self._subscription = self._doc.observe(self._on_change)
        self._chance = random.Random(number)

    @property
    def text(self) -> str:
        """The document."""
        return str(self._text)

    def type(self, edits: int) -> None:
        """Type so many characters, each at a place of its own."""
        for _ in range(edits):
            self._insert(self._chance.randint(0, self._length), "x")

    def paste(self, text: str) -> None:
        """Insert a text at the start."""
        self._insert(0, text)

    def _insert(self, place: int, text: str) -> None:
        self._text.insert(place, text)
        self._length += len(text)
        for update in self._made:
            self._send(update, len(text))
        self._made.clear()

    def _on_update(self, update: bytes) -> None:
        self._is_applying = True
        self._doc.apply_update(update)
        self._is_applying = False
        super()._on_update(update)
        # Everything that has come in, and one's own that is on its way.
        self._length = sum(self._ends.values()) - self._ends.get(self.client, 0) + self._clock

    def _on_change(self, event: TransactionEvent) -> None:
        if not self._is_applying:
            self._made.append(event.update)
