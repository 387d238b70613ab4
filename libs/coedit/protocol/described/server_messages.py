"""What a server says on a v1 WebSocket, described: the messages themselves are plain maps (see ``messages.py``).

A client passes over fields that it does not know, so these allow others.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, WithJsonSchema

from coedit.protocol.messages import CARET, DELTA

Right = Literal["read", "write"]
Durability = Literal["memory", "fsync", "replicated"]
Ops = Annotated[Any, WithJsonSchema(DELTA)]
Place = Annotated[Any, WithJsonSchema(CARET)]


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, use_attribute_docstrings=True)


class Limits(_Said):
    """What a client may send."""

    frame_bytes: int
    delta_ops: int
    delta_values: int
    document_units: int
    open_documents: int
    presence_bytes: int


class Welcome(_Said):
    """Who this connection is."""

    type: Literal["welcome"]
    client_id: str
    resume_token: str
    author: str
    token_seconds: float | None
    durability: Durability
    server: str
    limits: Limits
    traces: bool = False
    """The server goes on with traces of clients."""


class LostRange(_Said):
    """Revisions that are lost for good, both included."""

    first: int
    last: int


class Opened(_Said):
    """A document is open."""

    type: Literal["opened"]
    document: str
    client_id: str
    resume_token: str
    author: str
    access: Right
    rights: list[str]
    epoch: int
    revision: int
    mac: str
    head: int
    snapshot_revision: int
    mode: Literal["content", "parts", "resumed"]
    content: Ops = None
    parts: int | None = None
    parts_bytes: int | None = None
    lost: LostRange | None = None
    damaged: bool = False


class Part(_Said):
    """A part of a document's content: all of them joined are a zlib stream of its ops as UTF-8 JSON."""

    type: Literal["part"]
    document: str
    index: int
    bytes: Annotated[Any, WithJsonSchema({"type": "string", "contentEncoding": "base64"})]


class Ack(_Said):
    """What became of one's own submission."""

    type: Literal["ack"]
    document: str
    client_sequence: int
    revision: int
    epoch: int
    at: int
    mac: str
    key_id: str
    durability: Durability
    caret: Place = None
    yjs: str = ""
    bridge: str = ""
    repeat: bool = False


class CommitSaid(_Said):
    """One commit."""

    revision: int
    delta: Ops
    author: str
    client_id: str
    client_sequence: int
    at: int
    mac: str
    key_id: str
    caret: Place = None
    yjs: str = ""
    bridge: str = ""


class Commits(_Said):
    """Others' commits, in order and without a gap."""

    type: Literal["commit"]
    document: str
    epoch: int
    commits: list[CommitSaid]


class SnapshotSaid(_Said):
    """Older commits than this revision need not be kept."""

    type: Literal["snapshot"]
    document: str
    revision: int


class TokenTaken(_Said):
    """The token that was sent is taken."""

    type: Literal["token"]
    token_seconds: float | None


class Rights(_Said):
    """What may be done with an open document from now on."""

    type: Literal["rights"]
    document: str
    access: Right
    rights: list[str]


class Recall(_Said):
    """The server has nothing above this revision: send what is kept above it."""

    type: Literal["recall"]
    document: str
    epoch: int
    revision: int
    mac: str


class Lost(_Said):
    """These revisions are lost for good."""

    type: Literal["lost"]
    document: str
    epoch: int
    first: int
    last: int


class Present(_Said):
    """Somebody who is in a document."""

    client_id: str
    author: str
    name: str
    colour: str
    revision: int
    caret: Place = None
    avatar: str = ""


class Roster(_Said):
    """Who came or changed, and who is gone."""

    type: Literal["presence"]
    document: str
    present: list[Present]
    left: list[str]
    full: bool = False
    """`present` is everyone."""


class ErrorSaid(_Said):
    """Why something was refused."""

    type: Literal["error"]
    code: str
    message: str
    definite: bool
    retryable: bool
    document: str | None = None
    client_sequence: int | None = None
    retry_after_seconds: int | None = None
    """After how long to try again."""


ServerMessage: TypeAlias = (
    Welcome
    | Opened
    | Part
    | Ack
    | Commits
    | SnapshotSaid
    | TokenTaken
    | Rights
    | Recall
    | Lost
    | Roster
    | ErrorSaid
)
