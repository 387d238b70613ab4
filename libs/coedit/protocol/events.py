"""What travels on a document's channel, between services: a MessagePack list of events, in order.

Commits travel as the log's own bytes, so that what a client is told is what was stored.
"""

from dataclasses import dataclass
from typing import Any

import msgpack

from coedit.errors import ProtocolError
from coedit.identifiers import ClientId, ClientSequence, Revision


@dataclass(frozen=True, slots=True)
class Committed:
    """Commits of one batch, in order, as the log holds them (see `coedit.protocol.log_entry`)."""

    commits: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A submission was refused; only the client it names is told."""

    client_id: ClientId
    client_sequence: ClientSequence
    code: str
    message: str
    definite: bool
    retryable: bool


@dataclass(frozen=True, slots=True)
class Repeated:
    """A submission came again that is committed as ``revision`` already."""

    client_id: ClientId
    client_sequence: ClientSequence
    revision: Revision


@dataclass(frozen=True, slots=True)
class YjsTaken:
    """A Yjs client's submission is dealt with, and made no commit: there was nothing new in it.

    An empty one asks that Yjs clients can open the document; they can now.
    """

    client_id: ClientId
    client_sequence: ClientSequence


@dataclass(frozen=True, slots=True)
class YjsHeld:
    """A Yjs client's submission needs others before it, which are not there: its client is to be asked for them."""

    client_id: ClientId
    client_sequence: ClientSequence


@dataclass(frozen=True, slots=True)
class HeadAt:
    """Where the document stands, for whoever missed something."""

    epoch: int
    revision: Revision
    mac: str


@dataclass(frozen=True, slots=True)
class EpochBegun:
    """The revisions above ``revision``, up to ``last_lost``, are lost: the document goes on without them."""

    epoch: int
    revision: Revision
    mac: str
    last_lost: Revision


@dataclass(frozen=True, slots=True)
class DamageFound:
    """The document takes no writes from now on; the message says why."""

    message: str


@dataclass(frozen=True, slots=True)
class DamageRepaired:
    """The document takes writes again; what is kept of it in memory may be wrong."""


@dataclass(frozen=True, slots=True)
class ClientCameBack:
    """A client that was here before submits on a connection over which it opened the document at ``opened_us``.

    Whoever else still goes by its id, and opened the document before that, is not the client any more.
    """

    client_id: ClientId
    opened_us: int
    """By Redis's clock, since 1970."""


@dataclass(frozen=True, slots=True)
class SnapshotStored:
    """A snapshot covers everything up to ``revision``."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """Who came or changed, and who is gone, since the last tick."""

    present: tuple[dict[str, Any], ...]
    """As `coedit.presence.roster.shared_fields` has them; ``yjs`` is for Yjs clients alone."""
    left: tuple[ClientId, ...]


@dataclass(frozen=True, slots=True)
class Traced:
    """Of edits that the next message may bring, those that are traced: client, its sequence, and the context.

    In a message of its own: a gateway that does not know of traces passes over it, and over nothing else.
    """

    edits: tuple[tuple[ClientId, ClientSequence, str], ...]


Event = (
    Committed
    | Rejected
    | Repeated
    | YjsTaken
    | YjsHeld
    | HeadAt
    | EpochBegun
    | ClientCameBack
    | DamageFound
    | DamageRepaired
    | SnapshotStored
    | PresenceChanged
    | Traced
)

_NAMES: dict[type[Event], str] = {
    Committed: "committed",
    Rejected: "rejected",
    Repeated: "repeated",
    YjsTaken: "yjs-taken",
    YjsHeld: "yjs-held",
    HeadAt: "head",
    EpochBegun: "epoch",
    ClientCameBack: "client",
    DamageFound: "damaged",
    DamageRepaired: "repaired",
    SnapshotStored: "snapshot",
    PresenceChanged: "presence",
    Traced: "traced",
}
_TYPES: dict[str, type[Event]] = {name: event for event, name in _NAMES.items()}


def encode_events(events: list[Event]) -> bytes:
    """Return the events as one message of a channel."""
    packed: bytes = msgpack.packb(
        [[_NAMES[type(event)], *(getattr(event, field) for field in event.__slots__)] for event in events]
    )
    return packed


def decode_events(packed: bytes) -> list[Event]:
    """Return the events of a channel's message.

    Raises:
        ProtocolError: it is not one.
    """
    try:
        return [_TYPES[name](*fields) for name, *fields in msgpack.unpackb(packed, use_list=False)]
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"not a channel's message: {error!r}") from error
