"""Whole documents, as the loads need them that are about opening: put into a system, and opened by visitors."""

import zlib
from typing import Any, Protocol

import orjson
from pycrdt import Doc, Text

from bench.drive import Address
from bench.peers.trace import Trace


class Visitor(Protocol):
    """Opens a document once."""

    @property
    def received_bytes(self) -> int:
        """What came over the wire."""

    async def visit(self, address: Address) -> None:
        """Connect, and return when the whole document is here."""

    def text(self) -> str:
        """Return the document's text. Not possible above 1 MB a frame, of which only the beginning is kept."""

    def close(self) -> None:
        """Leave."""


class Documents(Protocol):
    """What can be done with documents of one system."""

    async def put(self, address: Address, name: str, text: str) -> None:
        """Write a text into a new document."""

    async def put_history(self, address: Address, name: str, trace: Trace) -> None:
        """Write a recorded session into a new document."""

    def visitor(self, name: str) -> Visitor:
        """Return who will open the document."""


def text_of_ops(ops: list[dict[str, Any]]) -> str:
    """Return the text of a document of text only."""
    return "".join(op["insert"] for op in ops)


def text_of_parts(parts: list[bytes]) -> str:
    """Return the text of a document that came in coedit's compressed parts."""
    return text_of_ops(orjson.loads(zlib.decompress(b"".join(parts))))


def text_of_update(update: bytes, root: str) -> str:
    """Return the text of a Yjs document that came as an update."""
    doc: Doc[Any] = Doc()
    doc.apply_update(update)
    return str(doc.get(root, type=Text))
