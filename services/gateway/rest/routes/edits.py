"""Edits by programs."""

from pydantic import Field

from services.gateway.rest.routes.fields import MetadataMap, Opaque, RevisionNumber
from services.gateway.rest.routes.route import EDITING, ONCE, Answer, Body, Query, Route, Said


class EditSaid(Said):
    """What became of an edit."""

    document: str
    base_revision: int
    epoch: int
    revision: int
    changed: bool
    """False: there was nothing to do."""


class EditBody(Body):
    """What is wanted."""

    metadata: MetadataMap = Field(default_factory=dict)
    """What the program says of the edit, which its history and blame show."""


class DeltaBody(EditBody):
    """A delta, on a revision that is known."""

    delta: Opaque
    base_revision: RevisionNumber


class ReplaceBody(EditBody):
    """Replace what stands in the text once; with `all` wherever it stands."""

    replace: str = Field(min_length=1)
    new: str = Field(alias="with")
    everywhere: bool = Field(default=False, alias="all")


class AppendBody(EditBody):
    """Put a text at the end."""

    append: str


class TextBody(EditBody):
    """Say what the text is to be; what stays keeps its format."""

    text: str


EDIT = Route[Query, EditBody](
    "POST",
    "/v1/documents/{document}/edits",
    "editDocument",
    "An edit by a program; exactly once under an Idempotency-Key, and on exactly the revision that If-Match names",
    {200: Answer("As which revision", EditSaid, headers=("ETag",))},
    needs=("write",),
    bodies=(DeltaBody, ReplaceBody, AppendBody, TextBody),
    headers=("Idempotency-Key", "If-Match"),
    refusals=EDITING | ONCE | {"no-match", "precondition-failed"},
)

ROUTES = (EDIT,)
