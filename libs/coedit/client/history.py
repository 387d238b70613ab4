"""A document's past, over plain HTTP (see ``docs/protocol.md``); `Session.history` makes one with its token."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from coedit.client.events import DocumentError
from coedit.client.rest import refusal_of
from coedit.client.traces import tracing_configs
from coedit.errors import UnavailableError
from coedit.identifiers import AuthorId, Revision, VersionName, document_id, escape
from coedit.ot.delta import Delta
from coedit.ot.past.blame import Run
from coedit.ot.past.changes import Change

_PATIENCE_SECONDS = 90.0
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
_AGAIN = ("unavailable", "overloaded")


@dataclass(frozen=True, slots=True)
class PastDocument:
    """A document as it was at a revision, and the commit that made it so; at revision 0 there is none."""

    revision: Revision
    epoch: int
    mac: str
    author: AuthorId
    at: int
    content: Delta


@dataclass(frozen=True, slots=True)
class NamedVersion:
    """A revision that somebody gave a name to, for ever."""

    name: VersionName
    revision: Revision
    epoch: int
    mac: str
    author: AuthorId
    at: int


@dataclass(frozen=True, slots=True)
class PastEdit:
    """What became of a wish to restore or to take back: a new edit, unless there was nothing to change."""

    revision: Revision
    changed: bool


class DocumentHistory:
    """The past of one document. A moment is ``head``, a revision, ``@TIME`` or ``version:NAME``.

    Every method raises `DocumentError` where the server refuses, `UnavailableError` where it cannot be reached.
    """

    def __init__(
        self,
        url: str,
        name: str,
        token: str | None = None,
        author: str | None = None,
        *,
        traces: bool = False,
    ) -> None:
        self._url = url.rstrip("/")
        self._document = escape(document_id(name))
        self._token = token
        self._author = author
        self._tracing = tracing_configs(traces=traces)
        self.unchecked = 0
        """Of how many revisions, behind any one answer, the server could not check that it sealed them."""

    async def changes(
        self, before: int | None = None, *, limit: int = 100, gap_seconds: float = 60.0
    ) -> tuple[list[Change], Revision | None]:
        """Return changes below a revision, the newest first, and the revision below which there are more."""
        query: dict[str, Any] = {"limit": limit, "gap_seconds": gap_seconds}
        answer = await self._get("history", query | ({} if before is None else {"before": before}))
        return [Change(**_with_metadata(fields)) for fields in answer["changes"]], answer["before"]

    async def all_changes(self, *, gap_seconds: float = 60.0) -> AsyncIterator[Change]:
        """Yield every change, the newest first."""
        before = None
        while True:
            changes, before = await self.changes(before, limit=1000, gap_seconds=gap_seconds)
            for change in changes:
                yield change
            if before is None:
                return

    async def at(self, moment: str | int = "head") -> PastDocument:
        """Return the document as it was."""
        fields = await self._get("at", {"at": moment})
        del fields["document"]
        content = Delta.from_json(fields.pop("content"), is_bounded=False)
        return PastDocument(**fields, content=content)

    async def diff(self, before: str | int, after: str | int = "head") -> Delta:
        """Return the delta that makes one moment's document of another's."""
        answer = await self._get("diff", {"from": before, "to": after})
        return Delta.from_json(answer["delta"], is_bounded=False)

    async def blame(self, moment: str | int = "head") -> list[Run]:
        """Return who wrote which part, from the document's beginning to its end."""
        return [
            Run(**_with_metadata(fields)) for fields in (await self._get("blame", {"at": moment}))["runs"]
        ]

    async def versions(self) -> list[NamedVersion]:
        """Return all named versions."""
        found: list[NamedVersion] = []
        after: str | None = ""
        while after is not None:
            answer = await self._get("versions", {"limit": 1000} | ({"after": after} if after else {}))
            found += [NamedVersion(**fields) for fields in answer["versions"]]
            after = answer["after"]
        return found

    async def save_version(self, name: str, moment: str | int = "head") -> NamedVersion:
        """Give a moment a name; giving the same name to the same again does nothing."""
        answer = await self._post("versions", {"name": name, "at": str(moment)})
        del answer["document"]
        return NamedVersion(**answer)

    async def restore(self, moment: str | int) -> PastEdit:
        """Make the document what it was, by a new edit; what others write meanwhile stays."""
        return _edit(await self._post("restore", {"at": str(moment), "base_revision": await self._head()}))

    async def undo(
        self, author: str | None = None, *, since: str | int | None = None, until: str | int | None = None
    ) -> PastEdit:
        """Take back what an author did, or anybody from a time to before another, by a new edit.

        Times are milliseconds since 1970, or ISO 8601 with a zone.
        """
        wanted = {"of": author, "since": since, "until": until}
        said = {name: str(value) for name, value in wanted.items() if value is not None}
        return _edit(await self._post("undo", said | {"base_revision": await self._head()}))

    async def _head(self) -> Revision:
        return Revision((await self._get("history", {"limit": 1}))["head"])

    async def _get(self, what: str, query: dict[str, Any]) -> dict[str, Any]:
        return await self._ask("GET", what, query, None)

    async def _post(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post until there is an answer: each of these can be said twice, and happens once."""
        said = body | ({"author": self._author} if self._author else {})
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._ask("POST", what, {}, said)
            except UnavailableError:
                pass
            except DocumentError as error:
                if error.refusal not in _AGAIN:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)
        return await self._ask("POST", what, {}, said)

    async def _ask(
        self, method: str, what: str, query: dict[str, Any], body: dict[str, Any] | None
    ) -> dict[str, Any]:
        # Encoded already, as in coedit.client.rest.
        address = URL(f"{self._url}/v1/{what}/{self._document}", encoded=True)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
        sent = None if body is None else orjson.dumps(body)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trace_configs=self._tracing) as http,
                http.request(method, address.with_query(query), data=sent, headers=headers) as answer,
            ):
                if answer.status not in (200, 201):
                    raise await refusal_of(answer)
                self.unchecked = max(self.unchecked, int(answer.headers.get("Coedit-Unchecked", 0)))
                fields: dict[str, Any] = orjson.loads(await answer.read())
                return fields
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UnavailableError(
                f"{self._url} cannot be reached: {str(error) or 'no answer in time'}"
            ) from error


def _edit(answer: dict[str, Any]) -> PastEdit:
    return PastEdit(Revision(answer["revision"]), answer["changed"])


def _with_metadata(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"metadata": tuple(sorted(fields.get("metadata", {}).items()))}
