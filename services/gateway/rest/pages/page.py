"""The page, and where browsers find it."""

from pathlib import Path

from aiohttp import web

from coedit.runtime.settings import SettingsError
from services.gateway.access.addresses import DOCUMENT

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a link may hold a token
}


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
