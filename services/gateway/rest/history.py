"""A document's past over plain HTTP: its changes, any moment of it, who wrote it, versions, and going back to it.

The id is the whole rest of the path, percent-encoded, slashes and all: so each question has a path of its own.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from coedit.errors import InvalidRequestError
from coedit.identifiers import DocumentId, version_name
from coedit.ot.diff import diff
from coedit.protocol.moments import read_moment
from coedit.protocol.tokens import Identity
from coedit.store.documents.history import History, Past
from coedit.store.objects.versions import Version, Versions
from coedit.store.redis.topology import Nodes
from services.gateway.access.access import Access
from services.gateway.access.addresses import DOCUMENT
from services.gateway.heavy.places import Places
from services.gateway.rest.answers import answered
from services.gateway.rest.asked import (
    integer_of,
    read_fields,
    refuse_unknown_fields,
    seconds_of,
    selection_of,
    text_of,
)
from services.gateway.rest.bodies import continue_later
from services.gateway.rest.editing.edit_response import edit_response, json_response
from services.gateway.rest.editing.one_edit import OneEdits
from services.gateway.rest.moments import Moments
from services.gateway.rest.requests import authorize, document_of, wants_text

logger = logging.getLogger(__name__)

_GAP_SECONDS = 60.0
_LIMIT = 100
_MAX_LIMIT = 1000
_LISTS = 4
"""So many lists of versions are put together at a time; each may read a thousand objects."""
_LISTS_OF_ONE = 3
"""So many of them for one author."""

_Question = Callable[[web.Request, DocumentId, Identity], Awaitable[web.Response]]
_Order = Callable[[dict[str, Any], DocumentId, Identity], Awaitable[web.Response]]


class HistoryRoutes:
    """Everything under ``/v1/history/``, ``/v1/at/``, ``/v1/diff/``, ``/v1/blame/``, ``/v1/versions/``,
    ``/v1/restore/`` and ``/v1/undo/``.
    """

    def __init__(
        self,
        access: Access,
        history: History,
        versions: Versions,
        moments: Moments,
        edits: OneEdits,
        nodes: Nodes,
        body_seconds: float,
    ) -> None:
        self._access = access
        self._history = history
        self._moments = moments
        self._versions = versions
        self._edits = edits
        self._nodes = nodes
        self._body_seconds = body_seconds
        self._lists = Places("versions", _LISTS, at_once_of_one=_LISTS_OF_ONE)

    def add_to(self, app: web.Application) -> None:
        """Serve the routes."""
        self._answer(app, "/v1/history/", self._changes)
        self._answer(app, "/v1/at/", self._at)
        self._answer(app, "/v1/diff/", self._diff)
        self._answer(app, "/v1/blame/", self._blame)
        self._answer(app, "/v1/versions/", self._list_versions)
        self._obey(app, "/v1/versions/", self._name_version)
        self._obey(app, "/v1/restore/", self._restore)
        self._obey(app, "/v1/undo/", self._undo)

    def _answer(self, app: web.Application, path: str, question: _Question) -> None:
        async def handle(request: web.Request) -> web.Response:
            document_id = document_of(request, path)
            author = request.query.get("author")
            identity = await authorize(self._access, request, document_id, "read", "history", author=author)
            return await question(request, document_id, identity)

        app.router.add_get(path + DOCUMENT, answered(handle))

    def _obey(self, app: web.Application, path: str, order: _Order) -> None:
        async def handle(request: web.Request) -> web.Response:
            document_id = document_of(request, path)
            await authorize(self._access, request, document_id, "write", "history")
            body = await read_fields(request, self._body_seconds)
            author = text_of(body, "author", default="")
            identity = await authorize(self._access, request, document_id, "write", "history", author=author)
            return await order(body, document_id, identity)

        app.router.add_post(path + DOCUMENT, answered(handle), expect_handler=continue_later)

    async def _changes(
        self, request: web.Request, document_id: DocumentId, identity: Identity
    ) -> web.Response:
        limit = min(_MAX_LIMIT, max(1, integer_of(request, "limit", _LIMIT)))
        gap_ms = int(seconds_of(request, "gap_seconds", _GAP_SECONDS) * 1000)
        async with self._moments.replaying("changes", identity.author):
            head = await self._history.head(document_id)
            before = min(integer_of(request, "before", head.revision + 1), head.revision + 1)
            listed = await self._history.changes(document_id, before, limit, gap_ms)
        answer = {"document": document_id, "epoch": head.epoch, "head": head.revision}
        return json_response(answer | {"changes": list(map(asdict, listed.changes)), "before": listed.before})

    async def _at(self, request: web.Request, document_id: DocumentId, identity: Identity) -> web.Response:
        async with self._moments.replaying("at", identity.author):
            past = await self._moments.past(document_id, read_moment(request.query.get("at", "head")))
        if wants_text(request):
            return web.Response(text=past.document.text, headers={"Coedit-Revision": str(past.revision)})
        return await asyncio.to_thread(
            lambda: json_response(_about(document_id, past) | {"content": past.document.to_json()})
        )

    async def _diff(self, request: web.Request, document_id: DocumentId, identity: Identity) -> web.Response:
        if "from" not in request.query:
            raise InvalidRequestError("from= is missing: a moment")
        async with self._moments.replaying("diff", identity.author):
            before = await self._moments.past(document_id, read_moment(request.query["from"]))
            after = await self._moments.past(document_id, read_moment(request.query.get("to", "head")))
            delta = await asyncio.to_thread(diff, before.document, after.document)
        answer = {"document": document_id, "from": before.revision, "to": after.revision}
        return await asyncio.to_thread(lambda: json_response(answer | {"delta": delta.to_json()}))

    async def _blame(self, request: web.Request, document_id: DocumentId, identity: Identity) -> web.Response:
        async with self._moments.replaying("blame", identity.author):
            revision = await self._moments.revision(document_id, read_moment(request.query.get("at", "head")))
            runs = await self._history.blame(document_id, revision)
        answer = {"document": document_id, "revision": revision, "runs": [run._asdict() for run in runs]}
        return await asyncio.to_thread(lambda: json_response(answer))

    async def _list_versions(
        self, request: web.Request, document_id: DocumentId, identity: Identity
    ) -> web.Response:
        async with self._lists.taken(identity.author):
            return await self._listed_versions(request, document_id)

    async def _listed_versions(self, request: web.Request, document_id: DocumentId) -> web.Response:
        limit = min(_MAX_LIMIT, max(1, integer_of(request, "limit", _LIMIT)))
        after_name = request.query.get("after")
        names = await self._versions.names(document_id, version_name(after_name) if after_name else "")
        shown = await self._versions.read_all(document_id, names[:limit])
        after = shown[-1].name if len(names) > limit else None
        return json_response({"document": document_id, "versions": list(map(asdict, shown)), "after": after})

    async def _name_version(
        self, body: dict[str, Any], document_id: DocumentId, identity: Identity
    ) -> web.Response:
        refuse_unknown_fields(body, "name", "at")
        name = version_name(text_of(body, "name"))
        async with self._moments.replaying("version", identity.author):
            past = await self._moments.past(document_id, read_moment(text_of(body, "at", default="head")))
        version = Version(
            name, past.revision, past.epoch, past.mac, identity.author, await self._now(document_id)
        )
        stored = await self._versions.create(document_id, version)
        _tell("version named", "version", document_id, identity, revision=stored.revision)
        return json_response({"document": document_id} | asdict(stored), status=201)

    async def _restore(
        self, body: dict[str, Any], document_id: DocumentId, identity: Identity
    ) -> web.Response:
        refuse_unknown_fields(body, "at", "base_revision")
        moment = read_moment(text_of(body, "at"))
        async with self._moments.replaying("restore", identity.author):
            base = await self._base(document_id, body)
            wanted = await self._moments.past(document_id, moment)
            delta = await asyncio.to_thread(diff, base.document, wanted.document)
        what = ["restore", wanted.revision, wanted.mac]
        return await edit_response(
            self._edits, document_id, base, identity, what, delta, {"restored": wanted.revision}
        )

    async def _undo(self, body: dict[str, Any], document_id: DocumentId, identity: Identity) -> web.Response:
        refuse_unknown_fields(body, "of", "since", "until", "base_revision")
        selection = selection_of(body)
        async with self._moments.replaying("undo", identity.author):
            base = await self._base(document_id, body)
            retraction = await self._history.retraction(document_id, base.revision, selection)
            delta = await asyncio.to_thread(lambda: retraction.delta)
        what = ["undo", *(asdict(selection).values())]
        return await edit_response(
            self._edits, document_id, base, identity, what, delta, {"commits": retraction.count}
        )

    async def _base(self, document_id: DocumentId, body: dict[str, Any]) -> Past:
        revision = body.get("base_revision")
        if revision is not None and (type(revision) is not int or revision < 0):
            raise InvalidRequestError("base_revision is not a revision")
        return await self._moments.base(document_id, revision)

    async def _now(self, document_id: DocumentId) -> int:
        """Return the milliseconds since 1970 by the clock that stamps the document's commits."""
        seconds, microseconds = await self._nodes.at(self._history.shard(document_id)).time()
        return int(seconds) * 1000 + int(microseconds) // 1000


def _about(document_id: DocumentId, past: Past) -> dict[str, Any]:
    return {
        "document": document_id,
        "epoch": past.epoch,
        "revision": past.revision,
        "mac": past.mac,
        "author": past.author,
        "at": past.at,
    }


def _tell(sentence: str, what: str, document_id: DocumentId, identity: Identity, **facts: Any) -> None:
    about = {"event": what, "document_id": document_id, "author": identity.author}
    logger.info(sentence, extra=about | facts)
