"""What a client may say, checked field by field, and what a server answers.

Client messages are values of their own, since they come from outside. Server messages are built as plain maps: they
are encoded once and shared by many, and a client passes over fields that it does not know.
"""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    WithJsonSchema,
)

from coedit.errors import CoeditError, OverloadedError, ProtocolError, UnknownMessageError
from coedit.identifiers import (
    MAX_SAFE_INTEGER,
    AuthorId,
    ClientId,
    ClientSequence,
    DocumentId,
    Revision,
    author_id,
    checked_traceparent,
    client_id,
    document_id,
)
from coedit.ot.commit import Caret, Commit
from coedit.ot.delta import Delta

Document = Annotated[str, AfterValidator(document_id)]
Client = Annotated[str, AfterValidator(client_id)]
Author = Annotated[str, AfterValidator(author_id)]
Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
Positive = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]


def _caret(value: object) -> object:
    if value is None:
        return None
    if isinstance(value, dict) and value.keys() == {"anchor", "head"}:
        ends = value["anchor"], value["head"]
        if all(type(end) is int and 0 <= end <= MAX_SAFE_INTEGER for end in ends):
            return Caret(*ends)
    raise ValueError("a caret is {anchor, head}, two positions")


def _committed_delta(value: object) -> Delta:
    # What was committed has no bounds of its own, since it was carried over other commits.
    return Delta.from_json(value, is_bounded=False)


CARET: dict[str, Any] = {
    "type": ["object", "null"],
    "required": ["anchor", "head"],
    "properties": {end: {"type": "integer", "minimum": 0} for end in ("anchor", "head")},
    "description": "A selection, in UTF-16 code units; null: none.",
}
"""How a caret is described."""
_OPS = ("insert", "retain", "delete")
DELTA: dict[str, Any] = {
    "type": "array",
    "description": "A delta, as Quill has it; lengths are UTF-16 code units, an embed is one.",
    "items": {
        "type": "object",
        "properties": {
            "insert": {"type": ["string", "object"], "minLength": 1},
            "retain": {"type": "integer", "minimum": 1},
            "delete": {"type": "integer", "minimum": 1},
            "attributes": {"type": "object"},
        },
        "oneOf": [{"required": [op]} for op in _OPS],
        "additionalProperties": False,
    },
}
"""How a delta is described: it is read by `Delta.from_json`."""
OptionalCaret = Annotated[InstanceOf[Caret] | None, BeforeValidator(_caret), WithJsonSchema(CARET)]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    together: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of optional fields, of which all or none are given."""

    def model_post_init(self, _: Any) -> None:
        """Check what concerns several fields."""
        for names in self.together:
            if len({getattr(self, name) is None for name in names}) > 1:
                raise ProtocolError(f"{', '.join(names)} come together")


M = TypeVar("M", bound=BaseModel)


def _read(model: type[M], value: object, where: str) -> M:
    if not isinstance(value, dict):
        raise ProtocolError(f"{where}: a map")
    _refuse_unknown(model, value, where)
    return _validated(model, value, where)


def _refuse_unknown(model: type[BaseModel], fields: dict[Any, Any], where: str) -> None:
    """Refuse at the first: pydantic makes an error of each unknown key, which of a million takes seconds."""
    known = model.model_fields
    for key in fields:
        if key not in known:
            raise ProtocolError(f"{where}: a field that is not known")


def _validated(model: type[M], fields: dict[Any, Any], where: str) -> M:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ProtocolError(f"{where}.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


class Hello(_Message):
    """The first message of a connection."""

    type: Literal["hello"]
    token: str | None = None
    author: Author | None = None
    client_id: Client | None = None
    resume_token: str | None = None
    together = (("client_id", "resume_token"),)


class Token(_Message):
    """Say anew who one is, before the token so far expires, or since another grants something else."""

    type: Literal["token"]
    token: str


class Open(_Message):
    """Open a document; with (epoch, revision, mac), only what came after."""

    type: Literal["open"]
    document: Document
    epoch: Positive | None = None
    revision: Count | None = None
    mac: str | None = None
    client_id: Client | None = None
    resume_token: str | None = None
    renew: bool = False
    together = (("epoch", "revision", "mac"), ("client_id", "resume_token"))


class Submit(_Message):
    """Submit a delta."""

    type: Literal["submit"]
    document: Document
    client_sequence: Positive
    epoch: Positive
    base_revision: Count
    delta: Annotated[InstanceOf[Delta], BeforeValidator(Delta.from_json), WithJsonSchema(DELTA)]
    caret: OptionalCaret = None
    traceparent: Annotated[str, AfterValidator(checked_traceparent)] | None = None


class OfferedCommit(_Message):
    """A commit as its donor received it; of one's own, as it was acknowledged."""

    revision: Positive
    delta: Annotated[InstanceOf[Delta], BeforeValidator(_committed_delta), WithJsonSchema(DELTA)]
    author: Author
    client_id: Client
    client_sequence: Positive
    at: Count
    epoch: Positive
    mac: Annotated[str, Field(max_length=64)]
    key_id: Annotated[str, Field(max_length=64)]
    caret: OptionalCaret = None
    yjs: Annotated[str, Field(max_length=64)] = ""
    bridge: Annotated[str, Field(max_length=1024)] = ""
    metadata: Any = None
    """Of one that came by a gateway of an earlier version, which tells of it; passed over."""

    def commit(self) -> Commit:
        """Return it as the log has it."""
        return Commit(
            Revision(self.revision),
            self.delta,
            AuthorId(self.author),
            ClientId(self.client_id),
            ClientSequence(self.client_sequence),
            self.at,
            self.epoch,
            self.mac,
            self.key_id,
            self.caret,
            yjs=self.yjs,
            bridge=self.bridge,
        )


