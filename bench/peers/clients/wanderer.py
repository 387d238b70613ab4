"""An editor that types anywhere in its document, and therefore holds it and transforms."""

import random
import time
from collections import deque

from bench.dialects import Committed, Dialect, Opened
from bench.editors import Editor
from bench.tally import DocumentTally, Tally


class Wanderer(Editor):
    """Inserts one character at a random place, one submission in flight; what is typed meanwhile waits its turn.

    Only inserts are made in its document, so a transform is arithmetic: where both insert at one place, the committed
    text comes first. An edit's delay counts from when it was typed, also if it had to wait.
    """

    def __init__(
        self, dialect: Dialect, tally: Tally, document: str, counts: DocumentTally, author: str
    ) -> None:
        super().__init__(dialect, tally, document, counts, author)
        self._chars = bytearray()
        self._pending: tuple[int, int] | None = None
        """Place and length of the submission in flight."""
        self._typed_at = deque[float]()
        self._chance = random.Random(author)

    @property
    def text(self) -> str:
        """The document, one's own pending edit in it."""
        return self._chars.decode()

    def type(self, edits: int) -> None:
        """Type so many characters, each at a place of its own."""
        self._typed_at.extend([time.perf_counter()] * edits)
        super().type(edits)

    def paste(self, text: str) -> None:
        """Insert a text at the start; to be done before anything is typed."""
        self._in_flight = 1
        self._pending = 0, len(text)
        self._chars[0:0] = text.encode()
        self._send(0, text)

    def _submit(self) -> None:
        self._in_flight, self._buffered = 1, self._buffered - 1
        place = self._chance.randint(0, len(self._chars))
        self._chars[place:place] = b"x"
        self._pending = place, 1
        self._send(place, "x", self._typed_at.popleft())

    def _on_opened(self, opened: Opened) -> None:
        self._chars = bytearray(opened.text.encode())
        super()._on_opened(opened)

    def _on_other(self, commit: Committed) -> None:
        place, text = commit.place, commit.text.encode()
        if self._pending is not None:
            mine, length = self._pending
            if place <= mine:
                self._pending = mine + len(text), length
            else:
                place += length
        self._chars[place:place] = text
        super()._on_other(commit)

    def _on_ack(self, revision: int, sequence: int) -> None:
        self._pending = None
        super()._on_ack(revision, sequence)
