"""Documents of the systems that speak Yjs."""

import asyncio
from typing import Any

from pycrdt import Doc, Text

from bench.drive import Address
from bench.peers.clients.documents import Visitor, text_of_update
from bench.peers.clients.yjs_framing import Framing
from bench.peers.clients.yjs_update import ROOT
from bench.peers.trace import Trace
from bench.raw_socket import KEPT_BYTES, RawSocket
from bench.tally import BrokenPromiseError
from coedit.protocol.yjs.lib0 import Reader
from coedit.protocol.yjs.sync import write_step_1, write_update

_DEADLINE_SECONDS = 60.0
_ASK_AGAIN_SECONDS = 0.2
_EMPTY_STATE = b"\x00"
_EMPTY_UPDATE = b"\x00\x00"
_SYNC, _STEP_2 = 0, 1


class YjsDocuments:
    """Puts a document in as one update. Who did stays: some servers forget a document that nobody has open."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._writers = list[Visitor]()

    async def put(self, address: Address, name: str, text: str) -> None:
        """Write a text at once."""
        doc: Doc[Any] = Doc()
        doc.get(ROOT, type=Text).insert(0, text)
        await self._write(address, name, doc.get_update())

    async def put_history(self, address: Address, name: str, trace: Trace) -> None:
        """Write a recorded session with all of its history."""
        await self._write(address, name, trace.update)

    def visitor(self, name: str) -> Visitor:
        """Return who will open the document."""
        return _YjsVisitor(self._framing, name)

    async def _write(self, address: Address, name: str, update: bytes) -> None:
        """Send it, then ask until it has come back."""
        writer = _YjsVisitor(self._framing, name)
        self._writers.append(writer)
        await writer.visit(address)
        writer.send(write_update(update))
        async with asyncio.timeout(_DEADLINE_SECONDS):
            while writer.update in (b"", _EMPTY_UPDATE):
                writer.send(write_step_1(_EMPTY_STATE))
                await asyncio.sleep(_ASK_AGAIN_SECONDS)


class _YjsVisitor:
    """Complete at the first step 2. Of one above what a raw socket keeps there is no text."""

    def __init__(self, framing: Framing, name: str) -> None:
        self._framing = framing
        self._name = name
        self._prefix = framing.prefix(name)
        self._socket: RawSocket
        self._is_complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.update = b""
        """The newest step 2; the beginning of it, if it is large."""

    @property
    def received_bytes(self) -> int:
        return self._socket.received_bytes

    async def visit(self, address: Address) -> None:
        host, port = address
        path = self._framing.path(self._name)
        self._socket = RawSocket(f"{host}:{port}", path, self._on_payload, self._fail)
        await asyncio.get_running_loop().create_connection(lambda: self._socket, host, port)
        await self._socket.upgraded
        for message in [*self._framing.greeting(), write_step_1(_EMPTY_STATE)]:
            self.send(message)
        await self._is_complete

    def send(self, message: bytes) -> None:
        self._socket.send(self._prefix + message)

    def text(self) -> str:
        return text_of_update(self.update, ROOT)

    def close(self) -> None:
        self._socket.close()

    def _on_payload(self, payload: bytes) -> None:
        reader = Reader(payload, len(self._prefix))
        if reader.uint() != _SYNC or reader.uint() != _STEP_2:
            return
        self.update = payload if len(payload) >= KEPT_BYTES else reader.bytes()
        if not self._is_complete.done():
            self._is_complete.set_result(None)

    def _fail(self, reason: str) -> None:
        if not self._is_complete.done():
            self._is_complete.set_exception(BrokenPromiseError(reason))
