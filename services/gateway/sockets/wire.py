"""A WebSocket as the gateway uses it: whole frames out without waiting, bounded, and an orderly end."""

import asyncio
import logging
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, ClassVar

from coedit.identifiers import AuthorId, ClientId, DocumentId
from coedit.protocol.server_session import CloseCode
from services.gateway.limits.pace import Account
from services.gateway.metrics import CLOSED, TRAFFIC
from services.gateway.sockets.server_socket import ServerSocket

logger = logging.getLogger(__name__)

_LONGEST_SECONDS = 30 * 86400.0
_CLOSE_SECONDS = 2.0
_SLOW_CLOSE_SECONDS = 5.0
_MOST_SHOWN = 100
"""So many of its documents are named of a connection."""
_HARD_BUFFER_FACTOR = 16
"""Small answers go out up to this many times the buffer; whoever still does not read is dropped."""


class Wire:
    """One client's WebSocket; a client that reads too slowly is dropped."""

    __slots__ = (
        "_account",
        "_began_at",
        "_buffer_bytes",
        "_end",
        "_goodbye",
        "_is_closing",
        "_most_bytes",
        "_received",
        "_received_bytes",
        "_receiver",
        "_sent",
        "_sent_bytes",
        "_socket",
        "_transport",
        "address",
        "client_id",
        "number",
    )
    door: ClassVar[str] = "none"
    """Which protocol its client speaks."""

    def __init__(self, socket: ServerSocket, buffer_bytes: int) -> None:
        self.client_id: ClientId | None = None
        self._socket = socket
        self._transport: asyncio.WriteTransport = socket.transport  # every write is a whole frame
        self._buffer_bytes = buffer_bytes
        self._most_bytes = buffer_bytes * _HARD_BUFFER_FACTOR
        self._is_closing = False
        self._account: Account | None = None
        """Its author's."""
        self._goodbye: tuple[CloseCode, str] | None = None
        self._end: asyncio.TimerHandle | None = None
        self._receiver: asyncio.Task[None] | None = None
        """The task that receives, while it waits for a frame."""
        self.number = 0
        """Its own in this gateway, in the order in which connections were taken in."""
        self.address = ""
        """From where its client is seen to come."""
        self._began_at = time.time()
        self._sent = self._sent_bytes = self._received = self._received_bytes = 0

    def write_frame(self, frame: bytes) -> bool:
        """Write a whole frame; never waits. A client that has not read for long is dropped.

        Return whether the connection takes more.
        """
        transport = self._transport
        if self._is_closing or self._socket.closed or transport.is_closing():
            return True  # after a close frame nothing more is written, and nothing piles up
        buffered = transport.get_write_buffer_size()
        if buffered > self._most_bytes:
            self.drop_slow()
            return False
        transport.write(frame)
        size = len(frame)
        TRAFFIC.out_bytes += size
        self._sent += 1
        self._sent_bytes += size
        return buffered + size <= self._buffer_bytes

    def takes_more(self) -> bool:
        """Return whether the connection has drained enough to be written to."""
        return self.buffered_bytes <= self._buffer_bytes

    @property
    def buffered_bytes(self) -> int:
        """What was written and is not yet taken by the network."""
        return self._transport.get_write_buffer_size()

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._is_closing or self._socket.closed

    def close(self, code: CloseCode, reason: str) -> None:
        """Send nothing more but a close frame; whoever receives sends it, waits for the peer's, and ends."""
        if self.is_closed:
            return
        self._is_closing = True
        self._goodbye = (code, reason)
        CLOSED.labels(str(int(code))).inc()
        facts = {"event": "close", "close_code": int(code), "reason": reason, "client_id": self.client_id}
        logger.info("connection closed by the gateway", extra=facts)
        if self._receiver is not None:
            self._receiver.cancel()

    def end_in(self, seconds: float, code: CloseCode, reason: str) -> None:
        """Close the connection after so long, if it is still there; the last call counts."""
        if self._end is not None:
            self._end.cancel()
        # A loop cannot wait for more than some weeks at once; whoever stays that long is asked to come again.
        delay_seconds = min(max(seconds, 0.0), _LONGEST_SECONDS)
        self._end = asyncio.get_running_loop().call_later(delay_seconds, self.close, code, reason)

    def lasts_until(self, moment: float | None) -> None:
        """Close the connection when its token expires (seconds since 1970); None: it never does."""
        if moment is not None:
            self.end_in(moment - time.time(), CloseCode.UNAUTHORIZED, "the token has expired")
        elif self._end is not None:
            self._end.cancel()

    def drop_slow(self) -> None:
        """End the connection of a client that does not read: it has some seconds to take what was written, and why."""
        self.close(CloseCode.TOO_SLOW, "reads too slowly")

    def trust(self, most_bytes: int) -> None:
        """Take messages of up to so much from now on: the client has proved who it is."""
        self._socket.trust(most_bytes + 1)

    async def next_frame(self) -> bytes | str | None:
        """Return the next frame's payload, or None when the connection has ended or is to end."""
        if self._is_closing:
            return None
        if self._socket.untold_seconds:
            self._tell_held()
        self._receiver = asyncio.current_task()
        try:
            frame = await self._socket.receive()
            if frame is not None:
                self._received += 1
                self._received_bytes += len(frame)
            return frame
        except asyncio.CancelledError:
            # Cancelled by `close` alone, or by somebody else as well?
            if self._goodbye is None or self._receiver is None or self._receiver.uncancel():
                raise
            return None
        finally:
            self._receiver = None

    async def say_goodbye(self) -> None:
        """Send the close frame that `close` asked for.

        In the task that receives: the peer's answer is waited for, since one whose answer meets a closed socket may
        never get to read why.
        """
        if self._goodbye is None:
            return
        code, reason = self._goodbye
        seconds = _SLOW_CLOSE_SECONDS if code is CloseCode.TOO_SLOW else _CLOSE_SECONDS
        try:
            # It waits until what was written has drained, which with a peer that is gone may take for ever.
            async with asyncio.timeout(seconds):
                await self._socket.close(code, reason)
        except TimeoutError:
            self.abort()

    @property
    def is_accounted(self) -> bool:
        """Whether it counts as somebody's."""
        return self._account is not None

    def opening(self) -> AbstractAsyncContextManager[None]:
        """Return what is held while a document is opened: so many of its author's connections may do that at a time."""
        return nullcontext() if self._account is None else self._account.openings

    def account_to(self, account: Account | None) -> None:
        """Take note whose it is; None: it is not counted."""
        self._account = self._socket.meter.account = account

    def ended(self) -> None:
        """Take no place any more; called once, when nobody serves it."""
        if self._account is not None:
            self._account.connections.discard(self)
        self._socket.ended()

    def opens_in(self) -> float:
        """Count a document that is to be opened; where that is one too many, return in how many seconds it is not."""
        return self._socket.meter.open_one(time.monotonic())

    def hold(self, seconds: float) -> None:
        """Read nothing more for so long, since too much came, and tell the client if it speaks a language for it."""
        self._socket.hold(seconds)
        self._tell_held()

    def held_up(self, seconds: float) -> None:
        """Nothing is read for so long: whoever can be told waits as long before it sends more."""

    def _tell_held(self) -> None:
        seconds, self._socket.untold_seconds = self._socket.untold_seconds, 0.0
        if seconds:
            self.held_up(seconds)

    def is_concerned(self, author: AuthorId | None, document_id: DocumentId | None) -> bool:
        """Return whether this document is open here, or being opened, as this author; None: any."""
        return False

    async def settle_rights(self, author: AuthorId | None, document_id: DocumentId | None) -> bool:
        """Find out anew what may be done with what is open; return whether that could be found out for all of it."""
        return True

    def about(self) -> dict[str, Any]:
        """Return what is told of the connection to who looks after the deployment, in plain JSON."""
        authors, documents = self.who()
        return {
            "door": self.door,
            "authors": authors,
            "address": self.address,
            "since": int(self._began_at * 1000),
            "document_count": len(documents),
            "documents": documents[:_MOST_SHOWN],
            "received": {"messages": self._received, "bytes": self._received_bytes},
            "sent": {"messages": self._sent, "bytes": self._sent_bytes},
        }

    def who(self) -> tuple[list[str], list[str]]:
        """Return as which authors the client is here, and the documents that it has open."""
        return [], []

    async def leave_deleted(self, document_id: DocumentId) -> None:
        """Give up a document that was deleted, and of which it has been told so."""

    def keep_in_touch(self, now: float, ping_seconds: float) -> None:
        """Ping a client that has been silent for so long, and give up one that has not answered in half of that.

        ``now`` is by the monotonic clock.
        """
        socket = self._socket
        if now - socket.heard_at < ping_seconds or socket.is_held:
            return
        if socket.pinged_at < socket.heard_at:
            socket.ping()
        elif now - socket.pinged_at >= ping_seconds / 2:
            self.abort()

    def abort(self) -> None:
        """End the connection at once; its client may or may not get what was written."""
        self._socket.abort()

    def finish(self) -> None:
        """Take note that nobody receives any more."""
        self._is_closing = True
        if self._end is not None:
            self._end.cancel()
