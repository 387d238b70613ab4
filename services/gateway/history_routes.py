"""A document's past over plain HTTP: its changes, any moment of it, who wrote it, versions, and going back to it.

The id is the whole rest of the path, percent-encoded, slashes and all: so each question has a path of its own.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from time import perf_counter
from typing import Any

import orjson
from aiohttp import web

from coedit.errors import (
    DivergedError,
    ForbiddenError,
    HistoryTooLongError,
    InvalidRequestError,
    OverloadedError,
    TooLargeError,
)
from coedit.identifiers import DocumentId, Revision, version_name
from coedit.ot.delta import Delta
from coedit.ot.diff import diff
from coedit.ot.wire import MAX_OPS
from coedit.protocol.moments import AtRevision, AtTime, AtVersion, Moment, read_moment
from coedit.protocol.tokens import Identity
from coedit.store.history import History, Past
from coedit.store.topology import Nodes
from coedit.store.versions import Version, Versions
from services.gateway.asked import (
    integer_of,
    read_body,
    refuse_unknown_fields,
    seconds_of,
    selection_of,
    text_of,
)
from services.gateway.auth import Access
from services.gateway.metrics import HISTORY_SECONDS
from services.gateway.one_edit import Base, OneEdits
from services.gateway.rest import answered, authorize, document_of, refusal_response, wants_text

logger = logging.getLogger(__name__)

_GAP_SECONDS = 60.0
_LIMIT = 100
_MAX_LIMIT = 1000
_REPLAYS = 2
"""So many histories are gone through at a time; each keeps a thread busy."""
_WAIT_SECONDS = 5.0
_REPLAY_SECONDS = 60.0

_Question = Callable[[web.Request, DocumentId], Awaitable[web.Response]]
_Order = Callable[[dict[str, Any], DocumentId, Identity], Awaitable[web.Response]]


class HistoryRoutes:
    """Everything under ``/v1/history/``, ``/v1/at/``, ``/v1/diff/``, ``/v1/blame/``, ``/v1/versions/``,
    ``/v1/restore/`` and ``/v1/undo/``.
    """

    def __init__(
        self, access: Access, history: History, versions: Versions, edits: OneEdits, nodes: Nodes
    ) -> None:
        self._access = access
        self._history = history
        self._versions = versions
        self._edits = edits
        self._nodes = nodes
        self._replays = asyncio.Semaphore(_REPLAYS)

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
            authorize(self._access, request, document_id)
            return await question(request, document_id)

        app.router.add_get(path + "{document:.*}", answered(handle))

    def _obey(self, app: web.Application, path: str, order: _Order) -> None:
        async def handle(request: web.Request) -> web.Response:
            document_id = document_of(request, path)
            body = await read_body(request)
            identity = authorize(self._access, request, document_id, text_of(body, "author", default=""))
            if identity.right(document_id) != "write":
                raise ForbiddenError("the token grants reading only")
            return await order(body, document_id, identity)

        app.router.add_post(path + "{document:.*}", answered(handle))

    async def _changes(self, request: web.Request, document_id: DocumentId) -> web.Response:
        limit = min(_MAX_LIMIT, max(1, integer_of(request, "limit", _LIMIT)))
        gap_ms = int(seconds_of(request, "gap_seconds", _GAP_SECONDS) * 1000)
        async with self._replaying("changes"):
            head = await self._history.head(document_id)
            before = min(integer_of(request, "before", head.revision + 1), head.revision + 1)
            listed = await self._history.changes(document_id, before, limit, gap_ms)
        answer = {"document": document_id, "epoch": head.epoch, "head": head.revision}
        return _json(answer | {"changes": list(map(asdict, listed.changes)), "before": listed.before})

    async def _at(self, request: web.Request, document_id: DocumentId) -> web.Response:
        async with self._replaying("at"):
            past = await self._past(document_id, read_moment(request.query.get("at", "head")))
        if wants_text(request):
            return web.Response(text=past.document.text, headers={"Coedit-Revision": str(past.revision)})
        return await asyncio.to_thread(
            lambda: _json(_about(document_id, past) | {"content": past.document.to_json()})
        )

    async def _diff(self, request: web.Request, document_id: DocumentId) -> web.Response:
        if "from" not in request.query:
            raise InvalidRequestError("from= is missing: a moment")
        async with self._replaying("diff"):
            before = await self._past(document_id, read_moment(request.query["from"]))
            after = await self._past(document_id, read_moment(request.query.get("to", "head")))
            delta = await asyncio.to_thread(diff, before.document, after.document)
        answer = {"document": document_id, "from": before.revision, "to": after.revision}
        return await asyncio.to_thread(lambda: _json(answer | {"delta": delta.to_json()}))

    async def _blame(self, request: web.Request, document_id: DocumentId) -> web.Response:
        async with self._replaying("blame"):
            revision = await self._revision(document_id, read_moment(request.query.get("at", "head")))
            runs = await self._history.blame(document_id, revision)
        answer = {"document": document_id, "revision": revision, "runs": [run._asdict() for run in runs]}
        return await asyncio.to_thread(lambda: _json(answer))

    async def _list_versions(self, request: web.Request, document_id: DocumentId) -> web.Response:
        limit = min(_MAX_LIMIT, max(1, integer_of(request, "limit", _LIMIT)))
        after_name = request.query.get("after")
        names = await self._versions.names(document_id, version_name(after_name) if after_name else "")
        shown = [await self._versions.read(document_id, name) for name in names[:limit]]
        after = shown[-1].name if len(names) > limit else None
        return _json({"document": document_id, "versions": list(map(asdict, shown)), "after": after})

    async def _name_version(
        self, body: dict[str, Any], document_id: DocumentId, identity: Identity
    ) -> web.Response:
        refuse_unknown_fields(body, "name", "at")
        name = version_name(text_of(body, "name"))
        async with self._replaying("version"):
            past = await self._past(document_id, read_moment(text_of(body, "at", default="head")))
        version = Version(
            name, past.revision, past.epoch, past.mac, identity.author, await self._now(document_id)
        )
        stored = await self._versions.create(document_id, version)
        _tell("version named", "version", document_id, identity, revision=stored.revision)
        return _json({"document": document_id} | asdict(stored), status=201)

    async def _restore(
        self, body: dict[str, Any], document_id: DocumentId, identity: Identity
    ) -> web.Response:
        refuse_unknown_fields(body, "at", "base_revision")
        moment = read_moment(text_of(body, "at"))
        async with self._replaying("restore"):
            base = await self._base(document_id, body)
            wanted = await self._past(document_id, moment)
            delta = await asyncio.to_thread(diff, base.document, wanted.document)
        what = ["restore", wanted.revision, wanted.mac]
        return await self._edit(document_id, base, identity, what, delta, {"restored": wanted.revision})

    async def _undo(self, body: dict[str, Any], document_id: DocumentId, identity: Identity) -> web.Response:
        refuse_unknown_fields(body, "of", "since", "until", "base_revision")
        selection = selection_of(body)
        async with self._replaying("undo"):
            base = await self._base(document_id, body)
            retraction = await self._history.retraction(document_id, base.revision, selection)
            delta = await asyncio.to_thread(lambda: retraction.delta)
        what = ["undo", *(asdict(selection).values())]
        return await self._edit(document_id, base, identity, what, delta, {"commits": retraction.count})

    async def _edit(
        self,
        document_id: DocumentId,
        base: Past,
        identity: Identity,
        what: list[Any],
        delta: Delta,
        facts: dict[str, Any],
    ) -> web.Response:
        answer = {"document": document_id, "base_revision": base.revision} | facts
        if not delta.ops:
            return _json(answer | {"epoch": base.epoch, "revision": base.revision, "changed": False})
        if len(delta.ops) > MAX_OPS:
            raise TooLargeError(f"the edit would have {len(delta.ops)} ops; allowed are {MAX_OPS}")
        made_on = Base(document_id, base.epoch, base.revision, base.mac)
        client_id = self._edits.client_id(made_on, identity.author, what)
        told = await self._edits.make(made_on, identity.author, client_id, delta)
        if told["type"] == "error":
            return refusal_response(told["code"], told["message"])
        _tell("past taken up", what[0], document_id, identity, revision=told["revision"], **facts)
        return _json(answer | {"epoch": told["epoch"], "revision": told["revision"], "changed": True})

    async def _base(self, document_id: DocumentId, body: dict[str, Any]) -> Past:
        revision = body.get("base_revision")
        if revision is None:
            revision = (await self._history.head(document_id)).revision
        elif type(revision) is not int or revision < 0:
            raise InvalidRequestError("base_revision is not a revision")
        return await self._history.at(document_id, revision)

    async def _past(self, document_id: DocumentId, moment: Moment) -> Past:
        past = await self._history.at(document_id, await self._revision(document_id, moment))
        if isinstance(moment, AtVersion):
            version = await self._versions.read(document_id, moment.name)
            if version.mac != past.mac:
                raise DivergedError(f"revision {past.revision} is another one than when it was named")
        return past

    async def _revision(self, document_id: DocumentId, moment: Moment) -> Revision:
        match moment:
            case AtRevision(revision):
                return revision
            case AtTime(at):
                return await self._history.revision_at(document_id, at)
            case AtVersion(name):
                return (await self._versions.read(document_id, name)).revision
        return (await self._history.head(document_id)).revision

    async def _now(self, document_id: DocumentId) -> int:
        """Return the milliseconds since 1970 by the clock that stamps the document's commits."""
        seconds, microseconds = await self._nodes.at(self._history.shard(document_id)).time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    @asynccontextmanager
    async def _replaying(self, what: str) -> AsyncIterator[None]:
        """Go through a history, of which few are gone through at a time, for a bounded time."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._replays.acquire()
        except TimeoutError as error:
            raise OverloadedError("too many histories are being read; ask again in a while") from error
        started = perf_counter()
        try:
            async with asyncio.timeout(_REPLAY_SECONDS):
                yield
        except TimeoutError as error:
            raise HistoryTooLongError(f"going through it took more than {_REPLAY_SECONDS:.0f} s") from error
        finally:
            self._replays.release()
            HISTORY_SECONDS.labels(what).observe(perf_counter() - started)


def _about(document_id: DocumentId, past: Past) -> dict[str, Any]:
    return {
        "document": document_id,
        "epoch": past.epoch,
        "revision": past.revision,
        "mac": past.mac,
        "author": past.author,
        "at": past.at,
    }


def _json(answer: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(answer), content_type="application/json", status=status)


def _tell(sentence: str, what: str, document_id: DocumentId, identity: Identity, **facts: Any) -> None:
    about = {"event": what, "document_id": document_id, "author": identity.author}
    logger.info(sentence, extra=about | facts)
