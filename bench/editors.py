"""One client of the load generator: types at the start of its document, one submission in flight.

Inserting at position 0 needs no transform on the client's side: whatever others inserted stands behind it, and a
pending insert stays where it is. What is typed while a submission is in flight is composed into the next one.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgpack

from bench.raw_socket import RawSocket
from bench.tally import BrokenPromiseError, Committed, DocumentTally, Tally


class Dialect(Protocol):
    """What differs between coedit and the floor that forwards bytes."""

    def path(self, document: str) -> str:
        """Return where to connect to."""

    def greeting(self, author: str) -> dict[str, Any] | None:
        """Return the first message, or None if there is none."""

    def submission(self, editor: "Editor", text: str) -> dict[str, Any]:
        """Return the message that inserts ``text`` at the start."""

    def check(self, editor: "Editor", revision: int) -> None:
        """Check that ``revision`` is the editor's next.

        Raises:
            BrokenPromiseError: it is not.
        """


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
            f"{host}:{port}", self._dialect.path(self.document), self._on_payload, self._on_end
        )
        await loop.create_connection(lambda: self._socket, host, port)
        await self._socket.upgraded
        greeting = self._dialect.greeting(self._author)
        if greeting is None:
            self.is_open.set()
        else:
            self._send(greeting)
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
        self.sequence += 1
        self._counts.submissions += 1
        self._counts.edits += self._in_flight
        self._tally.sent(self.client_id, self.sequence)
        self._send(self._dialect.submission(self, "x" * self._in_flight))

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.send(msgpack.packb(message))

    def _on_payload(self, payload: bytes) -> None:
        message = self._tally.read(payload)
        match message["type"]:
            case "commit":
                self._on_commits(message["brief"])
            case "ack":
                self._on_ack(message["revision"], message["client_sequence"])
            case "welcome":
                self.client_id = message["client_id"]
                self._send({"type": "open", "document": self.document})
            case "opened":
                self.epoch, self.revision = message["epoch"], message["revision"]
                self.is_open.set()
            case "error":
                self._tally.errors.append(f"{message['code']}: {message['message']}")

    def _on_commits(self, commits: list[Committed]) -> None:
        others = [commit for commit in commits if commit[1] != self.client_id]
        for revision, _, sequence in (commit for commit in commits if commit[1] == self.client_id):
            self._on_ack(revision, sequence)
        for revision, _, _ in others:
            self._advance(revision)
        if others:
            self._tally.told(others)

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
        try:
            self._dialect.check(self, revision)
        except BrokenPromiseError as error:
            self._tally.errors.append(str(error))
        self.revision += 1

    def _on_end(self, reason: str) -> None:
        if not self._is_ending:
            self._tally.errors.append(reason)


class CoeditDialect:
    """Protocol v1."""

    def path(self, document: str) -> str:
        """Return the gateway's one path."""
        return "/v1/ws"

    def greeting(self, author: str) -> dict[str, Any] | None:
        """Return a hello in open mode."""
        return {"type": "hello", "author": author}

    def submission(self, editor: Editor, text: str) -> dict[str, Any]:
        """Return a submit with the author's caret behind the text, as an editor sends it."""
        return {
            "type": "submit",
            "document": editor.document,
            "client_sequence": editor.sequence,
            "epoch": editor.epoch,
            "base_revision": editor.revision,
            "delta": [{"insert": text}],
            "caret": {"anchor": len(text), "head": len(text)},
        }

    def check(self, editor: Editor, revision: int) -> None:
        """Check that no revision is left out or comes twice."""
        if revision != editor.revision + 1:
            raise BrokenPromiseError(f"{editor.document}: revision {revision} came after {editor.revision}")


class FloorDialect:
    """A message of a commit's size, which the floor gives to everyone in the room, its author too."""

    def path(self, document: str) -> str:
        """Return the room."""
        return f"/room/{document}"

    def greeting(self, author: str) -> dict[str, Any] | None:
        """Return nothing: the room is in the path."""
        return None

    def submission(self, editor: Editor, text: str) -> dict[str, Any]:
        """Return what the real system would make of it."""
        commit = {
            "revision": 0,
            "delta": [{"insert": text}],
            "author": editor.client_id,
            "client_id": editor.client_id,
            "client_sequence": editor.sequence,
            "at": 1763900000000,
            "mac": "0" * 32,
            "key_id": "0" * 8,
            "caret": {"anchor": len(text), "head": len(text)},
        }
        return {"type": "commit", "document": editor.document, "epoch": 1, "commits": [commit]}

    def check(self, editor: Editor, revision: int) -> None:
        """Check nothing: the floor knows no revisions; what is missing shows at the end."""
