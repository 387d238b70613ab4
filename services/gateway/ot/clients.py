"""Who is connected to this gateway, and which client it is: its id, and what it proves that by."""

import secrets
import time
from importlib.metadata import version
from typing import Any

from coedit.identifiers import ClientId
from coedit.ot.wire import MAX_OPS, MAX_VALUES
from coedit.protocol.messages import Hello, Open
from coedit.protocol.tokens import Identity, make_resume_token
from coedit.runtime.tracing.active import TRACES
from services.gateway.access.access import Access
from services.gateway.ot.connection import Connection
from services.gateway.settings import GatewaySettings


class Clients:
    """The clients of one gateway: each has one connection, the newest."""

    def __init__(self, settings: GatewaySettings, access: Access) -> None:
        self._settings = settings
        self._access = access
        self._version = version("coedit")
        self._secret = settings.secret.get_secret_value()
        self._connections: dict[ClientId, Connection] = {}

    async def welcome(self, connection: Connection, hello: Hello) -> None:
        """Answer a hello.

        Raises:
            UnauthorizedError: the token or the resume token does not hold.
            UndecidedError: whether it does cannot be found out now.
            LimitedError: the author has too many connections, or asks for too much.
        """
        identity = await self._access.identify(hello.token, hello.author)
        authors = self._access.authors
        connection.account_to(authors.enter(identity.author, connection))
        await authors.admit(identity.author)
        client_id = self._known_or_new(identity, hello.client_id, hello.resume_token)
        before = self._connections.get(client_id)
        self._connections[client_id] = connection
        if before is not None:
            before.replaced()
        connection.client_id = client_id
        connection.is_resumed = hello.client_id is not None
        connection.identify(identity)
        connection.send(self._welcome_message(identity, client_id))

    def gone(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        if connection.client_id is not None and self._connections.get(connection.client_id) is connection:
            del self._connections[connection.client_id]

    def of_document(self, connection: Connection, identity: Identity, message: Open) -> ClientId:
        """Return as which client a document is opened.

        Raises:
            UnauthorizedError: the resume token does not hold.
        """
        if message.renew:
            return _new_client_id()
        if message.client_id is not None:
            return self._known_or_new(identity, message.client_id, message.resume_token)
        assert connection.client_id is not None  # noqa: S101 - set by the welcome
        return connection.client_id

    def resume_token(self, client_id: ClientId, identity: Identity) -> str:
        """Return what the client proves by, when it comes back, that this is its id."""
        return make_resume_token(self._secret, client_id, identity.author)

    def _known_or_new(self, identity: Identity, client_id: str | None, resume_token: str | None) -> ClientId:
        if client_id is None or resume_token is None:
            return _new_client_id()
        self._access.check_resume(ClientId(client_id), identity.author, resume_token)
        return ClientId(client_id)

    def _welcome_message(self, identity: Identity, client_id: ClientId) -> dict[str, Any]:
        settings = self._settings
        return {
            "type": "welcome",
            "client_id": client_id,
            "resume_token": self.resume_token(client_id, identity),
            "author": identity.author,
            "token_seconds": identity.seconds_left(time.time()),
            "durability": settings.durability,
            "server": f"coedit/{self._version}",
            "limits": {
                "frame_bytes": settings.gateway_frame_bytes,
                "delta_ops": MAX_OPS,
                "delta_values": MAX_VALUES,
                "document_units": settings.gateway_document_units,
                "open_documents": settings.gateway_open_documents,
                "presence_bytes": settings.gateway_presence_bytes,
            },
        } | ({} if TRACES.tracer is None else {"traces": True})


def _new_client_id() -> ClientId:
    return ClientId(secrets.token_urlsafe(12))
