"""What differs between the servers that speak Yjs: where to connect, and what stands around a message."""

from typing import Protocol

from bench.peers.clients.yjs_update import ROOT
from coedit.protocol.yjs.lib0 import write_text


class Framing(Protocol):
    """How one server's frames look around the messages of y-protocols."""

    def path(self, document: str) -> str:
        """Return where to connect to."""

    def greeting(self) -> list[bytes]:
        """Return the messages that go before the first step 1."""

    def prefix(self, document: str) -> bytes:
        """Return what every frame about the document begins with."""


class YWebsocketFraming:
    """y-websocket: the document is in the path."""

    def __init__(self, base: str = "/", query: str = "") -> None:
        self._base = base
        self._query = query

    def path(self, document: str) -> str:
        """Return the room."""
        return f"{self._base}{document}{self._query}"

    def greeting(self) -> list[bytes]:
        """Return nothing."""
        return []

    def prefix(self, document: str) -> bytes:
        """Return nothing."""
        return b""


class HocuspocusFraming:
    """Hocuspocus: one path, and each frame names its document."""

    def path(self, document: str) -> str:
        """Return the server's one path."""
        return "/"

    def greeting(self) -> list[bytes]:
        """Return a token, which nobody looks at."""
        return [b"\x02\x00" + write_text("bench") + write_text("4.7.0")]

    def prefix(self, document: str) -> bytes:
        """Return the name."""
        return write_text(document)


def coedit_framing() -> Framing:
    """Return where coedit takes y-websocket's clients."""
    return YWebsocketFraming("/yjs/", f"?root={ROOT}")
