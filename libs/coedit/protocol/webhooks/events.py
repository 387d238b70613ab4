"""What an application is told of documents: the events, each with its type and its data.

A body is ``{"type", "timestamp", "data"}``, as Standard Webhooks has it. It says what happened and where, never a word
of the document: whoever wants that asks for it, and gets what is so by then.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, create_model

from coedit.errors import DamageReason, ProtocolError

EventType = Literal[
    "document.changed",
    "document.snapshotted",
    "document.joined",
    "document.left",
    "document.deleted",
    "document.quarantined",
    "document.lost",
]


class DocumentEvent(BaseModel):
    """Something happened to a document."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: ClassVar[EventType]

    document: str
    """Its id."""


class DocumentChanged(DocumentEvent):
    """A document was edited: what was committed since the event before, once there was a pause or it had lasted."""

    type: ClassVar[EventType] = "document.changed"

    epoch: int
    first_revision: int
    last_revision: int
    """Of what is told by this event; an event may tell again of what another told."""
    authors: list[str]
    """Who wrote the newest thousand of these revisions, at most fifty, sorted."""


class DocumentSnapshotted(DocumentEvent):
    """A snapshot covers a document up to a revision: it is in the object store."""

    type: ClassVar[EventType] = "document.snapshotted"

    epoch: int
    revision: int


class DocumentJoined(DocumentEvent):
    """Somebody is seen in a document, who was not. Who has it open without being seen has no event."""

    type: ClassVar[EventType] = "document.joined"

    client_id: str
    author: str
    name: str
    """How the author is shown; empty: as ``author``."""


class DocumentLeft(DocumentEvent):
    """Somebody is not seen in a document any more."""

    type: ClassVar[EventType] = "document.left"

    client_id: str
    author: str | None
    """Null: only the client is known, since nobody looked for longer than presence lasts."""


class DocumentDeleted(DocumentEvent):
    """A document was deleted: put in the trash, or erased."""

    type: ClassVar[EventType] = "document.deleted"

    erased: bool
    """Whether nothing of it is left; otherwise it is in the trash, and can be restored for a while."""


class DocumentQuarantined(DocumentEvent):
    """Something stored of a document is damaged: it takes no writes until it is repaired."""

    type: ClassVar[EventType] = "document.quarantined"

    reason: DamageReason
    message: str


class DocumentLost(DocumentEvent):
    """Revisions of a document are lost for good, and it goes on in another epoch."""

    type: ClassVar[EventType] = "document.lost"

    epoch: int
    """The one that began."""
    first_revision: int
    last_revision: int


EVENTS: dict[EventType, type[DocumentEvent]] = {
    event.type: event
    for event in (
        DocumentChanged,
        DocumentSnapshotted,
        DocumentJoined,
        DocumentLeft,
        DocumentDeleted,
        DocumentQuarantined,
        DocumentLost,
    )
}


def body_models() -> dict[EventType, type[BaseModel]]:
    """Return the model of each event's whole body, for whoever describes them."""
    return {name: _body_model(name, event) for name, event in EVENTS.items()}


def _body_model(name: EventType, event: type[DocumentEvent]) -> type[BaseModel]:
    kind: Any = Literal[name]
    timestamp = Annotated[datetime, Field(description="When it happened, by Redis's clock.")]
    model: type[BaseModel] = create_model(
        f"{event.__name__}Event",
        __doc__=event.__doc__,
        type=(kind, ...),
        timestamp=(timestamp, ...),
        data=(event, ...),
    )
    return model


def packed(event: DocumentEvent) -> bytes:
    """Return the event as it is kept until it is sent: its type and its data."""
    return orjson.dumps([event.type, event.model_dump()])


def unpacked(kept: bytes) -> tuple[EventType, dict[str, Any]]:
    """Return the type and the data of what `packed` made.

    Raises:
        ProtocolError: it is not of this version.
    """
    try:
        name, data = orjson.loads(kept)
        return EVENTS[name].type, dict(data)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"not an event: {error!r}") from error


def body_of(name: EventType, data: dict[str, Any], at_ms: int) -> bytes:
    """Return what is sent; ``at_ms`` is when it happened, since 1970."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return orjson.dumps({"type": name, "timestamp": at, "data": data})
