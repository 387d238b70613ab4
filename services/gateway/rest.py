"""What is asked for over plain HTTP: a document as JSON or text, and the page."""

import asyncio
from pathlib import Path

from aiohttp import web

from coedit.errors import CoeditError, ForbiddenError, InvalidIdentifierError, UnauthorizedError
from coedit.identifiers import DocumentId, document_id_from_url
from coedit.runtime.settings import SettingsError
from coedit.store.documents import DocumentReader
from coedit.store.quarantine import Quarantine
from services.gateway.auth import Access
from services.gateway.connection import as_answer
from services.gateway.metrics import ERRORS

_DOCUMENTS = "/v1/documents/"
_STATUS: dict[type[CoeditError], int] = {
    UnauthorizedError: 401,
    ForbiddenError: 403,
    InvalidIdentifierError: 400,
}
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

    def add_to(self, app: web.Application) -> None:
        """Serve the routes."""
        app.router.add_get(_DOCUMENTS + "{document:.*}", self._get)

    async def _get(self, request: web.Request) -> web.Response:
        try:
            document_id = _document_id(request)
            self._authorize(request, document_id)
            loaded, damage = await self._reader.load_readable(document_id)
            is_damaged = damage is not None or await self._quarantine.of(document_id) is not None
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - every error is answered with its code
            return _error_response(as_answer(error))
        if _wants_text(request):
            headers = {"Coedit-Revision": str(loaded.revision)}
            if is_damaged:
                headers["Coedit-Damaged"] = "true"
            return web.Response(text=loaded.document.text, headers=headers)
        content = loaded.document.to_json()
        answer = {"document": document_id, "epoch": loaded.epoch, "revision": loaded.revision}
        return web.json_response(answer | {"content": content} | ({"damaged": True} if is_damaged else {}))

    def _authorize(self, request: web.Request, document_id: DocumentId) -> None:
        self._access.check_origin(request.headers.get("Origin"), request.host)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        identity = self._access.identify(token.strip() if scheme.lower() == "bearer" else None, None)
        identity.right(document_id)


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
    app.router.add_get("/d/{document:.*}", index)
    # Nothing else: a path that names no file would be answered with an empty one, which browsers offer to save.
    app.router.add_static("/assets", root / "assets")


def _document_id(request: web.Request) -> DocumentId:
    """Read the path as it came: a router has decoded it once, and would have taken ``..`` for a step up."""
    path = request.raw_path.partition("?")[0]
    return document_id_from_url(path.removeprefix(_DOCUMENTS))


def _wants_text(request: web.Request) -> bool:
    accepted = request.headers.get("Accept", "")
    return "text/plain" in accepted and "application/json" not in accepted


def _error_response(error: CoeditError) -> web.Response:
    ERRORS.labels(error.code).inc()
    status = next((status for kind, status in _STATUS.items() if type(error) is kind), 503)
    return web.json_response({"code": error.code, "message": str(error)}, status=status)
