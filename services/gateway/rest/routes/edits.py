"""Edits by programs."""

from pydantic import Field

from services.gateway.rest.routes.fields import Opaque, RevisionNumber
from services.gateway.rest.routes.route import EDITING, Answer, Body, Query, Route, Said


class EditSaid(Said):
    """What became of an edit."""

    document: str
    base_revision: int
    epoch: int
    revision: int
    changed: bool
    """False: there was nothing to do."""


class DeltaBody(Body):
    """A delta, on a revision that is known."""

    delta: Opaque
    base_revision: RevisionNumber


class ReplaceBody(Body):
    """Replace what stands in the text once; with `all` wherever it stands."""

    replace: str = Field(min_length=1)
    new: str = Field(alias="with")
    everywhere: bool = Field(default=False, alias="all")


class AppendBody(Body):
    """Put a text at the end."""

    append: str


class TextBody(Body):
    """Say what the text is to be; what stays keeps its format."""

    text: str


EDIT = Route[Query, Body](
    "POST",
    "/v1/documents/{document}/edits",
    "editDocument",
    "An edit by a program; exactly once under an Idempotency-Key",
    {200: Answer("As which revision", EditSaid)},
    needs=("write",),
    bodies=(DeltaBody, ReplaceBody, AppendBody, TextBody),
    headers=("Idempotency-Key",),
    refusals=EDITING | {"no-match", "still-running", "another-request"},
)

ROUTES = (EDIT,)
