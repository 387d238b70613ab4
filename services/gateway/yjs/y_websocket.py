"""A y-websocket client: one document on one socket, named by the path."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from coedit.errors import CoeditError, DeletedError, OverloadedError, UndecidedError
from coedit.identifiers import AuthorId, DocumentId
from coedit.protocol.codec import Codec
from coedit.protocol.frames import encode_frame
from coedit.protocol.server_session import CloseCode, close_code_of
from coedit.protocol.tokens import Identity
from coedit.protocol.yjs.sync import read_messages, write_awareness, write_denied
from services.gateway.access.addresses import document_at
from services.gateway.documents.answers import as_answer
from services.gateway.settings import GatewaySettings
from services.gateway.sockets.server_socket import ServerSocket
from services.gateway.yjs.desk import YjsDesk
from services.gateway.yjs.frames import YjsFrame
from services.gateway.yjs.seat import YjsSeat
from services.gateway.yjs.wire import SILENCE_SECONDS, YjsWire, root_of

PATH = "/yjs/"
_LINGER_SECONDS = 2.0
"""So long whoever opens a deleted document is kept: providers up to 3.0 come back at once, whatever the close code."""
_NOBODY = YjsFrame(write_awareness(b"\x00"))


class YjsSocket(YjsWire):
    """Satisfies `services.gateway.yjs.seat.YjsOutlet`."""

    door = "y-websocket"

    def __init__(
        self,
        socket: ServerSocket,
        request: web.Request,
        settings: GatewaySettings,
        desk: YjsDesk,
        identify: Callable[[str], Awaitable[Identity]],
        on_denied: Callable[[], None],
    ) -> None:
        super().__init__(socket, settings)
        self._on_denied = on_denied
        # Not the request itself, which is much larger and would be kept as long.
        self._raw_path, self._query = request.raw_path, request.query
        self._most_frame_bytes = settings.gateway_yjs_frame_bytes
        self._desk = desk
        self._identify = identify
        self._identity: Identity | None = None
        self._document_id: DocumentId | None = None
        self._seat: YjsSeat | None = None

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        seat: YjsSeat | None = None
        try:
            self._seat = seat = await self._open()
            self.trust(self._most_frame_bytes)
            self.client_id = seat.client_id
            seat.ask()
            seat.greet()
            while not self.is_closed and (payload := await self.next_frame()) is not None:
                await self._hear(seat, payload)
        except DeletedError as error:
            await asyncio.sleep(_LINGER_SECONDS)
            self._refuse(error, error)
        except Exception as error:  # noqa: BLE001 - told, logged and counted
            self._refuse(as_answer(error), error)
        finally:
            await self.say_goodbye()
            self.finish()
            if seat is not None:
                await self._desk.leave(seat)

    async def _open(self) -> YjsSeat:
        self._identity = identity = await self._identify(self._query.get("token", ""))
        self.lasts_until(identity.expires_at)
        await self._desk.let_in(self, identity.author)
        self._document_id = name = document_at(self._raw_path, PATH)
        return await self._desk.open(self, name, identity, root_of(self._query))

    def is_concerned(self, author: AuthorId | None, document_id: DocumentId | None) -> bool:
        """Return whether this is its document, and author; None: any."""
        if self._identity is None or author not in (None, self._identity.author):
            return False
        return document_id in (None, self._document_id)

    def who(self) -> tuple[list[str], list[str]]:
        """Return as whom the client is here, and its document."""
        authors = [] if self._identity is None else [str(self._identity.author)]
        return authors, [] if self._document_id is None else [str(self._document_id)]

    async def settle_rights(self, _: AuthorId | None, __: DocumentId | None) -> bool:
        """Find out anew what the client may do with its document; return whether that could be found out."""
        if self._seat is None:
            return True  # it is found out when it is open
        try:
            await self._desk.settle(self._seat)
        except (UndecidedError, OverloadedError) as error:
            self._desk.refused(error, error)  # what it may do stays
            return False
        except CoeditError as error:
            self._refuse(error, error)
        return True

    def _refuse(self, answer: CoeditError, error: BaseException) -> None:
        """End the connection of a client that may not have, or say, what it wants."""
        self._desk.refused(answer, error)
        code = close_code_of(answer)
        if code in (CloseCode.UNAUTHORIZED, CloseCode.FORBIDDEN):
            self._on_denied()
            self.write_frame(encode_frame(Codec.MSGPACK, write_denied(answer.code)))
        self.close(code, answer.code)

    def write(self, frame: YjsFrame) -> None:
        """Write a message; never waits."""
        self.write_frame(frame.of(None))

    def confirm(self, *, is_taken: bool) -> None:
        """Nothing: y-websocket has no message for it."""

    def end(self, code: CloseCode, reason: str) -> None:
        """End the connection."""
        self.close(code, reason)

    def keep_alive(self) -> None:
        """Say something, if nothing was said for long."""
        if self.silent_seconds > SILENCE_SECONDS:
            self.write(_NOBODY)

    async def _hear(self, seat: YjsSeat, payload: bytes | str) -> None:
        if isinstance(payload, str):
            self.refuse_text()
            return
        for message in read_messages(payload):
            await seat.hear(message)
            await asyncio.sleep(0)  # a frame may hold many, and nobody else waits for all of them
