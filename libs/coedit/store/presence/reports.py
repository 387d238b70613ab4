"""What gateways report: the entries of ``reports:{s}``, each a MessagePack list in one field."""

from dataclasses import dataclass, replace
from typing import Any

import msgpack

from coedit.errors import CoeditError, ProtocolError
from coedit.identifiers import ClientId, DocumentId, client_id, document_id
from coedit.presence.roster import Presence, presence_from_fields, shared_fields

REPORT_FIELD = b"report"
MAX_REPORT_BYTES = 65_536
MAX_PLACES = 100
"""How many places one entry names; with the longest of ids it stays well below `MAX_REPORT_BYTES`."""

Place = tuple[ClientId, DocumentId]
"""A client in a document."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A client came, moved, or changed its name or colour."""

    document_id: DocumentId
    presence: Presence


@dataclass(frozen=True, slots=True)
class Alive:
    """These are still there."""

    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """``gateway`` no longer has these."""

    gateway: str
    places: tuple[Place, ...]


Report = Seen | Alive | Left


def encode_presence(presence: Presence) -> bytes:
    """Return the presence as it is stored: what clients and other gateways are told, and the gateway."""
    packed: bytes = msgpack.packb(shared_fields(presence) | {"gateway": presence.gateway})
    return packed


def decode_presence(packed: bytes) -> Presence:
    """Return the presence that `encode_presence` wrote.

    Raises:
        ProtocolError: the bytes are not one.
    """
    return _presence(_unpack(packed))


def encode_report(report: Report) -> bytes:
    """Return the report as it stands in the stream."""
    content: list[Any]
    match report:
        case Seen(document, presence):
            content = ["seen", document, shared_fields(presence) | {"gateway": presence.gateway}]
        case Alive(places):
            content = ["alive", places]
        case Left(gateway, places):
            content = ["left", gateway, places]
    packed: bytes = msgpack.packb(content)
    return packed


def decode_report(packed: bytes) -> Report:
    """Return the report that `encode_report` wrote, every id and bound checked.

    Raises:
        ProtocolError: the bytes are not a report.
    """
    try:
        match _unpack(packed):
            case ["seen", str(document), dict(fields)]:
                return Seen(document_id(document), _presence(fields))
            case ["alive", list(places)]:
                return Alive(_places(places))
            case ["left", str(gateway), list(places)]:
                return Left(gateway, _places(places))
    except ProtocolError:
        raise
    except (TypeError, ValueError, CoeditError) as error:
        raise ProtocolError(f"not a report: {error!r}") from error
    raise ProtocolError("not a report of a known kind")


def _unpack(packed: bytes) -> Any:
    if len(packed) > MAX_REPORT_BYTES:
        raise ProtocolError(f"a report of {len(packed)} bytes; allowed are {MAX_REPORT_BYTES}")
    try:
        return msgpack.unpackb(packed)
    except Exception as error:  # msgpack raises whatever its content provokes, RecursionError's kin included
        raise ProtocolError(f"not MessagePack: {error!r}") from error


def _presence(fields: dict[str, Any]) -> Presence:
    gateway = fields.get("gateway", "")
    if not isinstance(gateway, str):
        raise ProtocolError("gateway is not a text")
    return replace(presence_from_fields(fields), gateway=gateway)


def _places(pairs: list[Any]) -> tuple[Place, ...]:
    return tuple(_place(pair) for pair in pairs)


def _place(pair: Any) -> Place:
    match pair:
        case [str(client), str(document)]:
            return client_id(client), document_id(document)
    raise ProtocolError("a place is not a client and a document")
