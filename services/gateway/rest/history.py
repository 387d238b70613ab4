"""A document's past over plain HTTP: its changes, any moment of it, who wrote it, versions, and going back to it.

A document's id is the whole rest of the path, percent-encoded, slashes and all: so each question has a path of its own.
"""

import asyncio
import logging
from dataclasses import asdict
from typing import Any

from aiohttp import web

from coedit.errors import InvalidRequestError
from coedit.identifiers import AuthorId, DocumentId, VersionName, version_name
from coedit.ot.diff import diff
from coedit.ot.past.retract import Selection
from coedit.store.documents.history import History, Past
from coedit.store.objects.versions import Version, Versions
from coedit.store.redis.topology import Nodes
from services.gateway.heavy.places import Places
from services.gateway.rest.editing.edit_response import Wish, edit_response, json_response
from services.gateway.rest.editing.one_edit import OneEdits
from services.gateway.rest.moments import Moments
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.history import (
    AT,
    BLAME,
    CHANGES,
    DIFF,
    NAME,
    RESTORE,
    UNDO,
    VERSIONS,
    AtQuery,
    ChangesQuery,
    DiffQuery,
    NameBody,
    RestoreBody,
    UndoBody,
    VersionsQuery,
)
from services.gateway.rest.routes.route import Body, Query, Served

logger = logging.getLogger(__name__)

_LISTS = 4
"""So many lists of versions are put together at a time; each may read a thousand objects."""
_LISTS_OF_ONE = 3
"""So many of them for one author."""


class HistoryRoutes:
    """Tells the past, and goes back to it."""

    def __init__(
        self,
        history: History,
        versions: Versions,
        moments: Moments,
        edits: OneEdits,
        nodes: Nodes,
    ) -> None:
        self._history = history
        self._moments = moments
        self._versions = versions
        self._edits = edits
        self._nodes = nodes
        self._lists = Places("versions", _LISTS, at_once_of_one=_LISTS_OF_ONE)

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [
            CHANGES.by(self._changes),
            AT.by(self._at),
            DIFF.by(self._diff),
            BLAME.by(self._blame),
            VERSIONS.by(self._list_versions),
            NAME.by(self._name_version),
            RESTORE.by(self._restore),
            UNDO.by(self._undo),
        ]

    async def _changes(self, call: Call[ChangesQuery, Body]) -> web.Response:
        document_id, query = call.document_id, call.query
        async with self._moments.replaying("changes", call.identity.author):
            head = await self._history.head(document_id)
            end = head.revision + 1
            before = end if query.before is None else min(query.before, end)
            gap_ms = int(query.gap_seconds * 1000)
            listed = await self._history.changes(document_id, before, query.limit, gap_ms)
        answer = {"document": document_id, "epoch": head.epoch, "head": head.revision}
        return json_response(
            answer | {"changes": [change.told() for change in listed.changes], "before": listed.before}
        )

    async def _at(self, call: Call[AtQuery, Body]) -> web.Response:
        async with self._moments.replaying("at", call.identity.author):
            past = await self._moments.past(call.document_id, call.query.at)
        if call.wants_text:
            return web.Response(text=past.document.text, headers={"Coedit-Revision": str(past.revision)})
        about = _about(call.document_id, past)
        return await asyncio.to_thread(lambda: json_response(about | {"content": past.document.to_json()}))

    async def _diff(self, call: Call[DiffQuery, Body]) -> web.Response:
        document_id = call.document_id
        async with self._moments.replaying("diff", call.identity.author):
            before = await self._moments.past(document_id, call.query.since)
            after = await self._moments.past(document_id, call.query.until)
            delta = await asyncio.to_thread(diff, before.document, after.document)
        answer = {"document": document_id, "from": before.revision, "to": after.revision}
        return await asyncio.to_thread(lambda: json_response(answer | {"delta": delta.to_json()}))

    async def _blame(self, call: Call[AtQuery, Body]) -> web.Response:
        async with self._moments.replaying("blame", call.identity.author):
            revision = await self._moments.revision(call.document_id, call.query.at)
            runs = await self._history.blame(call.document_id, revision)
        answer = {"document": call.document_id, "revision": revision, "runs": [run.told() for run in runs]}
        return await asyncio.to_thread(lambda: json_response(answer))

    async def _list_versions(self, call: Call[VersionsQuery, Body]) -> web.Response:
        async with self._lists.taken(call.identity.author):
            return await self._listed_versions(call.document_id, call.query)

    async def _listed_versions(self, document_id: DocumentId, query: VersionsQuery) -> web.Response:
        limit = query.limit
        names = await self._versions.names(document_id, version_name(query.after) if query.after else "")
        shown = await self._versions.read_all(document_id, names[:limit])
        after = shown[-1].name if len(names) > limit else None
        return json_response({"document": document_id, "versions": list(map(asdict, shown)), "after": after})

    async def _name_version(self, call: Call[Query, NameBody]) -> web.Response:
        body = await call.read()
        document_id, author = call.document_id, call.identity.author
        async with self._moments.replaying("version", author):
            past = await self._moments.past(document_id, body.at)
        name = VersionName(body.name)
        version = Version(name, past.revision, past.epoch, past.mac, author, await self._now(document_id))
        stored = await self._versions.create(document_id, version)
        facts = {"event": "version", "document_id": document_id, "author": author}
        logger.info("version named", extra=facts | {"revision": stored.revision})
        return json_response({"document": document_id} | asdict(stored), status=201)

    async def _restore(self, call: Call[Query, RestoreBody]) -> web.Response:
        body = await call.read()
        document_id = call.document_id
        async with self._moments.replaying("restore", call.identity.author):
            base = await self._moments.base(document_id, body.base_revision)
            wanted = await self._moments.past(document_id, body.at)
            delta = await asyncio.to_thread(diff, base.document, wanted.document)
        what = ["restore", wanted.revision, wanted.mac]
        facts = {"restored": wanted.revision}
        return await edit_response(self._edits, document_id, base, call.identity, Wish(what, facts), delta)

    async def _undo(self, call: Call[Query, UndoBody]) -> web.Response:
        body = await call.read()
        document_id, selection = call.document_id, _selection_of(body)
        async with self._moments.replaying("undo", call.identity.author):
            base = await self._moments.base(document_id, body.base_revision)
            retraction = await self._history.retraction(document_id, base.revision, selection)
            delta = await asyncio.to_thread(lambda: retraction.delta)
        what = ["undo", *(asdict(selection).values())]
        facts = {"commits": retraction.count}
        return await edit_response(self._edits, document_id, base, call.identity, Wish(what, facts), delta)

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


def _selection_of(body: UndoBody) -> Selection:
    if body.of is None and body.since is None and body.until is None:
        raise InvalidRequestError("say whose edits (of), or of which time (since, until)")
    return Selection(None if body.of is None else AuthorId(body.of), body.since, body.until)