MAX_OFFERED_COMMITS = 100_000
"""In one offer: more than fit into a frame of the usual size."""


def _offered_commits(value: object) -> list[OfferedCommit]:
    """Read one after the other up to the first that is none: pydantic would find what is wrong with each."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_OFFERED_COMMITS:
        raise ProtocolError(f"offer.commits: a list of 1 to {MAX_OFFERED_COMMITS} commits")
    return [_read(OfferedCommit, item, "offer.commits") for item in value]


class Offer(_Message):
    """Give back commits that the server asked for with ``recall``; ``before`` is the mac below the first."""

    type: Literal["offer"]
    document: Document
    before: Annotated[str, Field(max_length=64)]
    commits: Annotated[list[InstanceOf[OfferedCommit]], BeforeValidator(_offered_commits)]


class Presence(_Message):
    """Say where one's caret is, and how to be shown."""

    type: Literal["presence"]
    document: Document
    revision: Count
    caret: OptionalCaret = None
    name: Annotated[str, Field(max_length=64)] | None = None
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None


class Close(_Message):
    """Leave a document."""

    type: Literal["close"]
    document: Document


ClientMessage: TypeAlias = Hello | Token | Open | Submit | Offer | Presence | Close

_TYPES: dict[str, type[ClientMessage]] = {
    "hello": Hello,
    "token": Token,
    "open": Open,
    "submit": Submit,
    "offer": Offer,
    "presence": Presence,
    "close": Close,
}


def type_of(fields: dict[str, Any]) -> type[ClientMessage]:
    """Return of which type the message is that ``fields`` are; looks at no more fields than the type has.

    Raises:
        UnknownMessageError: there is no such type.
        ProtocolError: a field is unknown.
    """
    name = fields.get("type")
    message_type = _TYPES.get(name) if isinstance(name, str) else None
    if message_type is None:
        raise UnknownMessageError("the message has no known type")
    _refuse_unknown(message_type, fields, str(name))
    return message_type


def parse_client_message(message_type: type[M], fields: dict[str, Any]) -> M:
    """Return the client's message of this type (see `type_of`) that ``fields`` are.

    Raises:
        ProtocolError: a field is missing, or of a wrong type.
        InvalidIdentifierError, InvalidDeltaError: what a field holds breaks its rule.
    """
    return _validated(message_type, fields, fields["type"])


def error_message(
    error: CoeditError, document: str | None = None, client_sequence: int | None = None
) -> dict[str, Any]:
    """Return the message that tells a client of ``error``."""
    message = refusal(error.code, str(error), error.definite, error.retryable)
    if isinstance(error, OverloadedError) and error.retry_after_seconds:
        message["retry_after_seconds"] = error.retry_after_seconds
    return message | _about(document, client_sequence)


def refusal(code: str, message: str, definite: bool, retryable: bool) -> dict[str, Any]:
    """Return an ``error`` message that is not about a document."""
    return {"type": "error", "code": code, "message": message, "definite": definite, "retryable": retryable}


def _about(document: str | None, client_sequence: int | None) -> dict[str, Any]:
    about: dict[str, Any] = {}
    if document is not None:
        about["document"] = document
    if client_sequence is not None:
        about["client_sequence"] = client_sequence
    return about


def commit_message(document: DocumentId, commits: list[dict[str, Any]], epoch: int) -> dict[str, Any]:
    """Return the message that brings others' commits, given as `commit_fields` made them."""
    return {
        "type": "commit",
        "document": document,
        "epoch": epoch,
        "commits": [{name: value for name, value in fields.items() if name != "epoch"} for fields in commits],
    }


def ack_message(document: DocumentId, commit: dict[str, Any], durability: str) -> dict[str, Any]:
    """Return the message that tells an author what became of a submission."""
    message = {
        "type": "ack",
        "document": document,
        "client_sequence": commit["client_sequence"],
        "revision": commit["revision"],
        "epoch": commit["epoch"],
        "at": commit["at"],
        "mac": commit["mac"],
        "key_id": commit["key_id"],
        "durability": durability,
    }
    return message | {name: commit[name] for name in ("caret", "yjs", "bridge") if name in commit}


def token_message(token_seconds: float | None) -> dict[str, Any]:
    """Return the message that tells a client for how long the token holds that it brought; None: for ever."""
    return {"type": "token", "token_seconds": token_seconds}


def rights_message(document: DocumentId, access: str, rights: Iterable[str]) -> dict[str, Any]:
    """Return the message that tells a client what it may do from now on with a document that it has open."""
    return {"type": "rights", "document": document, "access": access, "rights": sorted(rights)}


def recall_message(document: DocumentId, epoch: int, revision: Revision, mac: str) -> dict[str, Any]:
    """Return the message that asks a client for what it keeps above ``revision``, the server's own newest."""
    return {"type": "recall", "document": document, "epoch": epoch, "revision": revision, "mac": mac}


def lost_message(document: DocumentId, epoch: int, first: int, last: int) -> dict[str, Any]:
    """Return the message that tells of revisions which nobody could give back; ``epoch`` is the one begun since."""
    return {"type": "lost", "document": document, "epoch": epoch, "first": first, "last": last}
