"""Whether a browser asks for a page of somebody else's.

Where nobody is asked for a token, the machine's own browser must not become the way in: by a name that resolves to
this machine (DNS rebinding), or by a page elsewhere that embeds what is here. Programs say neither of the headers.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

_OWN = ("same-origin", "none")


def why_foreign(request: web.Request, *, is_loopback_only: bool) -> str:
    """Return why what asks may be another's page; the empty string: it is not.

    With ``is_loopback_only`` what is here is for this machine, under a name that nobody else can give it.
    """
    host = request.headers.get("Host")
    if is_loopback_only and host is not None and not is_loopback(name_of(host)):
        return "this server answers only to a loopback address"
    site = request.headers.get("Sec-Fetch-Site", "none")
    if site not in _OWN and not _is_link(request):
        return f"this server answers no page of another origin ({site[:20]!r})"
    return ""


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def name_of(host: str) -> str:
    """Return the name in what a ``Host`` header says, without its port; the empty string: it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_link(request: web.Request) -> bool:
    """Return whether somebody follows a link: the page where it stands learns nothing of the answer."""
    headers = request.headers
    is_read = request.method in ("GET", "HEAD")
    return (
        is_read
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
    )
