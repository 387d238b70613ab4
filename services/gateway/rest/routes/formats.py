"""Documents in other formats."""

from pydantic import Field

from coedit.crdt.document import ROOT
from coedit.formats import FORMATS
from services.gateway.rest.routes.edits import EditSaid
from services.gateway.rest.routes.fields import MAX_ROOT, FormatNamed, Moment, Number
from services.gateway.rest.routes.route import EDITING, PAST, Answer, Body, Query, Route


class ExportQuery(Query):
    """In which format, and of which moment."""

    form: FormatNamed = Field(alias="format")
    at: Moment = Field(default="head", validate_default=True)


class ImportQuery(Query):
    """What the body is, and on which revision it is an edit."""

    form: FormatNamed = Field(alias="format")
    base_revision: Number | None = None
    root: str = Field(default=ROOT, min_length=1, max_length=MAX_ROOT)
    """The name of the shared text, in a Yjs update."""


class ImportedSaid(EditSaid):
    """What became of an import."""

    format: str


EXPORT = Route[ExportQuery, Body](
    "GET",
    "/v1/export/{document}",
    "exportDocument",
    "The document as a file; of another moment than `head`, `history` is needed too",
    {
        200: Answer(
            "The file",
            media=tuple(form.content_type.partition(";")[0] for form in FORMATS.values()),
            headers=("Coedit-Revision", "Coedit-Damaged", "Coedit-Unchecked", "Content-Disposition"),
        )
    },
    needs=("read",),
    query=ExportQuery,
    refusals=PAST | {"invalid-format"},
)
IMPORT = Route[ImportQuery, Body](
    "POST",
    "/v1/import/{document}",
    "importDocument",
    "Make the document what a file says, by a new edit",
    {200: Answer("As which revision", ImportedSaid)},
    needs=("write",),
    query=ImportQuery,
    files=("application/octet-stream",),
    refusals=EDITING | {"invalid-format", "invalid-update", "wrong-root"},
)

ROUTES = (EXPORT, IMPORT)
