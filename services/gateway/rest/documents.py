"""What is asked for over plain HTTP: a document as JSON or text, and the page."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from coedit.errors import ForbiddenError, InternalError, NotTextError, OverloadedError
from coedit.identifiers import DocumentId, document_id_from_url
from coedit.protocol.tokens import Identity
from coedit.runtime.said import named
from coedit.runtime.settings import SettingsError
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from services.gateway.access.access import Access
from services.gateway.heavy.places import Places
from services.gateway.metrics import ERRORS
from services.gateway.ot.connection import as_answer
from services.gateway.rest.vouching import HEADER, counting

logger = logging.getLogger(__name__)

DOCUMENT = r"{document:[\s\S]*}"
"""The rest of a path, whatever is in it: what a document may not be named is refused with a code, not passed over."""
_DOCUMENTS = "/v1/documents/"
_READ_AT_ONCE = 4
"""So many documents are read at a time, whole and for one request each."""
_MOST_OF_ONE = 64
"""So many requests of one author may wait for that: a program reads documents for many people."""
_STATUS = {
    "unauthorized": 401,
    "forbidden": 403,
    "invalid-identifier": 400,
    "invalid-request": 400,
    "invalid-format": 400,
    "invalid-delta": 400,
    "lone-surrogate": 400,
    "unsupported-op": 400,
    "future-revision": 404,
    "unknown-version": 404,
    "too-slow": 408,
    "diverged": 409,
    "not-text": 409,
    "sequence": 409,
    "version-exists": 409,
    "revision-too-old": 410,
    "too-large": 413,
    "document-too-large": 413,
    "too-costly": 413,
    "history-too-long": 422,
}
_LATER = ("overloaded", "unavailable")
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a link may hold a token
}


class DocumentRoutes:
    """``GET /v1/documents/{id}``; the id is percent-encoded, slashes and all."""

    def __init__(self, access: Access, reader: DocumentReader, quarantine: Quarantine) -> None:
        self._access = access
        self._reader = reader
        self._quarantine = quarantine
        self._reads = Places("document", _READ_AT_ONCE, most_of_one=_MOST_OF_ONE)

    def add_to(self, app: web.Application) -> None:
        """Serve the routes."""
        app.router.add_get(_DOCUMENTS + DOCUMENT, answered(self._get))

    async def _get(self, request: web.Request) -> web.Response:
        document_id = document_of(request, _DOCUMENTS)
        author = authorize(self._access, request, document_id, request.query.get("author")).author
        async with self._reads.taken(author):
            return await self._read(request, document_id)

    async def _read(self, request: web.Request, document_id: DocumentId) -> web.Response:
        loaded, damage = await self._reader.load_readable(document_id)
        if not loaded.is_text:
            raise NotTextError
        is_damaged = damage is not None or await self._quarantine.of(document_id) is not None
        if wants_text(request):
            headers = {"Coedit-Revision": str(loaded.revision)}
            if is_damaged:
                headers["Coedit-Damaged"] = "true"
            return await asyncio.to_thread(lambda: web.Response(text=loaded.document.text, headers=headers))
        answer: dict[str, Any] = {"document": document_id, "epoch": loaded.epoch, "revision": loaded.revision}
        damaged = {"damaged": True} if is_damaged else {}
        return await asyncio.to_thread(
            lambda: web.json_response(answer | {"content": loaded.document.to_json()} | damaged)
        )


def answered(handle: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
    """Return a handler that answers every error with its code, and says how much could not be checked."""

    async def handler(request: web.Request) -> web.Response:
        try:
            with counting() as unchecked:
                response = await handle(request)
            if unchecked:
                response.headers[HEADER] = str(len(unchecked))
            return response
        except asyncio.CancelledError:
            raise
        except Exception as error:
            answer = as_answer(error)
            if isinstance(answer, InternalError):
                facts = {"event": "rest-error", "path": request.path, "error": named(error)}
                logger.warning("a request ran into a defect", extra=facts, exc_info=error)
            after_seconds = answer.retry_after_seconds if isinstance(answer, OverloadedError) else 0
            return refusal_response(answer.code, str(answer), after_seconds)

    return handler


def authorize(
    access: Access, request: web.Request, document_id: DocumentId, author: str | None = None
) -> Identity:
    """Return who asks; ``author`` is who one says one is, in open mode.

    Raises:
        UnauthorizedError: the token does not hold.
        ForbiddenError: it does not grant the document, or the page is somebody else's.
    """
    access.check_origin(request.headers.get("Origin"), request.host)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    identity = access.identify(token.strip() if scheme.lower() == "bearer" else None, author)
    identity.right(document_id)
    return identity


def authorize_writing(
    access: Access, request: web.Request, document_id: DocumentId, author: str | None = None
) -> Identity:
    """Return who asks, if they may write; raises as `authorize` does."""
    identity = authorize(access, request, document_id, author)
    if identity.right(document_id) != "write":
        raise ForbiddenError("the token grants reading only")
    return identity


def add_page(app: web.Application, folder: str) -> None:
    """Serve the built page in ``folder``: at ``/``, at ``/d/{document}``, and its files in ``/assets``.

    Raises:
        SettingsError: there is no page in the folder.
    """
    if not folder:
        return
    root = Path(folder).resolve()
    if not (root / "index.html").is_file():
        raise SettingsError(
            f"no page in {folder}: build it with `make page`, or set COEDIT_GATEWAY_PAGE to nothing"
        )

    async def index(_: web.Request) -> web.FileResponse:
        return web.FileResponse(root / "index.html", headers=_PAGE_HEADERS | {"Cache-Control": "no-cache"})

    app.router.add_get("/", index)
    app.router.add_get("/d/" + DOCUMENT, index)
    # Nothing else: a path that names no file would be answered with an empty one, which browsers offer to save.
    app.router.add_static("/assets", root / "assets")


def document_of(request: web.Request, prefix: str) -> DocumentId:
    """Return the document that a request's path names."""
    return document_at(request.raw_path, prefix)


def document_at(raw_path: str, prefix: str) -> DocumentId:
    """Read the path as it came: a router has decoded it once, and would have taken ``..`` for a step up."""
    path = raw_path.partition("?")[0]
    return document_id_from_url(path.removeprefix(prefix))


def wants_text(request: web.Request) -> bool:
    """Return whether plain text is asked for."""
    accepted = request.headers.get("Accept", "")
    return "text/plain" in accepted and "application/json" not in accepted


def refusal_response(code: str, message: str, after_seconds: int = 0) -> web.Response:
    """Return the answer that an error is; who may succeed later is told after how long, at least a second."""
    ERRORS.labels(code).inc()
    answer: dict[str, str | int] = {"code": code, "message": message}
    headers = {}
    if code in _LATER:
        answer["retry_after_seconds"] = max(1, after_seconds)
        headers["Retry-After"] = str(answer["retry_after_seconds"])
    return web.json_response(answer, status=_STATUS.get(code, 503), headers=headers)
