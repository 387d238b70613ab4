"""Documents of the systems with one order of revisions."""

import asyncio
from collections.abc import Callable, Iterable

from bench.dialects import Dialect, Opened, Part, Refusal, Welcome
from bench.drive import Address
from bench.editors import Editor
from bench.peers.clients.documents import Visitor, text_of_parts
from bench.peers.trace import Ops, Trace
from bench.raw_socket import KEPT_BYTES, RawSocket
from bench.tally import BrokenPromiseError, DocumentTally, Tally

_DEADLINE_SECONDS = 60.0
_PIECE_CHARACTERS = 1_000_000


class OtDocuments:
    """Speaks a dialect. Each visitor has one of its own, since decoding is part of opening."""

    def __init__(self, dialect: Callable[[], Dialect]) -> None:
        self._dialect = dialect

    async def put(self, address: Address, name: str, text: str) -> None:
        """Write a text from its end to its beginning, in pieces that a server takes."""
        pieces = [text[first : first + _PIECE_CHARACTERS] for first in range(0, len(text), _PIECE_CHARACTERS)]
        await self._write(address, name, ([{"insert": piece}] for piece in reversed(pieces)))

    async def put_history(self, address: Address, name: str, trace: Trace) -> None:
        """Write a recorded session."""
        await self._write(address, name, trace.deltas)

    def visitor(self, name: str) -> Visitor:
        """Return who will open the document."""
        return _OtVisitor(self._dialect(), name)

    async def _write(self, address: Address, name: str, deltas: Iterable[Ops]) -> None:
        tally = Tally()
        writer = _Writer(self._dialect(), tally, name, DocumentTally(), "writer")
        await writer.connect(*address)
        for delta in deltas:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                await writer.write(delta)
            if tally.errors:
                raise BrokenPromiseError(tally.errors[0])
        writer.close()


class _Writer(Editor):
    """Submits deltas, each when the one before is acked."""

    async def write(self, delta: Ops) -> None:
        acked = asyncio.Event()
        self.on_ack = lambda _editor, _edits: acked.set()
        self._send_delta(delta, 0)
        await acked.wait()

    def _on_end(self, reason: str) -> None:
        super()._on_end(reason)
        self.on_ack(self, 0)


class _OtVisitor:
    def __init__(self, dialect: Dialect, name: str) -> None:
        self._dialect = dialect
        self._name = name
        self._text = ""
        self._missing = 0
        self._parts = list[bytes]()
        self._socket: RawSocket
        self._is_complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def received_bytes(self) -> int:
        return self._socket.received_bytes

    async def visit(self, address: Address) -> None:
        host, port = address
        self._socket = RawSocket(
            f"{host}:{port}",
            self._dialect.path(self._name),
            self._on_payload,
            self._fail,
            subprotocol=self._dialect.subprotocol,
            is_text=self._dialect.is_text,
        )
        await asyncio.get_running_loop().create_connection(lambda: self._socket, host, port)
        await self._socket.upgraded
        greeting = self._dialect.greeting("visitor")
        if greeting is not None:
            self._socket.send(greeting)
        await self._is_complete

    def text(self) -> str:
        return text_of_parts(self._parts) if self._parts else self._text

    def close(self) -> None:
        self._socket.close()

    def _on_payload(self, payload: bytes) -> None:
        if len(payload) >= KEPT_BYTES:
            self._complete()
            return
        match self._dialect.read(payload):
            case Welcome():
                for message in self._dialect.opening(self._name):
                    self._socket.send(message)
            case Opened(_, _, text, parts):
                self._text, self._missing = text, parts
                if not parts:
                    self._complete()
            case Part(data):
                self._parts.append(data)
                self._missing -= 1
                if not self._missing:
                    self._complete()
            case Refusal(reason):
                self._fail(reason)

    def _complete(self) -> None:
        if not self._is_complete.done():
            self._is_complete.set_result(None)

    def _fail(self, reason: str) -> None:
        if not self._is_complete.done():
            self._is_complete.set_exception(BrokenPromiseError(reason))
