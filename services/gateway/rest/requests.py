"""Who asks over plain HTTP, and for which document."""

from aiohttp import web

from coedit.identifiers import DocumentId
from coedit.protocol.grants import Facet, require
from coedit.protocol.tokens import Identity
from services.gateway.access.access import Access


async def authorize(
    access: Access,
    request: web.Request,
    document_id: DocumentId,
    *facets: Facet,
    author: str | None = None,
) -> Identity:
    """Return who asks, if they may do all of this; ``author`` is who one says one is, in open mode.

    Raises:
        UnauthorizedError: the token does not hold.
        UndecidedError: whether it holds cannot be found out now.
        ForbiddenError: it does not grant this, or the page is somebody else's.
        LimitedError: its author asks for too much.
    """
    identity = await identity_of(access, request, author)
    granted = await access.facets(identity, document_id)
    for facet in facets:
        require(granted, facet)
    return identity


async def identity_of(access: Access, request: web.Request, author: str | None = None) -> Identity:
    """Return who asks; raises as `authorize`, but for what is granted."""
    access.check_origin(request.headers.get("Origin"), request.host)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    identity = await access.identify(token.strip() if scheme.lower() == "bearer" else None, author)
    await access.authors.admit(identity.author)
    return identity
