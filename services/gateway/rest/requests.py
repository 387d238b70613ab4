"""Who asks over plain HTTP, for which document, and in what form."""

from aiohttp import web

from coedit.errors import ForbiddenError
from coedit.identifiers import DocumentId
from coedit.protocol.tokens import Identity
from services.gateway.access.access import Access
from services.gateway.access.addresses import document_at


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


def document_of(request: web.Request, prefix: str) -> DocumentId:
    """Return the document that a request's path names."""
    return document_at(request.raw_path, prefix)


def wants_text(request: web.Request) -> bool:
    """Return whether plain text is asked for."""
    accepted = request.headers.get("Accept", "")
    return "text/plain" in accepted and "application/json" not in accepted
