"""The four doors that are WebSockets: each plays a sequence, and comes back with the rest when it is sent away."""

import asyncio
import json
import random
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import aiohttp
import msgpack

from coedit.protocol.codec import Codec
from coedit.protocol.yjs.lib0 import Reader, write_text
from coedit.protocol.yjs.sync import write_step_1
from tests.fuzz.messages import Live, resolved
from tests.fuzz.mutator import mutate_bytes, mutate_value
from tests.fuzz.tally import Tally

_CONNECTIONS = 6
"""How often a sequence is gone on with, on a new connection."""
_LISTEN_SECONDS = 0.05
_OPEN_SECONDS = 2.0
_CONNECT_SECONDS = 5.0
_CALM = 0.6
"""The share of frames that are sent as they are, so that others come later than the first refusal."""
_DOCUMENTS = 12
_STEP_2 = "0.1"
_MESSAGES = {
    "0.0": "step 1",
    _STEP_2: "step 2",
    "0.2": "update",
    "1": "awareness",
    "2": "auth",
    "7": "close",
    "8": "status",
    "9": "ping",
    "10": "pong",
}


class SocketDoor(ABC):
    """A door of a gateway; ``token`` is a good one, or empty in open mode."""

    def __init__(self, url: str, token: str, tally: Tally) -> None:
        self.tally = tally
        self._url = url.replace("http", "ws", 1)
        self._token = token
        self._rng = random.Random(0)
        self._has_heard, self._is_open = asyncio.Event(), asyncio.Event()

    async def play(self, sequence: list[Any], rng: random.Random) -> None:
        """Say a good beginning, then the sequence, mutated here and there by ``rng``."""
        self.tally.sequences += 1
        self._rng = rng
        waiting = list(sequence)
        name = f"fuzz/{self.tally.door}/{self._rng.randrange(_DOCUMENTS)}"
        async with aiohttp.ClientSession() as http:
            for _ in range(_CONNECTIONS):
                if waiting:
                    with suppress(aiohttp.ClientError, OSError, TimeoutError):
                        await self._connect(http, name, waiting)

    async def _connect(self, http: aiohttp.ClientSession, name: str, waiting: list[Any]) -> None:
        async with asyncio.timeout(_CONNECT_SECONDS):
            protocols, path = self._address(name)
            socket = await http.ws_connect(self._url + path, protocols=protocols, max_msg_size=0)
        hearing = asyncio.create_task(self._hear_all(socket))
        try:
            async with socket:
                await self._talk(socket, name, waiting)
        finally:
            hearing.cancel()
        if socket.close_code is not None:
            self.tally.note_answer(str(socket.close_code))

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse, name: str, waiting: list[Any]) -> None:
        await self._begin(socket, self._beginning(name))
        while waiting and not socket.closed:
            await self._send(socket, self._frame(waiting.pop(0)))
            await self._wait_for(self._has_heard, _LISTEN_SECONDS)
            if again := self._going_on():
                await self._begin(socket, again)

    async def _begin(self, socket: aiohttp.ClientWebSocketResponse, payloads: list[bytes | str]) -> None:
        """Say what is good, and wait until the document is open: what comes earlier is refused in one way."""
        self._is_open.clear()
        for payload in payloads:
            await self._send(socket, payload)
        await self._wait_for(self._is_open, _OPEN_SECONDS)

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, payload: bytes | str) -> None:
        self.tally.note_sent(payload)
        if isinstance(payload, str):
            await socket.send_str(payload)
        else:
            await socket.send_bytes(payload)

    async def _wait_for(self, event: asyncio.Event, seconds: float) -> None:
        """Wait, but not for long: not everything gets an answer."""
        self._has_heard.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    async def _hear_all(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                self._hear(message.data)
            self._has_heard.set()
        for event in (self._has_heard, self._is_open):
            event.set()

    @abstractmethod
    def _address(self, name: str) -> tuple[list[str], str]:
        """Return subprotocols and path."""

    @abstractmethod
    def _beginning(self, name: str) -> list[bytes | str]:
        """Return what is said first, which is good."""

    @abstractmethod
    def _frame(self, step: Any) -> bytes | str:
        """Return a step of the sequence, mutated or not."""

    @abstractmethod
    def _hear(self, data: bytes | str) -> None:
        """Take in an answer; notes when the document is open."""

    def _going_on(self) -> list[bytes | str]:
        """Return what has to be said after a refusal, to be listened to again."""
        return []


class V1Door(SocketDoor):
    """``/v1/ws``, in either codec."""

    def __init__(self, url: str, token: str, tally: Tally, codec: Codec) -> None:
        super().__init__(url, token, tally)
        self._codec = codec
        self._live: dict[Live, Any] = {}
        self._is_refused = False

    def _address(self, name: str) -> tuple[list[str], str]:
        return [self._codec.value], "/v1/ws"

    def _beginning(self, name: str) -> list[bytes | str]:
        self._live = {Live.DOCUMENT: name, Live.EPOCH: 1, Live.REVISION: 0, Live.MAC: "", Live.SEQUENCE: 1}
        self._is_refused = False
        hello = {"type": "hello"} | ({"token": self._token} if self._token else {})
        return [self._packed(hello), self._packed({"type": "open", "document": name})]

    def _going_on(self) -> list[bytes | str]:
        if not self._is_refused:
            return []
        self._is_refused = False
        again = {"type": "open", "document": self._live[Live.DOCUMENT], "renew": True}
        return [self._packed(again)]

    def _frame(self, step: Any) -> bytes | str:
        message = resolved(step, self._live)
        chance = self._rng.random()
        if chance < _CALM:
            return self._packed(message)
        if chance < (1 + _CALM) / 2:
            return self._packed(mutate_value(message, self._rng))
        packed = self._packed(message)
        if isinstance(packed, bytes):
            return mutate_bytes(packed, self._rng)
        # A text frame has to be UTF-8 for aiohttp to send it; halves of pairs stand in it escaped.
        return mutate_bytes(packed.encode(), self._rng).decode(errors="replace")

    def _packed(self, message: Any) -> bytes | str:
        if self._codec is Codec.JSON:
            return json.dumps(message)
        try:
            packed: bytes = msgpack.packb(message, unicode_errors="surrogatepass")
        except (OverflowError, ValueError):
            return msgpack.packb(str(message))  # numbers that msgpack has no form for
        return packed

    def _hear(self, data: bytes | str) -> None:
        message = json.loads(data) if isinstance(data, str) else msgpack.unpackb(data)
        kind = message["type"]
        self.tally.note_answer(message["code"] if kind == "error" else kind)
        if message.get("document") != self._live[Live.DOCUMENT]:
            return
        match kind:
            case "opened":
                self._is_open.set()
                self._stand(message, message["revision"], message["mac"])
                self._live[Live.SEQUENCE] = 1
            case "ack":
                self._stand(message, message["revision"], message["mac"])
                self._live[Live.SEQUENCE] += 1
            case "commit":
                newest = message["commits"][-1]
                self._stand(message, newest["revision"], newest["mac"])
            case "error":
                self._is_refused = self._is_refused or message["definite"]

    def _stand(self, message: dict[str, Any], revision: int, mac: str) -> None:
        self._live |= {Live.EPOCH: message["epoch"], Live.REVISION: revision, Live.MAC: mac}


class YjsDoor(SocketDoor):
    """``/yjs/{document}``."""

    def _address(self, name: str) -> tuple[list[str], str]:
        return [], f"/yjs/{quote(name, safe='')}?token={self._token}"

    def _beginning(self, name: str) -> list[bytes | str]:
        return [write_step_1(b"\0")]

    def _frame(self, step: Any) -> bytes | str:
        return step if self._rng.random() < _CALM else mutate_bytes(step, self._rng)

    def _hear(self, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        self._note_message(data)

    def _note_message(self, message: bytes) -> None:
        """Note what comes of a document: its first step 2 says that it is open."""
        kind = ".".join(str(byte) for byte in message[: 2 if message[:1] == b"\x00" else 1])
        self.tally.note_answer(_MESSAGES.get(kind, f"message {kind}"))
        if kind == _STEP_2:
            self._is_open.set()


class HocuspocusDoor(YjsDoor):
    """``/hocuspocus``: every frame begins with the key of its document, mostly that of the one that was asked for."""

    _name = ""

    def _address(self, name: str) -> tuple[list[str], str]:
        return [], "/hocuspocus"

    def _beginning(self, name: str) -> list[bytes | str]:
        self._name = name
        key = write_text(name)
        return [
            key + b"\x02\x00" + write_text(self._token) + write_text("4.8.0"),
            key + write_step_1(b"\0"),
        ]

    def _frame(self, step: Any) -> bytes | str:
        keys = [self._name] * 4 + [f"{self._name}\x00session", "", "é" * 200, "fuzz/not asked for"]
        frame = write_text(self._rng.choice(keys)) + step
        return frame if self._rng.random() < _CALM else mutate_bytes(frame, self._rng)

    def _going_on(self) -> list[bytes | str]:
        """Ask again now and then: whoever was refused is not in the document any more."""
        return self._beginning(self._name) if self._rng.random() < 0.2 else []

    def _hear(self, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        reader = Reader(data)
        reader.text()
        self._note_message(data[reader.position :])
