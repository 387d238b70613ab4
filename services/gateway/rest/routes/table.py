"""All routes, in the order in which they are described."""

from typing import Any

from services.gateway.rest.routes import (
    descriptions,
    documents,
    edits,
    formats,
    history,
    operations,
    webhooks,
)
from services.gateway.rest.routes.route import Route

TABLE: tuple[Route[Any, Any], ...] = (
    *documents.ROUTES,
    *edits.ROUTES,
    *history.ROUTES,
    *formats.ROUTES,
    *operations.ROUTES,
    *webhooks.ROUTES,
    *descriptions.ROUTES,
)
