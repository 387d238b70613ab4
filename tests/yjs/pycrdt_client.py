"""pycrdt's own provider over a WebSocket of aiohttp, as a client in Python has it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from pycrdt import Channel, Decoder, Doc, Provider, Text

from coedit.identifiers import escape
from coedit.ot import Delta
from coedit.ot.parts.ops import Insert
from coedit.ot.parts.utf16 import has_lone_surrogate, utf8_length
from tests.yjs.somewhere import off_pairs

_PAUSE_SECONDS = 0.05
_ONE_BYTE = "\x01"
"""Stands for an embed, which takes one place both in UTF-16 units and in pycrdt's bytes."""


class SocketChannel(Channel):
    """pycrdt's messages over one WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.is_closed = asyncio.Event()

    @property
    def path(self) -> str:
        return "socket"

    async def __anext__(self) -> bytes:
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            self.is_closed.set()
            raise StopAsyncIteration
        data: bytes = message.data
        return data

    async def recv(self) -> bytes:
        return await self.__anext__()

    async def send(self, message: bytes) -> None:
        # Of a closed socket nothing is lost: the next provider sends all that the server lacks.
        with suppress(aiohttp.ClientError, OSError):
            await self._socket.send_bytes(message)


class PycrdtClient:
    """A document that is kept in step by pycrdt's provider, which is made anew whenever the connection is lost."""

    def __init__(self, url: str, document: str, *, root: str = "content", token: str = "") -> None:
        self.doc: Doc[Any] = Doc()
        self.text = self.doc.get(root, type=Text)
        self._address = f"{url.replace('http', 'ws', 1)}/yjs/{escape(document)}"
        self._params = {"token": token} if token else {}
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._wanted = asyncio.Event()
        self._wanted.set()

    async def run(self) -> None:
        """Connect, and come back until cancelled, unless told to stay away."""
        async with aiohttp.ClientSession() as session:
            while True:
                await self._wanted.wait()
                with suppress(aiohttp.ClientError, OSError):
                    await self._connect_once(session)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _connect_once(self, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(self._address, params=self._params, max_msg_size=0) as socket:
            self._socket = socket
            channel = SocketChannel(socket)
            async with Provider(self.doc, channel):
                await channel.is_closed.wait()

    async def connect(self) -> None:
        """Let it connect again."""
        self._wanted.set()

    async def disconnect(self) -> None:
        """Let it disconnect, and stay away."""
        self._wanted.clear()
        if self._socket is not None:
            await self._socket.close()

    async def content(self) -> Delta:
        """Return the shared text."""
        return Delta(Insert(content, attributes) for content, attributes in self.text.diff())

    async def state(self) -> dict[str, Any]:
        """Return what is known of its connection."""
        is_connected = self._socket is not None and not self._socket.closed
        return {"is_connected": is_connected, "tries": self._wanted.is_set()}

    async def vector(self) -> dict[int, int]:
        """Return how far the document has the items of each client."""
        decoder = Decoder(self.doc.get_state())
        return {decoder.read_var_uint(): decoder.read_var_uint() for _ in range(decoder.read_var_uint())}

    async def edit_somewhere(self, wish: dict[str, Any]) -> None:
        """Edit at a place that is a fraction of the way through the text; see ``driver/plain_text.mjs``.

        It cuts no character: given a byte inside one, pycrdt does to its own document what it tells nobody.
        """
        units = await self._units()
        start = off_pairs(units, int(wish["at"] * (len(units) + 1)))
        end = off_pairs(units, min(len(units), start + wish.get("length", 0)))
        first, last = utf8_length(units[:start]), utf8_length(units[:end])
        content, attributes = wish.get("content"), wish.get("attributes")
        if isinstance(content, str) and has_lone_surrogate(content):
            content = "\ufffd"  # pycrdt takes no half
        if wish["kind"] == "insert" and isinstance(content, str):
            self.text.insert(first, content, attributes)
        elif wish["kind"] == "insert":
            self.text.insert_embed(first, content, attributes)
        elif wish["kind"] == "delete" and last > first:
            del self.text[first:last]
        elif wish["kind"] == "format" and last > first:
            self.text.format(first, last, attributes or {})

    async def _units(self) -> str:
        ops = [op for op in (await self.content()).ops if isinstance(op, Insert)]
        return "".join(op.content if isinstance(op.content, str) else _ONE_BYTE for op in ops)


@asynccontextmanager
async def pycrdt_client(url: str, document: str, **more: Any) -> AsyncIterator[PycrdtClient]:
    """Open a document of the gateway at ``url`` by pycrdt."""
    client = PycrdtClient(url, document, **more)
    running = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
