"""What differs between the servers with one order of revisions: how their messages look.

A dialect makes bytes of what an editor does, and tells what a frame says. A frame that goes to many is decoded once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgpack

_CACHED_FRAMES = 4096


class Committed(NamedTuple):
    """A commit, as far as the load generator looks at it: text that was inserted at one place."""

    revision: int
    client_id: str
    sequence: int
    place: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The server knows the client; it may open."""

    client_id: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The document is open at a revision; its text is here, or in so many parts that follow."""

    epoch: int
    revision: int
    text: str = ""
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a large document: all of them joined are a zlib stream of its ops."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ack:
    """One's own submission became this revision."""

    revision: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Commits:
    """What others did, or everybody."""

    commits: list[Committed]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server says no; the load fails."""

    reason: str


Told = Welcome | Opened | Part | Ack | Commits | Refusal | None


@dataclass(frozen=True, slots=True)
class Draft:
    """What an editor submits: a delta on a revision, with the caret behind it."""

    document: str
    client_id: str
    sequence: int
    epoch: int
    base_revision: int
    delta: list[dict[str, Any]]
    caret: int


class Dialect(Protocol):
    """How one server's messages look."""

    subprotocol: str
    """Asked for in the upgrade; empty: none."""
    is_text: bool
    """Whether its frames are text frames."""
    counts_revisions: bool
    """Whether the revisions of a document come one by one."""
    repeats_commits: bool
    """Whether a commit may come twice, as its clients expect."""

    def path(self, document: str) -> str:
        """Return where to connect to."""

    def greeting(self, author: str) -> bytes | None:
        """Return the first message; None: the document is open at once."""

    def opening(self, document: str) -> list[bytes]:
        """Return what follows the welcome."""

    def submission(self, draft: Draft) -> bytes:
        """Return the message that submits an edit."""

    def read(self, payload: bytes) -> Told:
        """Return what a frame says; None if nothing that matters."""


class FrameCache:
    """Remembers what frames say, since the same frame comes to many clients of this process."""

    def __init__(self, decode: Callable[[bytes], Told]) -> None:
        self._decode = decode
        self._known: dict[bytes, Told] = {}

    def read(self, payload: bytes) -> Told:
        """Return what a frame says."""
        told = self._known.get(payload)
        if told is None:
            if len(self._known) >= _CACHED_FRAMES:
                self._known.clear()
            told = self._known[payload] = self._decode(payload)
        return told


class CoeditDialect:
    """Protocol v1 in MessagePack."""

    subprotocol = "coedit.v1.msgpack"
    is_text = False
    counts_revisions = True
    repeats_commits = False

    def __init__(self) -> None:
        self.read = FrameCache(self._decode).read

    def path(self, document: str) -> str:
        """Return the gateway's one path."""
        return "/v1/ws"

    def greeting(self, author: str) -> bytes | None:
        """Return a hello in open mode."""
        return msgpack.packb({"type": "hello", "author": author})

    def opening(self, document: str) -> list[bytes]:
        """Return an open."""
        return [msgpack.packb({"type": "open", "document": document})]

    def submission(self, draft: Draft) -> bytes:
        """Return a submit with the author's caret behind the text, as an editor sends it."""
        fields = {
            "type": "submit",
            "document": draft.document,
            "client_sequence": draft.sequence,
            "epoch": draft.epoch,
            "base_revision": draft.base_revision,
            "delta": draft.delta,
            "caret": {"anchor": draft.caret, "head": draft.caret},
        }
        return msgpack.packb(fields)

    def _decode(self, payload: bytes) -> Told:
        message: dict[str, Any] = msgpack.unpackb(payload)
        match message["type"]:
            case "commit":
                return Commits([_committed(commit) for commit in message["commits"]])
            case "ack":
                return Ack(message["revision"], message["client_sequence"])
            case "welcome":
                return Welcome(message["client_id"])
            case "opened":
                text = "".join(op["insert"] for op in message.get("content", ()))
                return Opened(message["epoch"], message["revision"], text, message.get("parts", 0))
            case "part":
                return Part(message["bytes"])
            case "error":
                return Refusal(f"{message['code']}: {message['message']}")
        return None


class FloorDialect:
    """A message of a commit's size, which the floor gives to everyone in the room, its author too."""

    subprotocol = "coedit.v1.msgpack"
    is_text = False
    counts_revisions = False
    repeats_commits = False

    def __init__(self) -> None:
        self.read = FrameCache(self._decode).read

    def path(self, document: str) -> str:
        """Return the room."""
        return f"/room/{document}"

    def greeting(self, author: str) -> bytes | None:
        """Return nothing: the room is in the path."""
        return None

    def opening(self, document: str) -> list[bytes]:
        """Return nothing."""
        return []

    def submission(self, draft: Draft) -> bytes:
        """Return what the real system would make of it."""
        commit = {
            "revision": 0,
            "delta": draft.delta,
            "author": draft.client_id,
            "client_id": draft.client_id,
            "client_sequence": draft.sequence,
            "at": 1763900000000,
            "mac": "0" * 32,
            "key_id": "0" * 8,
            "caret": {"anchor": draft.caret, "head": draft.caret},
        }
        return msgpack.packb({"type": "commit", "document": draft.document, "epoch": 1, "commits": [commit]})

    def _decode(self, payload: bytes) -> Told:
        return Commits([_committed(commit) for commit in msgpack.unpackb(payload)["commits"]])


def insertion(place: int, text: str) -> list[dict[str, Any]]:
    """Return the delta that inserts ``text`` at ``place``."""
    return [{"retain": place}, {"insert": text}] if place else [{"insert": text}]


def inserted(delta: list[dict[str, Any]]) -> tuple[int, str]:
    """Return place and text of a delta that inserts at one place."""
    place: int = delta[0].get("retain", 0) if delta else 0
    return place, "".join(op.get("insert", "") for op in delta)


def _committed(commit: dict[str, Any]) -> Committed:
    return Committed(
        commit["revision"], commit["client_id"], commit["client_sequence"], *inserted(commit["delta"])
    )
