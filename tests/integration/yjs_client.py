"""A Yjs client of few lines: real frames on a real socket, and a pycrdt document behind them."""

import asyncio
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from pycrdt import Doc, Text

from coedit.protocol.yjs.awareness import Entry, read_entries, write_entries
from coedit.protocol.yjs.lib0 import Reader, write_text
from coedit.protocol.yjs.sync import write_awareness, write_step_1, write_step_2, write_update

DEADLINE_SECONDS = 15.0


class YjsClient:
    """Speaks as y-websocket's provider does; `HocuspocusClient` as Hocuspocus's."""

    def __init__(
        self, url: str, name: str, *, client: int | None = None, root: str = "content", **query: str
    ) -> None:
        self.doc: Doc[Any] = Doc() if client is None else Doc(client_id=client)
        self.text: Text = self.doc.get(root, type=Text)
        self.states: dict[int, Entry] = {}
        self.received: list[bytes] = []
        """Every message that came, without the key of its document."""
        self.is_synced = False
        self.close_code: int | None = None
        self.clock = 0
        self.query = query | ({} if root == "content" else {"root": root})
        self.url = url.replace("http", "ws", 1)
        self.name = name
        self.headers: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._updates: list[bytes] = []
        self._subscription = self.doc.observe(self._on_change)
        self._is_applying = False

    @property
    def address(self) -> str:
        return f"{self.url}/yjs/{quote(self.name, safe='')}?{urlencode(self.query)}"

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        self.socket = await self._http.ws_connect(self.address, headers=self.headers, max_msg_size=0)
        self._reading = asyncio.create_task(self._read())
        await self.greet()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        await self._http.close()

    async def reconnect(self) -> None:
        """Connect again, as a provider does, until that works."""
        while True:
            try:
                self.socket = await self._http.ws_connect(self.address, headers=self.headers, max_msg_size=0)
                break
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.1)
        self.close_code, self.is_synced = None, False
        self._reading = asyncio.create_task(self._read())
        await self.greet()

    async def greet(self) -> None:
        """Say what a provider says at once."""
        await self.send(write_step_1(self.doc.get_state()))
        await self.send(write_awareness(write_entries([Entry(self.doc.client_id, 0, "{}")])))

    async def send(self, message: bytes) -> None:
        await self.socket.send_bytes(message)

    async def edit(self, change: Callable[[Text], object]) -> None:
        """Change the text, and send what that made."""
        change(self.text)
        updates, self._updates = self._updates, []
        for update in updates:
            await self.send(write_update(update))

    async def say(self, state: Any, *, client: int | None = None) -> None:
        """Send a state of one's own, or of ``client``."""
        self.clock += 1
        entry = Entry(
            self.doc.client_id if client is None else client, self.clock, orjson.dumps(state).decode()
        )
        await self.send(write_awareness(write_entries([entry])))

    def state_of(self, client: int) -> Any:
        entry = self.states.get(client)
        return None if entry is None else orjson.loads(entry.state)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until ``condition`` holds; it can change with every message that comes."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"not within {DEADLINE_SECONDS} s: {what}; closed with {self.close_code}"
            ) from None

    async def until_synced(self) -> None:
        await self.until(lambda: self.is_synced, "the first step 2")

    async def until_text(self, text: str) -> None:
        await self.until(lambda: str(self.text) == text, f"the text {text!r}, it is {str(self.text)!r}")

    async def until_closed(self) -> int:
        await self.until(lambda: self.close_code is not None, "the connection is closed")
        assert self.close_code is not None
        return self.close_code

    async def _read(self) -> None:
        async for frame in self.socket:
            if frame.type is aiohttp.WSMsgType.BINARY:
                await self.on_frame(frame.data)
            self._changed.set()
        self.close_code = self.socket.close_code
        self._changed.set()

    async def on_frame(self, frame: bytes) -> None:
        await self.on_message(frame)

    async def on_message(self, message: bytes) -> None:
        self.received.append(message)
        reader = Reader(message)
        kind = reader.uint()
        if kind == 0:
            step, data = reader.uint(), reader.bytes()
            if step == 0:
                await self.send(write_step_2(self.doc.get_update(data)))
            else:
                self._apply(data)
                self.is_synced = self.is_synced or step == 1
        elif kind == 1:
            for entry in read_entries(reader.bytes()):
                self._on_state(entry)

    def _on_state(self, entry: Entry) -> None:
        """Merge as y-protocols does: it does not change under the clock that it has, except that it goes."""
        known = self.states.get(entry.client)
        clock = known.clock if known else 0
        if entry.clock > clock or (entry.clock == clock and entry.is_gone and known):
            self.states[entry.client] = entry

    def _apply(self, update: bytes) -> None:
        self._is_applying = True
        self.doc.apply_update(update)
        self._is_applying = False

    def _on_change(self, event: Any) -> None:
        if not self._is_applying:
            self._updates.append(event.update)


class HocuspocusClient(YjsClient):
    """One document on a socket of its own."""

    def __init__(self, url: str, name: str, token: str = "", **more: Any) -> None:
        super().__init__(url, name, **more)
        self.key = name
        self.token = token
        self.statuses: list[int] = []
        self.scope = ""
        self.reasons: list[str] = []

    @property
    def address(self) -> str:
        return f"{self.url}/hocuspocus?{urlencode(self.query)}"

    async def greet(self) -> None:
        await self.show_token(self.token)
        await super().greet()

    async def show_token(self, token: str) -> None:
        """Say who one is, as a provider does at first and at `sendToken`."""
        await self.send(b"\x02\x00" + write_text(token) + write_text("4.8.0"))

    async def send(self, message: bytes) -> None:
        await self.socket.send_bytes(write_text(self.key) + message)

    async def on_frame(self, frame: bytes) -> None:
        reader = Reader(frame)
        if reader.text() != self.key:
            return  # of another document on the same socket
        message = frame[reader.position :]
        kind = reader.uint()
        if kind == 8:
            self.statuses.append(reader.uint())
        elif kind == 2:
            granted, text = reader.uint() == 2, reader.text()
            self.scope = text if granted else ""
            self.reasons += [] if granted else [text]
        elif kind == 7:
            self.reasons.append(reader.text())
        else:
            await self.on_message(message)
