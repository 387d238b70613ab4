"""Documents' past: changes, any moment, who wrote what, versions, and going back."""

from pydantic import Field

from services.gateway.rest.routes.edits import EditSaid
from services.gateway.rest.routes.fields import (
    AuthorName,
    Limit,
    Moment,
    Number,
    Opaque,
    RevisionNumber,
    Seconds,
    Time,
    VersionLabel,
)
from services.gateway.rest.routes.route import (
    EDITING,
    PAST,
    Answer,
    Body,
    Query,
    Route,
    Said,
    Wish,
)

_UNCHECKED = ("Coedit-Unchecked",)


class ChangesQuery(Query):
    """Which changes."""

    limit: Limit = 100
    before: Number | None = None
    """Only changes below this revision: the `before` of the answer so far."""
    gap_seconds: Seconds = 60.0
    """An author's commits that are at most so far apart are one change."""


class AtQuery(Query):
    """Which moment."""

    at: Moment = Field(default="head", validate_default=True)


class DiffQuery(Query):
    """Between which moments."""

    since: Moment = Field(alias="from")
    until: Moment = Field(default="head", alias="to", validate_default=True)


class VersionsQuery(Query):
    """Which versions."""

    limit: Limit = 100
    after: str = ""
    """Only versions behind this one: the `after` of the answer so far."""


class ChangeSaid(Said):
    """A run of commits of one author."""

    first: int
    last: int
    author: str
    began_at: int
    """Milliseconds since 1970."""
    ended_at: int
    inserted: int
    """UTF-16 code units."""
    deleted: int
    formatted: int
    metadata: dict[str, str] | None = None
    """What programs said of all of them alike; absent: nothing."""


class ChangesSaid(Said):
    """Changes, the newest first."""

    document: str
    epoch: int
    head: int
    changes: list[ChangeSaid]
    before: int | None
    """Where to go on; null: there are no more."""


class PastSaid(Said):
    """A document as it was; author, mac and time are those of that revision's commit."""

    document: str
    epoch: int
    revision: int
    mac: str
    author: str | None
    at: int | None
    content: Opaque


class DiffSaid(Said):
    """What makes one moment's document of the other's."""

    document: str
    since: int = Field(alias="from")
    until: int = Field(alias="to")
    delta: Opaque


class RunSaid(Said):
    """A part of the document that one commit wrote."""

    author: str
    revision: int
    length: int
    """UTF-16 code units."""
    metadata: dict[str, str] | None = None
    """What a program said of that commit; absent: nothing."""


class BlameSaid(Said):
    """Who wrote each part, from the beginning to the end."""

    document: str
    revision: int
    runs: list[RunSaid]


class NamedSaid(Said):
    """A version."""

    name: str
    revision: int
    epoch: int
    mac: str
    author: str
    """Who named it."""
    at: int
    """When, in milliseconds since 1970."""


class VersionSaid(NamedSaid):
    """A version, and whose."""

    document: str


class VersionsSaid(Said):
    """Versions, sorted by their escaped names."""

    document: str
    versions: list[NamedSaid]
    after: str | None
    """Where to go on; null: there are no more."""


class RestoredSaid(EditSaid):
    """What became of a wish to go back."""

    restored: int
    """The revision whose text the document has again."""


class UndoneSaid(EditSaid):
    """What became of a wish to take back."""

    commits: int
    """So many were taken back."""


class NameBody(Wish):
    """A moment's name."""

    name: VersionLabel
    at: Moment = Field(default="head", validate_default=True)


class RestoreBody(Wish):
    """Which moment to go back to."""

    at: Moment
    base_revision: RevisionNumber | None = None


class UndoBody(Wish):
    """What to take back: at least one of `of`, `since` and `until`."""

    of: AuthorName | None = None
    """Whose edits; everybody's, if it is not said."""
    since: Time | None = None
    until: Time | None = None
    """Before this time."""
    base_revision: RevisionNumber | None = None


CHANGES = Route[ChangesQuery, Body](
    "GET",
    "/v1/history/{document}",
    "listChanges",
    "The changes, newest first",
    {200: Answer("Changes", ChangesSaid, headers=_UNCHECKED)},
    needs=("read", "history"),
    query=ChangesQuery,
    refusals=PAST,
)
AT = Route[AtQuery, Body](
    "GET",
    "/v1/at/{document}",
    "readMoment",
    "The document as it was, as JSON or as plain text",
    {200: Answer("The document", PastSaid, ("text/plain",), ("Coedit-Revision", *_UNCHECKED))},
    needs=("read", "history"),
    query=AtQuery,
    refusals=PAST,
)
DIFF = Route[DiffQuery, Body](
    "GET",
    "/v1/diff/{document}",
    "compareMoments",
    "The delta that makes one moment's document of another's",
    {200: Answer("The delta", DiffSaid, headers=_UNCHECKED)},
    needs=("read", "history"),
    query=DiffQuery,
    refusals=PAST,
)
BLAME = Route[AtQuery, Body](
    "GET",
    "/v1/blame/{document}",
    "readBlame",
    "Who wrote each part; formatting makes nobody the author",
    {200: Answer("Runs", BlameSaid, headers=_UNCHECKED)},
    needs=("read", "history"),
    query=AtQuery,
    refusals=PAST,
)
VERSIONS = Route[VersionsQuery, Body](
    "GET",
    "/v1/versions/{document}",
    "listVersions",
    "The document's versions",
    {200: Answer("Versions", VersionsSaid)},
    needs=("read", "history"),
    query=VersionsQuery,
    refusals=frozenset({"unknown-version"}),
)
NAME = Route[Query, NameBody](
    "POST",
    "/v1/versions/{document}",
    "nameVersion",
    "Give a moment a name, for ever",
    {201: Answer("The version; asked again for the same moment, the one that is there", VersionSaid)},
    needs=("write", "history"),
    bodies=(NameBody,),
    refusals=PAST | {"version-exists"},
)
RESTORE = Route[Query, RestoreBody](
    "POST",
    "/v1/restore/{document}",
    "restoreMoment",
    "Make the document what it was, by a new edit",
    {200: Answer("As which revision", RestoredSaid)},
    needs=("write", "history"),
    bodies=(RestoreBody,),
    refusals=EDITING,
)
UNDO = Route[Query, UndoBody](
    "POST",
    "/v1/undo/{document}",
    "undoEdits",
    "Take back what an author did, or everybody in a time, by a new edit",
    {200: Answer("As which revision", UndoneSaid)},
    needs=("write", "history"),
    bodies=(UndoBody,),
    refusals=EDITING,
)

ROUTES = (CHANGES, AT, DIFF, BLAME, VERSIONS, NAME, RESTORE, UNDO)
