"""A Hocuspocus client: many documents on one socket, each with a token of its own.

What comes before a document is open waits, within bounds; after a denial it is dropped.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from coedit.errors import (
    CoeditError,
    ForbiddenError,
    OverloadedError,
    TooLargeError,
    UnauthorizedError,
    UndecidedError,
)
from coedit.identifiers import AuthorId, DocumentId, document_id
from coedit.protocol.codec import Codec
from coedit.protocol.frames import encode_frame
from coedit.protocol.server_session import MOST_BYTES_BEFORE_WELCOME, CloseCode, close_code_of
from coedit.protocol.tokens import Identity
from coedit.protocol.yjs.hocuspocus import (
    Authenticate,
    DocumentFrame,
    DocumentMessage,
    Leave,
    Ping,
    Pong,
    Stateless,
    read_frame,
    write_close,
    write_denied,
    write_granted,
    write_pong,
    write_sync_status,
)
from coedit.protocol.yjs.sync import SyncStep1, SyncStep2, write_awareness
from services.gateway.documents.answers import as_answer
from services.gateway.metrics import YJS_IGNORED
from services.gateway.settings import GatewaySettings
from services.gateway.sockets.server_socket import ServerSocket
from services.gateway.yjs.desk import YjsDesk
from services.gateway.yjs.frames import YjsFrame
from services.gateway.yjs.seat import YjsSeat
from services.gateway.yjs.wire import SILENCE_SECONDS, YjsWire, root_of

_MOST_WAITING_MESSAGES = 1_000
"""Of one document, before it is open."""
_MOST_BYTES_OF_STRANGERS = 4 * MOST_BYTES_BEFORE_WELCOME
"""What may wait on a socket before any token was good."""
_PONG = encode_frame(Codec.MSGPACK, write_pong())

Identify = Callable[[str], Awaitable[Identity]]


class HocuspocusDocument:
    """One document on a socket, from its token to its end; satisfies `services.gateway.yjs.seat.YjsOutlet`."""

    def __init__(self, wire: "HocuspocusSocket", desk: YjsDesk, key: str, name: str) -> None:
        self._wire = wire
        self._desk = desk
        self._key = key
        self._name = name
        self._waiting: list[DocumentMessage] = []
        self._opening: asyncio.Task[None] | None = None
        self._seat: YjsSeat | None = None
        self._is_open = False
        """Whether what comes is heard at once."""
        self._is_denied = False
        self._next_token: str | None = None
        """One that came while the document was being opened."""
        self._owes_status = False
        """Whether the step 2 that comes next answers the client's own step 1, and is counted by it."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._wire.is_closed or self._is_denied

    async def hear(self, message: DocumentMessage) -> None:
        """Take in what the client says about the document.

        Raises:
            CoeditError: it may not say this.
        """
        if isinstance(message, Authenticate):
            await self._authenticate(message.token)
        elif self._is_denied:
            YJS_IGNORED.labels("denied").inc()
        elif self._seat is None or not self._is_open:
            if len(self._waiting) >= _MOST_WAITING_MESSAGES:
                raise TooLargeError("too many messages before the document is open")
            self._waiting.append(message)
            self._wire.waits(message)
        else:
            await self._answer(self._seat, message)

    @property
    def name(self) -> str:
        """The document's id, as the client says it."""
        return self._name

    async def settle_rights(self) -> bool:
        """Find out anew what the client may do with the document, and tell it where that is something else.

        Return whether that could be found out.
        """
        seat = self._seat
        if seat is None:
            return True  # it is found out when it is open
        before = seat.right
        try:
            await self._desk.settle(seat)
        except (UndecidedError, OverloadedError) as error:
            self._desk.refused(error, error)  # what it may do stays
            return False
        except CoeditError as error:
            self._deny(error, error)
        else:
            if seat.right != before:
                self.write(YjsFrame(write_granted(may_write=seat.right == "write")))
        return True

    async def leave(self) -> None:
        """Give up the document."""
        opening = self._opening
        if opening is not None and opening is not asyncio.current_task():
            opening.cancel()
            await asyncio.wait({opening})
        seat, self._seat, self._is_open = self._seat, None, False
        if seat is not None:
            await self._desk.leave(seat)

    def write(self, frame: YjsFrame) -> None:
        """Write a message; never waits."""
        if not self._is_denied:
            self._wire.write_frame(frame.of(self._key))

    async def until_drained(self) -> None:
        """Wait until the client has read what was written, or is dropped for not reading."""
        await self._wire.until_drained()

    def confirm(self, *, is_taken: bool) -> None:
        """Say that an update is durable, or that it was not taken."""
        self.write(YjsFrame(write_sync_status(is_taken=is_taken)))

    def keep_alive(self) -> None:
        """Say something on the socket, if nothing was said for long."""
        if self._wire.silent_seconds > SILENCE_SECONDS:
            self.write(YjsFrame(write_awareness(b"\x00")))

    def end(self, code: CloseCode, reason: str) -> None:
        """End the document for good, or have the client come back with all it has."""
        if code < CloseCode.INTERNAL:
            self.write(YjsFrame(write_close(reason)))
            self._deny_all()
        else:
            self._wire.close(code, reason)

    async def _authenticate(self, token: str) -> None:
        if self._opening is not None:
            self._next_token = token
            return
        if self._is_denied:
            await self.leave()  # what it had before it was denied
        try:
            identity = await self._wire.identify(token)
            await self._desk.let_in(self._wire, identity.author)
            if self._seat is not None:
                await self._desk.renew(self._seat, identity)
        except CoeditError as error:
            if self._seat is None or not isinstance(error, UndecidedError | OverloadedError):
                self._deny(error, error)
            return
        self._is_denied = False
        self._wire.is_known(self._key, identity)
        if self._seat is not None:
            self.write(YjsFrame(write_granted(may_write=self._seat.right == "write")))
            return
        self._opening = asyncio.get_running_loop().create_task(self._open(identity))

    async def _open(self, identity: Identity) -> None:
        try:
            self._seat = seat = await self._desk.open(
                self, document_id(self._name), identity, self._wire.root
            )
            self.write(YjsFrame(write_granted(may_write=seat.right == "write")))
            seat.greet()
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                for message in waiting:
                    self._wire.waits_no_more(message)
                    await self._answer(seat, message)
            self._is_open = True
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - told, logged and counted
            self._deny(as_answer(error), error)
        finally:
            self._opening = None
        token, self._next_token = self._next_token, None
        if token is not None:
            await self._authenticate(token)

    def _deny(self, answer: CoeditError, error: BaseException) -> None:
        for message in self._waiting:
            self._wire.waits_no_more(message)
        self._waiting.clear()
        self._desk.refused(answer, error)
        if isinstance(answer, UnauthorizedError | ForbiddenError):
            self.write(YjsFrame(write_denied("permission-denied")))
            self._deny_all()
        else:
            self.end(close_code_of(answer), answer.code)

    def _deny_all(self) -> None:
        """Drop what comes from now on, and give up what is open."""
        self._is_denied = True
        if self._seat is not None:
            self._wire.leave_soon(self)

    async def _answer(self, seat: YjsSeat, message: DocumentMessage) -> None:
        try:
            match message:
                case SyncStep1():
                    seat.ask()
                    self._owes_status = True
                    await seat.hear(message)
                case SyncStep2():
                    owes, self._owes_status = self._owes_status, False
                    await seat.hear(message, is_counted=owes)
                case Stateless():
                    YJS_IGNORED.labels("stateless").inc()
                case Leave() | Authenticate():
                    pass
                case _:
                    await seat.hear(message)
        except CoeditError as error:
            self._deny(error, error)


