"""The server's side of a connection, without I/O: frames in, messages out, and who may say what when."""

import enum
from dataclasses import dataclass, field
from typing import Any

from coedit.errors import CoeditError, TooLargeError, UnexpectedMessageError, UnknownMessageError
from coedit.identifiers import DocumentId
from coedit.protocol.codec import Codec, refuse_deep
from coedit.protocol.messages import (
    ClientMessage,
    Hello,
    Offer,
    Open,
    Presence,
    Submit,
    parse_client_message,
    type_of,
)

MOST_BYTES_BEFORE_WELCOME = 16 * 1024
"""Of a frame, before it is known who sends it: room for any token that a proxy lets through."""


class CloseCode(enum.IntEnum):
    """Why the server ends a connection; 4400-4499 are final, 4500-4599 ask the client to come back."""

    TOO_LARGE = 1009
    MALFORMED = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    DELETED = 4404
    UNSUPPORTED_VERSION = 4406
    REPLACED = 4409
    LOST_ITEMS = 4410
    ENDED = 4412
    REFUSED = 4422
    INTERNAL = 4500
    SHUTTING_DOWN = 4503
    NO_HELLO = 4504
    TOO_SLOW = 4508
    CROWDED_OUT = 4509
    SYNC_AGAIN = 4510
    TRY_AGAIN = 4513
    LIMITED = 4529


_CODES = {
    "lost-items": CloseCode.LOST_ITEMS,
    "unauthorized": CloseCode.UNAUTHORIZED,
    "forbidden": CloseCode.FORBIDDEN,
    "deleted": CloseCode.DELETED,
    "unsupported-version": CloseCode.UNSUPPORTED_VERSION,
    "internal": CloseCode.INTERNAL,
    "undecided": CloseCode.TRY_AGAIN,
    "limited": CloseCode.LIMITED,
}


def close_code_of(error: CoeditError) -> CloseCode:
    """Return with which code a connection, or a document, is ended for whom ``error`` is the answer to."""
    return _CODES.get(error.code) or (CloseCode.REFUSED if error.definite else CloseCode.SYNC_AGAIN)


@dataclass
class Refusal(Exception):  # noqa: N818 - it is raised to end a step, and answered
    """A frame that is answered with an error; with a close code, the connection ends as well."""

    error: CoeditError
    document: str | None = None
    client_sequence: int | None = None
    close_code: CloseCode | None = None


@dataclass(slots=True)
class ServerSession:
    """Checks each message against what was said before it."""

    codec: Codec
    max_documents: int
    max_frame_bytes: int
    is_welcome: bool = False
    opening: set[DocumentId] = field(default_factory=set)
    open: set[DocumentId] = field(default_factory=set)

    def receive(self, payload: bytes | str) -> ClientMessage:
        """Return the message in a frame.

        Raises:
            Refusal: it is none, or may not come now; says how to answer.
        """
        size = len(payload) if isinstance(payload, bytes) or payload.isascii() else len(payload.encode())
        most_bytes = self.max_frame_bytes if self.is_welcome else MOST_BYTES_BEFORE_WELCOME
        if size > most_bytes:
            error = TooLargeError(f"a frame of {size} bytes; allowed are {most_bytes}")
            raise Refusal(error, close_code=CloseCode.TOO_LARGE)
        try:
            fields = self.codec.unpack(payload)
        except CoeditError as error:
            raise Refusal(error, close_code=CloseCode.MALFORMED) from error
        try:
            message_type = _type_of(fields)
            _refuse_deep(fields)
            message = parse_client_message(message_type, fields)
            self._check_time(message)
        except CoeditError as error:
            # Before the welcome nothing but a hello is worth going on for.
            code = None if self.is_welcome else CloseCode.MALFORMED
            raise Refusal(
                error, _text(fields, "document"), _count(fields, "client_sequence"), code
            ) from error
        return message

    def welcomed(self) -> None:
        """Take note that `welcome` went out."""
        self.is_welcome = True

    def opened(self, document: DocumentId) -> None:
        """Take note that `opened` went out."""
        self.opening.discard(document)
        self.open.add(document)

    def closed(self, document: DocumentId) -> None:
        """Take note that a document is open no more, or could not be opened."""
        self.opening.discard(document)
        self.open.discard(document)

    def _check_time(self, message: ClientMessage) -> None:
        match message:
            case Hello():
                if self.is_welcome:
                    raise UnexpectedMessageError("hello comes once")
            case _ if not self.is_welcome:
                raise UnexpectedMessageError("hello comes first")
            case Open(document=document):
                self._check_open(DocumentId(document))
            case Offer(document=document):
                if document not in self.open and document not in self.opening:
                    raise UnexpectedMessageError("the document is neither open nor being opened")
            case Submit(document=document) | Presence(document=document):
                if document not in self.open:
                    raise UnexpectedMessageError("the document is not open")

    def _check_open(self, document: DocumentId) -> None:
        if document in self.opening:
            raise UnexpectedMessageError("the document is being opened already")
        self.open.discard(document)  # opened again, it begins afresh
        if len(self.open) + len(self.opening) >= self.max_documents:
            raise TooLargeError(f"more than {self.max_documents} open documents")
        self.opening.add(document)


def _type_of(fields: dict[str, Any]) -> type[ClientMessage]:
    """Ask for the type before anything walks what may be a million values."""
    try:
        return type_of(fields)
    except UnknownMessageError:
        _refuse_deep(fields)
        raise


def _refuse_deep(fields: dict[str, Any]) -> None:
    try:
        refuse_deep(fields)
    except CoeditError as error:
        raise Refusal(error, close_code=CloseCode.MALFORMED) from error


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None


def _count(fields: dict[str, Any], name: str) -> int | None:
    value = fields.get(name)
    return value if type(value) is int else None
