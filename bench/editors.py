"""One client of the load generator: types at the start of its document, one submission in flight.

Inserting at position 0 needs no transform on the client's side: whatever others inserted stands behind it, and a
pending insert stays where it is. What is typed while a submission is in flight is composed into the next one.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from bench.dialects import Ack, Commits, Committed, Dialect, Draft, Opened, Refusal, Welcome, insertion
from bench.raw_socket import RawSocket
from bench.tally import DocumentTally, Tally


class Editor:
    """One client with one document open; ``on_ack`` is told how many edits an ack was for."""

    def __init__(
        self, dialect: Dialect, tally: Tally, document: str, counts: DocumentTally, author: str
    ) -> None:
        self.document = document
        self.client_id = author
        self.sequence = 0
        self.epoch = 0
        self.revision = 0
        self.on_ack: Callable[[Editor, int], None] = lambda _editor, _edits: None
        self.is_open = asyncio.Event()
        self._dialect = dialect
        self._tally = tally
        self._counts = counts
        self._author = author
        self._in_flight = 0
        self._buffered = 0
        self._socket: RawSocket
        self._is_ending = False

    @property
    def is_quiet(self) -> bool:
        """Whether everything typed is acked, and everything of others has come."""
        return not self._in_flight and not self._buffered and self.revision == self._counts.submissions

    async def connect(self, host: str, port: int) -> None:
        """Connect and open the document; return when it is open."""
        loop = asyncio.get_running_loop()
        self._socket = RawSocket(
            f"{host}:{port}",
            self._dialect.path(self.document),
            self._on_payload,
            self._on_end,
            subprotocol=self._dialect.subprotocol,
            is_text=self._dialect.is_text,
        )
        await loop.create_connection(lambda: self._socket, host, port)
        await self._socket.upgraded
        greeting = self._dialect.greeting(self._author)
        if greeting is None:
            self.is_open.set()
        else:
            self._socket.send(greeting)
        await self.is_open.wait()

    def type(self, edits: int) -> None:
        """Type so many characters: sent now, or composed into what goes out after the ack."""
        self._buffered += edits
        if not self._in_flight:
            self._submit()

    def close(self) -> None:
        """Leave."""
        self._is_ending = True
        self._socket.close()

    def _submit(self) -> None:
        self._in_flight, self._buffered = self._buffered, 0
        self._send(0, "x" * self._in_flight)

    def _send(self, place: int, text: str, at: float | None = None) -> None:
        """Submit an insert; ``at`` is when it was typed, if that was earlier."""
        self._counts.edits += len(text)
        self._send_delta(insertion(place, text), place + len(text), at)

    def _send_delta(self, delta: list[dict[str, Any]], caret: int, at: float | None = None) -> None:
        self.sequence += 1
        self._counts.submissions += 1
        self._tally.sent(self.client_id, self.sequence, at)
        draft = Draft(self.document, self.client_id, self.sequence, self.epoch, self.revision, delta, caret)
        self._socket.send(self._dialect.submission(draft))

    def _on_payload(self, payload: bytes) -> None:
        match self._dialect.read(payload):
            case Commits(commits):
                self._on_commits(commits)
            case Ack(revision, sequence):
                self._on_ack(revision, sequence)
            case Welcome(client_id):
                self.client_id = client_id
                for message in self._dialect.opening(self.document):
                    self._socket.send(message)
            case Opened() as opened:
                self._on_opened(opened)
            case Refusal(reason):
                self._tally.errors.append(reason)

    def _on_opened(self, opened: Opened) -> None:
        self.epoch, self.revision = opened.epoch, opened.revision
        self.is_open.set()

    def _on_commits(self, commits: list[Committed]) -> None:
        if self._dialect.repeats_commits:
            commits = [commit for commit in commits if commit.revision > self.revision]
        others = [commit for commit in commits if commit.client_id != self.client_id]
        for commit in commits:
            if commit.client_id == self.client_id:
                self._on_ack(commit.revision, commit.sequence)
        for commit in others:
            self._on_other(commit)
        if others:
            self._tally.told(others)

    def _on_other(self, commit: Committed) -> None:
        self._advance(commit.revision)

    def _on_ack(self, revision: int, sequence: int) -> None:
        self._advance(revision)
        if sequence != self.sequence:
            self._tally.errors.append(f"an ack of {sequence} while {self.sequence} was in flight")
        edits, self._in_flight = self._in_flight, 0
        self._tally.acked(self.client_id, sequence, edits)
        if self._buffered:
            self._submit()
        self.on_ack(self, edits)

    def _advance(self, revision: int) -> None:
        if self._dialect.counts_revisions and revision != self.revision + 1:
            self._tally.errors.append(f"{self.document}: revision {revision} came after {self.revision}")
        self.revision += 1

    def _on_end(self, reason: str) -> None:
        if not self._is_ending:
            self._tally.errors.append(reason)
