"""A session of the Python client: one WebSocket at a time, many documents, and no edit lost on the way."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any

import aiohttp

from coedit.client.document import Document
from coedit.client.events import DocumentError
from coedit.client.formats import DocumentFormats
from coedit.client.history import DocumentHistory
from coedit.client.inbox import Inbox
from coedit.client.tokens import Tokens, TokenSource
from coedit.client.traces import current_traceparent
from coedit.errors import CoeditError, UnauthorizedError, UnavailableError
from coedit.identifiers import DocumentId, document_id
from coedit.ot.past.undo import MAX_STEPS, UndoHistory
from coedit.protocol.client_session import ClientDocument, Message
from coedit.protocol.codec import Codec

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
"""A submission unanswered for this long is sent again; a connection that is dead is found out by its pings."""
_UNAUTHORIZED = 4401
_FIRST_PAUSE_SECONDS = 0.1
_STEADY_SECONDS = 5.0
"""A connection that held so long makes the pauses begin anew."""
_LONGEST_PAUSE_SECONDS = 5.0
_LONGEST_QUIET_SECONDS = 60
"""Whatever a server, or a proxy before it, says."""


class ConnectionRefusedByServerError(UnauthorizedError):
    """The server refused this client for good: a close code of 4400 to 4499."""

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(f"{close_code} {reason}")
        self.close_code = close_code


class UnreachableError(UnavailableError):
    """No gateway answered in time."""


class Session:
    """A connection that comes back by itself. Made by `connect`."""

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource,
        author: str | None,
        codec: Codec,
        patience_seconds: float | None = None,
        traces: bool = False,
    ) -> None:
        self._url = _socket_url(url)
        self._patience_seconds = patience_seconds
        self._trouble = ""
        """Why the connection was lost the last time."""
        self._codec = codec
        self._traces = traces
        self._takes_traces = False
        """Whether the server makes spans of edits."""
        self._hello: Message = {"type": "hello"}
        self._hello |= {"author": author} if author else {}
        self._tokens = Tokens(token)
        self._renewal: asyncio.Task[None] | None = None
        self._connecting_at = 0.0
        self._documents: dict[DocumentId, Document] = {}
        self._inbox = Inbox(self._send_all)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._sent_at: dict[DocumentId, float] = {}
        self._quiet_until = float("-inf")
        """Until then the server wants to hear nothing, by the monotonic clock."""
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._welcomed = asyncio.Event()
        self._failure: CoeditError | None = None
        self.author = ""
        """As the server knows one, once connected."""
        self.durability = ""
        self.reconnects = 0
        """How often the connection was lost and came back."""

    @property
    def is_connected(self) -> bool:
        """Whether the server has said welcome on the present connection."""
        return self._welcomed.is_set()

    async def open(
        self, name: str, *, display_name: str = "", colour: str = "", undo_steps: int = MAX_STEPS
    ) -> Document:
        """Open a document; it is made by its first edit.

        ``undo_steps``: how many of one's own edits can be undone. A program that never undoes saves time with 0.

        Raises:
            InvalidIdentifierError: no document can have this name.
            DocumentError: the server refuses it.
        """
        key = document_id(name)
        document = self._documents.get(key)
        if document is None:
            state = ClientDocument(key, history=UndoHistory(undo_steps))
            document = Document(state, self._send_all, current_traceparent if self._traces else None)
            document.name, document.colour = display_name, colour
            self._documents[key] = document
            if self.is_connected:
                self._send(document.state.open_message())
        await document.opened()
        return document

    def history(self, name: str) -> DocumentHistory:
        """Return the past of a document, which need not be open.

        Raises:
            InvalidIdentifierError: no document can have this name.
        """
        token, author = self._tokens.current or None, self._hello.get("author")
        return DocumentHistory(_http_url(self._url), name, token, author, traces=self._traces)

    def formats(self, name: str) -> DocumentFormats:
        """Return what exports and imports a document, which need not be open; raises as `history` does."""
        token, author = self._tokens.current or None, self._hello.get("author")
        return DocumentFormats(_http_url(self._url), name, token, author, traces=self._traces)

    async def close(self) -> None:
        """End the session; what is not saved is lost, so `Document.settle` first."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()

    async def __aenter__(self) -> "Session":
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._stay_connected()), loop.create_task(self._watch_answers())]
        try:
            await self._wait_for_welcome()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _wait_for_welcome(self) -> None:
        connecting = self._tasks[0]
        waiting = asyncio.get_running_loop().create_task(self._welcomed.wait())
        try:
            await asyncio.wait(
                {waiting, connecting}, timeout=self._patience_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiting.cancel()
        if connecting.done():
            connecting.result()
            raise self._failure or UnauthorizedError("the server does not answer")
        if not self.is_connected:
            raise UnreachableError(f"{self._url} cannot be reached: {self._trouble or 'no answer'}")

    async def _stay_connected(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        async with aiohttp.ClientSession() as http:
            while True:
                try:
                    await self._live(http)
                except ConnectionRefusedByServerError as error:
                    if error.close_code != _UNAUTHORIZED or not self._tokens.may_try_again():
                        await self._fail(error)
                        return
                    self._trouble = str(error)
                except Exception as error:  # noqa: BLE001 - told, and tried again
                    # A message that lacks a field is a server's bug, and no token the application's trouble; the next
                    # connection may do without.
                    self._trouble = str(error) or type(error).__name__
                    if isinstance(error, aiohttp.WSServerHandshakeError) and error.headers is not None:
                        self._be_quiet(error.headers.get("Retry-After"))
                    logger.info("connection lost", extra={"event": "disconnected", "error": repr(error)})
                if self.is_connected:
                    # A server that welcomes and then refuses must not be called ten times a second.
                    if time.monotonic() - self._connecting_at >= _STEADY_SECONDS:
                        pause_seconds = _FIRST_PAUSE_SECONDS
                    self.reconnects += 1
                self._lose()
                told_seconds = max(0.0, self._quiet_until - time.monotonic())
                await asyncio.sleep(told_seconds + pause_seconds * random.uniform(0.5, 1.0))
                pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 2)

    async def _live(self, http: aiohttp.ClientSession) -> None:
        """Hold one connection until it ends.

        Raises:
            ConnectionRefusedByServerError: for good.
            ClientError, OSError, TimeoutError: for now.
        """
        token = await self._tokens.next()
        self._connecting_at = time.monotonic()
        async with http.ws_connect(
            self._url,
            protocols=[self._codec.value],
            max_msg_size=0,
            heartbeat=30,
            timeout=aiohttp.ClientWSTimeout(ws_close=2),
        ) as socket:
            self._socket = socket
            await self._write(self._hello | ({"token": token} if token else {}))
            writing = asyncio.get_running_loop().create_task(self._write_outgoing())
            try:
                async for frame in socket:
                    await self._receive(self._codec.decode(frame.data))
            finally:
                writing.cancel()
                self._renew_no_more()
                with suppress(asyncio.CancelledError, aiohttp.ClientError, OSError):
                    await writing
            code = socket.close_code or 1006
            if 4400 <= code < 4500 and code != 4409:
                raise ConnectionRefusedByServerError(code, str(self._failure or ""))

    async def _receive(self, message: Message) -> None:
        name = message["type"]
        if name == "welcome":
            await self._on_welcome(message)
        elif name == "token":
            self._renew_after(message["token_seconds"])
        elif name == "error" and "document" not in message:
            self._failure = DocumentError(message["code"], message["message"])
            self._be_quiet(message.get("retry_after_seconds"))
        elif (document := self._documents.get(message.get("document", ""))) is not None:
            await self._inbox.receive(document, message)
            # A repeated ack says nothing of what is in flight now, so not every ack is an answer.
            if document.state.saved:
                self._sent_at.pop(document.state.document_id, None)

    async def _on_welcome(self, message: Message) -> None:
        self._hello |= {"client_id": message["client_id"], "resume_token": message["resume_token"]}
        self.author, self.durability = message["author"], message["durability"]
        self._renew_after(message.get("token_seconds"))
        self._takes_traces = message.get("traces", False) is True
        self._welcomed.set()
        for document in self._documents.values():
            self._send(document.state.open_message())

    def _be_quiet(self, seconds: object) -> None:
        """Say nothing for so long, where the server says how long; a proxy may say a date, which is passed over."""
        text = str(seconds)
        if text.isdecimal():
            self._quiet_until = time.monotonic() + min(int(text), _LONGEST_QUIET_SECONDS)

    def _renew_after(self, token_seconds: float | None) -> None:
        """Show the next token before the last one expires, that holds so long; None: not on this connection."""
        self._renew_no_more()
        seconds = self._tokens.renew_after(token_seconds)
        if seconds is not None:
            self._renewal = asyncio.get_running_loop().create_task(self._renew(seconds))

    def _renew_no_more(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None

    async def _renew(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        try:
            self._send({"type": "token", "token": await self._tokens.next()})
        except Exception as error:
            # It is the application's: the connection ends with the token, and the next one asks again.
            logger.warning(
                "no new token was to be had", extra={"event": "token", "error": repr(error)}, exc_info=error
            )

    def _send_all(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._send(message)

    def _send(self, message: Message) -> None:
        if message["type"] == "submit":
            self._sent_at[message["document"]] = time.monotonic()
            message = self._with_trace(message)
        if self.is_connected:
            self._outgoing.put_nowait(message)

    def _with_trace(self, submit: Message) -> Message:
        """Return a submission with what it is a part of, for a server that knows the field."""
        if not self._traces or not self.is_connected:
            return submit
        traceparent = self._documents[submit["document"]].take_traceparent()
        return submit | {"traceparent": traceparent} if traceparent and self._takes_traces else submit

    async def _write_outgoing(self) -> None:
        while True:
            message = await self._outgoing.get()
            while (seconds := self._quiet_until - time.monotonic()) > 0:
                await asyncio.sleep(seconds)
            await self._write(message)

    async def _write(self, message: dict[str, Any]) -> None:
        assert self._socket is not None  # noqa: S101 - written to only while it lives
        payload = self._codec.encode(message)
        if self._codec is Codec.JSON:
            await self._socket.send_str(payload.decode())
        else:
            await self._socket.send_bytes(payload)

    async def _watch_answers(self) -> None:
        while True:
            await asyncio.sleep(ANSWER_SECONDS / 5)
            now = time.monotonic()
            for key, document in self._documents.items():
                sent_at = self._sent_at.get(key)
                if sent_at is None or not self.is_connected:
                    continue
                if now - max(sent_at, self._quiet_until) > ANSWER_SECONDS:
                    self._send_all(document.state.resend())

    def _lose(self) -> None:
        self._welcomed.clear()
        self._inbox.clear()
        self._outgoing = asyncio.Queue()
        for document in self._documents.values():
            document.state.lost()

    async def _fail(self, error: CoeditError) -> None:
        self._failure = error
        self._lose()
        for document in self._documents.values():
            await document.fail(error)


@asynccontextmanager
async def connect(
    url: str,
    *,
    token: TokenSource = None,
    author: str | None = None,
    codec: Codec = Codec.MSGPACK,
    patience_seconds: float | None = None,
    traces: bool = False,
) -> AsyncIterator[Session]:
    """Connect to the gateway at ``url`` (``http://host:port`` or ``ws://…``) and yield the session.

    ``token`` is one, or a function that gets one: asked for the next a while before the last expires, and after a
    refusal, so that nobody is thrown out by the clock.

    A gateway that cannot be reached is tried again, with growing pauses, for as long as the session lives; before the
    first connection for ``patience_seconds``, or without end. With ``traces`` the server goes on with those of the
    program: each edit and call is a part of OpenTelemetry's span in which it is made.

    Raises:
        ConnectionRefusedByServerError: the server refuses this client for good.
        UnreachableError: there was no first connection in time.
    """
    async with Session(
        url, token=token, author=author, codec=codec, patience_seconds=patience_seconds, traces=traces
    ) as session:
        yield session


def _socket_url(url: str) -> str:
    scheme, _, rest = url.rstrip("/").partition("://")
    base = f"{scheme.replace('http', 'ws')}://{rest}"
    return base if base.endswith("/v1/ws") else f"{base}/v1/ws"


def _http_url(socket_url: str) -> str:
    return "http" + socket_url.removeprefix("ws").removesuffix("/v1/ws")
