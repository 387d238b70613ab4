"""A client without manners: sends any frame and looks at what comes back."""

import asyncio
import json
from typing import Any

import aiohttp
import msgpack

from coedit.protocol.codec import Codec

Message = dict[str, Any]


class RawClient:
    """One WebSocket; `send` takes a message, `send_raw` any payload."""

    def __init__(self, url: str, codec: Codec = Codec.JSON, headers: dict[str, str] | None = None) -> None:
        self._url = url.replace("http", "ws", 1) + "/v1/ws"
        self._codec = codec
        self._headers = headers or {}

    async def __aenter__(self) -> "RawClient":
        self._http = aiohttp.ClientSession()
        self.socket = await self._http.ws_connect(
            self._url, protocols=[self._codec.value], headers=self._headers, max_msg_size=0
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def hello(self, **more: Any) -> Message:
        """Say hello; return the welcome."""
        await self.send({"type": "hello", **more})
        return await self.expect("welcome")

    async def open(self, document: str, **more: Any) -> Message:
        """Open a document; return the answer."""
        await self.send({"type": "open", "document": document, **more})
        return await self.expect("opened")

    async def send(self, message: Message) -> None:
        if self._codec is Codec.JSON:
            await self.socket.send_str(json.dumps(message))
        else:
            await self.socket.send_bytes(msgpack.packb(message))

    async def send_raw(self, payload: str | bytes) -> None:
        if isinstance(payload, str):
            await self.socket.send_str(payload)
        else:
            await self.socket.send_bytes(payload)

    async def receive(self, seconds: float = 15) -> Message | int:
        """Return the next message, or the close code."""
        frame = await asyncio.wait_for(self.socket.receive(), seconds)
        if frame.type is aiohttp.WSMsgType.TEXT:
            message: Message = json.loads(frame.data)
            return message
        if frame.type is aiohttp.WSMsgType.BINARY:
            unpacked: Message = msgpack.unpackb(frame.data)
            return unpacked
        assert self.socket.close_code is not None
        return self.socket.close_code

    async def expect(self, kind: str) -> Message:
        """Return the next message of a kind, passing over others; fail when the connection closes."""
        while True:
            message = await self.receive()
            assert isinstance(message, dict), f"closed with {message} instead of {kind}"
            if message["type"] == kind:
                return message

    async def close_code(self) -> int:
        """Return the code with which the server ends the connection."""
        while isinstance(message := await self.receive(), dict):
            pass
        return message
