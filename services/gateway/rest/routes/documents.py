"""Documents as they are now."""

from services.gateway.rest.routes.fields import Opaque
from services.gateway.rest.routes.route import READING, Answer, Body, Query, Route, Said


class DocumentSaid(Said):
    """A document at its head."""

    document: str
    epoch: int
    revision: int
    content: Opaque
    damaged: bool = False
    """It is its last sound revision."""


READ = Route[Query, Body](
    method="GET",
    path="/v1/documents/{document}",
    name="readDocument",
    summary="The document at its head, as JSON or as plain text",
    needs=("read",),
    answers={
        200: Answer(
            "The document",
            DocumentSaid,
            ("text/plain",),
            ("Coedit-Revision", "Coedit-Damaged", "Coedit-Unchecked"),
        )
    },
    refusals=READING,
)

ROUTES = (READ,)
