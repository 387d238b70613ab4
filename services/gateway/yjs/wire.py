"""A Yjs client's WebSocket: what both ways of framing need of it."""

import asyncio
from collections.abc import Mapping

from coedit.crdt.document import ROOT
from coedit.errors import InvalidRequestError
from coedit.protocol.server_session import CloseCode
from services.gateway.settings import GatewaySettings
from services.gateway.sockets.server_socket import ServerSocket
from services.gateway.sockets.wire import Wire

SILENCE_SECONDS = 15.0
"""Providers take a connection for dead that says nothing for 30 s, and WebSocket pings do not count."""
_LOOK_AGAIN_SECONDS = 0.02
_MOST_ROOT_CHARACTERS = 255


class YjsWire(Wire):
    """Whole documents go out on it, and something does at least now and then: providers give up on silence."""

    def __init__(self, socket: ServerSocket, settings: GatewaySettings) -> None:
        super().__init__(socket, settings.gateway_buffer_bytes)
        self._patience_seconds = settings.gateway_lag_seconds
        self._bound_bytes = self._most_bytes
        self._written_at = asyncio.get_running_loop().time()

    def write_frame(self, frame: bytes) -> bool:
        """Write a whole frame, as `Wire.write_frame`; a large one may be on its way for a while."""
        self._written_at = asyncio.get_running_loop().time()
        if self.takes_more():
            self._most_bytes = self._bound_bytes + len(frame)
        return super().write_frame(frame)

    @property
    def silent_seconds(self) -> float:
        """For how long nothing was written."""
        return asyncio.get_running_loop().time() - self._written_at

    async def until_drained(self) -> None:
        """Wait until the client has read; drop it where it reads nothing for too long."""
        loop = asyncio.get_running_loop()
        least, since = self.buffered_bytes, loop.time()
        while not self.takes_more() and not self.is_closed:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            if self.buffered_bytes < least:
                least, since = self.buffered_bytes, loop.time()
            if loop.time() - since > self._patience_seconds:
                self.drop_slow()

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        raise NotImplementedError

    def refuse_text(self) -> None:
        """End the connection of a client that speaks another protocol."""
        self.close(CloseCode.MALFORMED, "frames are binary here")


def root_of(query: Mapping[str, str]) -> str:
    """Return the name of the shared text that a client edits, if the document is one.

    Raises:
        InvalidRequestError: it is too long, or holds what no name does.
    """
    root = query.get("root", ROOT)
    if len(root) > _MOST_ROOT_CHARACTERS or not root.isprintable():
        raise InvalidRequestError("the name of the shared text is too long, or cannot be printed")
    return root