class HocuspocusSocket(YjsWire):
    """The socket."""

    door = "hocuspocus"

    def __init__(
        self,
        socket: ServerSocket,
        request: web.Request,
        settings: GatewaySettings,
        desk: YjsDesk,
        identify: Identify,
    ) -> None:
        super().__init__(socket, settings)
        self.root = root_of(request.query)
        self.identify = identify
        self._desk = desk
        self._leaving: set[asyncio.Task[None]] = set()
        self._documents: dict[str, HocuspocusDocument] = {}
        self._most_documents = settings.gateway_open_documents
        self._most_waiting_bytes = _MOST_BYTES_OF_STRANGERS
        self._most_frame_bytes = settings.gateway_yjs_frame_bytes
        self._hello_seconds = settings.gateway_hello_seconds
        self._waiting_bytes = 0
        self._authors: dict[str, AuthorId] = {}
        """Who each document is open as, or was when its last token was good."""
        self._expire_at: dict[str, float] = {}
        """When the token of each document expires; the first of them ends the socket."""

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        self.end_in(self._hello_seconds, CloseCode.NO_HELLO, "no token")
        try:
            while not self.is_closed and (payload := await self.next_frame()) is not None:
                await self._hear(payload)
        except Exception as error:  # noqa: BLE001 - told, logged and counted
            answer = as_answer(error)
            self._desk.refused(answer, error)
            self.close(close_code_of(answer), answer.code)
        finally:
            await self.say_goodbye()
            self.finish()
            for document in self._documents.values():
                await document.leave()
            self._documents.clear()  # each refers to the socket

    def is_concerned(self, author: AuthorId | None, document_id: DocumentId | None) -> bool:
        """Return whether this document is open here, or being opened, as this author; None: any."""
        return bool(self._concerned(author, document_id))

    def who(self) -> tuple[list[str], list[str]]:
        """Return as whom the client is in which documents."""
        authors = sorted({str(author) for author in self._authors.values()})
        return authors, [document.name for document in self._documents.values()]

    async def settle_rights(self, author: AuthorId | None, document_id: DocumentId | None) -> bool:
        """Find out anew what may be done with what is open; return whether that could be found out for all of it."""
        settled = [await document.settle_rights() for document in self._concerned(author, document_id)]
        return all(settled)

    def _concerned(self, author: AuthorId | None, document_id: DocumentId | None) -> list[HocuspocusDocument]:
        return [
            document
            for key, document in self._documents.items()
            if key in self._authors
            and author in (None, self._authors[key])
            and document_id in (None, document.name)
        ]

    def is_known(self, key: str, identity: Identity) -> None:
        """A document's token was good: the socket may send more, and lasts as long as the first of its tokens."""
        self.trust(self._most_frame_bytes)
        self._most_waiting_bytes = self._most_frame_bytes
        self._authors[key] = identity.author
        self._expire_at[key] = identity.expires_at or float("inf")
        self.lasts_until(min(self._expire_at.values()))

    def waits(self, message: DocumentMessage) -> None:
        """Take note of what waits for its document.

        Raises:
            TooLargeError: too much does.
        """
        self._waiting_bytes += _size(message)
        self._socket.keeps(self._waiting_bytes)
        if self._waiting_bytes > self._most_waiting_bytes:
            raise TooLargeError("too much comes before the documents are open")

    def waits_no_more(self, message: DocumentMessage) -> None:
        """Take note that it was heard."""
        self._waiting_bytes -= _size(message)
        self._socket.keeps(self._waiting_bytes)

    def leave_soon(self, document: HocuspocusDocument) -> None:
        """Give up a document that has been denied."""
        task = asyncio.get_running_loop().create_task(document.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _hear(self, payload: bytes | str) -> None:
        if isinstance(payload, str):
            self.refuse_text()
            return
        match read_frame(payload):
            case Ping():
                self.write_frame(_PONG)
            case Pong():
                pass
            case DocumentFrame(key, Leave()):
                await self._leave(key)
            case DocumentFrame(key, message) as frame:
                await (await self._document(key, frame.name)).hear(message)

    async def _document(self, key: str, name: str) -> HocuspocusDocument:
        document = self._documents.get(key)
        if document is None:
            if len(self._documents) >= self._most_documents:
                raise TooLargeError(f"more than {self._most_documents} open documents")
            while seconds := self.opens_in():
                await asyncio.sleep(seconds)  # and nothing is read meanwhile
            document = self._documents[key] = HocuspocusDocument(self, self._desk, key, name)
        return document

    async def _leave(self, key: str) -> None:
        document = self._documents.pop(key, None)
        self._authors.pop(key, None)
        if self._expire_at.pop(key, None) is not None and self._expire_at:
            self.lasts_until(min(self._expire_at.values()))
        if document is not None:
            document.write(YjsFrame(write_close("provider_initiated")))
            await document.leave()


def _size(message: DocumentMessage) -> int:
    return 64 + sum(len(part) for part in message)
