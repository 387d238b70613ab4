"""Documents as they are now: which there are, what each is, making one, who is in it, and its deletion."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from coedit.crdt.document import ROOT
from coedit.identifiers import MAX_NAME_BYTES
from coedit.presence.roster import COLOUR, MAX_SHOWN_NAME, MAX_TTL_MS
from coedit.store.objects.spans import Span, beginning_with, place_of
from services.gateway.rest.routes.edits import EditSaid
from services.gateway.rest.routes.fields import MAX_ROOT, Flag, FormatNamed, Limit, Opaque, RevisionNumber
from services.gateway.rest.routes.route import EDITING, ONCE, READING, Answer, Body, Query, Route, Said

_STANDS = ("ETag", "Coedit-Revision")
_PRESENCE = "/v1/documents/{document}/presence"


def _prefix(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("half a character") from error
    return text


class ListQuery(Query):
    """Which documents."""

    prefix: Annotated[str, AfterValidator(_prefix), Field(max_length=MAX_NAME_BYTES)] = ""
    """Only documents whose ids begin so."""
    after: Annotated[str, AfterValidator(place_of)] = ""
    """Where to go on: the `after` of the answer so far."""
    limit: Limit = 100

    @property
    def bounds(self) -> Span:
        """Where the documents are that are asked for."""
        return beginning_with(self.prefix)


class ListedSaid(Said):
    """A document."""

    document: str


class DocumentsSaid(Said):
    """Documents, sorted by their percent-encoded ids, each with a slash behind."""

    documents: list[ListedSaid]
    after: str | None
    """Where to go on, even where there are none here; null: there are no more."""


class DocumentSaid(Said):
    """A document at its head."""

    document: str
    epoch: int
    revision: int
    content: Opaque
    damaged: bool = False
    """It is its last sound revision."""


class CreateQuery(Query):
    """What the body is."""

    form: FormatNamed = Field(alias="format")
    root: str = Field(default=ROOT, min_length=1, max_length=MAX_ROOT)
    """The name of the shared text, in a Yjs update."""


class CreatedSaid(EditSaid):
    """As which revision the document is what the body says."""

    format: str
    created: bool = False
    """Nobody had ever written the document."""


LIST = Route[ListQuery, Body](
    method="GET",
    path="/v1/documents",
    name="listDocuments",
    summary="The documents that the token grants to be read",
    answers={200: Answer("Documents", DocumentsSaid)},
    needs=("read",),
    on="granted",
    query=ListQuery,
)
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
            (*_STANDS, "Coedit-Damaged", "Coedit-Unchecked"),
        ),
        304: Answer("It is as `If-None-Match` says", headers=_STANDS),
    },
    headers=("If-None-Match",),
    refusals=READING,
)
STAND = Route[Query, Body](
    method="HEAD",
    path="/v1/documents/{document}",
    name="findDocument",
    summary="Where the document stands, without its content; revision 0: nobody ever wrote it",
    needs=("read",),
    answers={
        200: Answer("Where it stands", headers=(*_STANDS, "Coedit-Damaged")),
        304: Answer("It is as `If-None-Match` says", headers=_STANDS),
    },
    headers=("If-None-Match",),
    refusals=READING,
)
CREATE = Route[CreateQuery, Body](
    method="PUT",
    path="/v1/documents/{document}",
    name="createDocument",
    summary="Make the document what a file says, whether it is there or not; with `If-None-Match: *` only if it is not",
    needs=("write",),
    answers={
        200: Answer("As which revision it is so now", CreatedSaid, headers=("ETag",)),
        201: Answer("As which revision it began", CreatedSaid, headers=("ETag",)),
    },
    query=CreateQuery,
    files=("application/octet-stream",),
    headers=("Idempotency-Key", "If-Match", "If-None-Match", "Coedit-Metadata"),
    refusals=EDITING | ONCE | {"invalid-format", "invalid-update", "wrong-root", "precondition-failed"},
)


class CaretBody(Body):
    """A selection, in UTF-16 code units; a bare caret has both ends equal."""

    anchor: RevisionNumber
    head: RevisionNumber


class BeSeenBody(Body):
    """How one is seen, and where."""

    name: str = Field(default="", max_length=MAX_SHOWN_NAME)
    """Shown in the author's place; what the token says counts."""
    colour: str = Field(default="", pattern=f"^({COLOUR.pattern})?$")
    """`#rrggbb`; what the token says counts."""
    caret: CaretBody | None = None
    """Null: here, and nowhere in particular."""
    revision: RevisionNumber | None = None
    """What the caret refers to; the head, if it is not said."""
    ttl_seconds: Annotated[float, Field(ge=1, le=MAX_TTL_MS / 1000)] | None = None
    """For how long, unless it is said again; as long as anybody whose connection is lost, if it is not said."""


class CaretSaid(Said):
    """A selection, in UTF-16 code units."""

    anchor: int
    head: int


class SeenSaid(Said):
    """Somebody who is seen in a document."""

    client_id: str
    author: str
    name: str
    colour: str
    revision: int
    """What the caret refers to."""
    caret: CaretSaid | None
    avatar: str = ""


class BeingSeenSaid(SeenSaid):
    """How one is seen from now on."""

    document: str
    ttl_seconds: float


class PresentSaid(Said):
    """Everybody who is seen in a document, sorted by client."""

    document: str
    present: list[SeenSaid]


PRESENT = Route[Query, Body](
    "GET",
    _PRESENCE,
    "listPresent",
    "Who is in the document, and where",
    {200: Answer("Who is there", PresentSaid)},
    needs=("read",),
)
BE_SEEN = Route[Query, BeSeenBody](
    "PUT",
    _PRESENCE,
    "beSeen",
    "Be seen in the document, by everybody, for a while",
    {200: Answer("How one is seen", BeingSeenSaid)},
    needs=("read", "presence"),
    bodies=(BeSeenBody,),
    refusals=frozenset({"quarantined"}),
)
LEAVE = Route[Query, Body](
    "DELETE",
    _PRESENCE,
    "leaveDocument",
    "Be seen there no more",
    {204: Answer("One is not seen any more")},
    needs=("read", "presence"),
)


class DeleteQuery(Query):
    """How it is deleted."""

    erase: Flag = False
    """For good, and at once."""


class DeletionSaid(Said):
    """What was decided last about a document."""

    document: str
    state: Literal["trash", "restored", "erasing", "erased"]
    at: int
    """When that was decided, in milliseconds since 1970."""
    until: int | None = None
    """Until when it can be taken out of the trash, in milliseconds since 1970."""


DELETE = Route[DeleteQuery, Body](
    "DELETE",
    "/v1/documents/{document}",
    "deleteDocument",
    "Put the document in the trash; with erase=true: erase it for good",
    {
        200: Answer("It is in the trash, or erased", DeletionSaid),
        202: Answer("It is being erased, which nothing stops any more", DeletionSaid),
    },
    needs=("write",),
    query=DeleteQuery,
    of_deleted=True,
    refusals=frozenset({"unknown-document", "quarantined"}),
    more="With `erase=true` it needs `admin`, too.",
)
RESTORE = Route[Query, Body](
    "POST",
    "/v1/documents/{document}/restore",
    "restoreDocument",
    "Take the document out of the trash",
    {200: Answer("It is as it was", DeletionSaid)},
    needs=("write",),
    of_deleted=True,
    refusals=frozenset({"unknown-document", "quarantined"}),
)

ROUTES = (LIST, READ, STAND, CREATE, DELETE, RESTORE, PRESENT, BE_SEEN, LEAVE)
