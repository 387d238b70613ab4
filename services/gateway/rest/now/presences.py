"""Being seen in a document without a connection: programs that edit it now and then.

One author is one person there, whichever gateway is asked: the client id follows from both. Nobody looks after such a
person. What was said is true for a while, which the presence service measures, or until something else is said.
"""

import base64
from hashlib import blake2b

import orjson
from aiohttp import web

from coedit.identifiers import AuthorId, ClientId, DocumentId, Revision
from coedit.ot.commit import Caret
from coedit.presence.roster import Presence, presence_fields
from coedit.protocol.tokens import Identity
from coedit.store.presence.store import PresenceStore
from services.gateway.rest.editing.edit_response import json_response
from services.gateway.rest.moments import Moments
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.documents import BE_SEEN, LEAVE, PRESENT, BeSeenBody
from services.gateway.rest.routes.route import Body, Query, Served

NAME = "rest"
"""Who reported them: any gateway may say that one of them has left."""


class PresenceRoutes:
    """``store`` reports under `NAME`; who says nothing else is seen for ``ttl_seconds``."""

    def __init__(self, store: PresenceStore, moments: Moments, secret: str, ttl_seconds: float) -> None:
        self._store = store
        self._moments = moments
        self._key = blake2b(secret.encode(), digest_size=32, person=b"coedit-program").digest()
        self._ttl_seconds = ttl_seconds

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [PRESENT.by(self._present), BE_SEEN.by(self._be_seen), LEAVE.by(self._leave)]

    async def _present(self, call: Call[Query, Body]) -> web.Response:
        present = await self._store.read_roster(call.document_id)
        return json_response({"document": call.document_id, "present": list(map(presence_fields, present))})

    async def _be_seen(self, call: Call[Query, BeSeenBody]) -> web.Response:
        body = await call.read()
        revision = body.revision
        if revision is None:
            revision = (await self._moments.head(call.document_id)).revision
        seen = self._said(body, call.document_id, call.identity, Revision(revision))
        await self._store.report(call.document_id, seen)
        return json_response(
            {"document": call.document_id} | presence_fields(seen) | {"ttl_seconds": seen.ttl_ms / 1000}
        )

    async def _leave(self, call: Call[Query, Body]) -> web.Response:
        client_id = self._client_id(call.identity.author, call.document_id)
        await self._store.left([(client_id, call.document_id)])
        return web.Response(status=204)

    def _said(
        self, body: BeSeenBody, document_id: DocumentId, identity: Identity, revision: Revision
    ) -> Presence:
        caret = body.caret
        seconds = self._ttl_seconds if body.ttl_seconds is None else body.ttl_seconds
        return Presence(
            self._client_id(identity.author, document_id),
            identity.author,
            identity.name or body.name,
            identity.colour or body.colour,
            revision,
            None if caret is None else Caret(caret.anchor, caret.head),
            avatar=identity.avatar,
            ttl_ms=int(seconds * 1000),
        )

    def _client_id(self, author: AuthorId, document_id: DocumentId) -> ClientId:
        digest = blake2b(orjson.dumps([author, document_id]), digest_size=15, key=self._key).digest()
        return ClientId(base64.urlsafe_b64encode(digest).decode())
