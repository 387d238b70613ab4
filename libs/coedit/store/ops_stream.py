"""The way in: submissions, grouped by tick and shard, as entries of ``ops:{s}``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from coedit.errors import InvalidDeltaError
from coedit.identifiers import (
    AuthorId,
    ClientId,
    ClientSequence,
    DocumentId,
    Revision,
    author_id,
    client_id,
    document_id,
)
from coedit.ot.commit import Caret, Submission
from coedit.ot.delta import Delta
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.keys import Shard
from coedit.store.topology import Nodes

_FIELD = b"submissions"


@dataclass(frozen=True, slots=True)
class Addressed:
    """A submission, and the document that it is for."""

    document_id: DocumentId
    submission: Submission | YjsSubmission


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stream: its id, when Redis took it (ms since 1970), and its fields as they came."""

    entry_id: str
    at: int
    fields: dict[bytes, bytes]


class OpsStream:
    """Adds to the submissions of a shard, and tells how many wait."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def add(self, shards: dict[Shard, Sequence[Addressed]]) -> dict[Shard, Exception]:
        """Add the submissions of a tick: one entry a shard, in one round trip to each node.

        Return the shards whose node may or may not have them, with its error; their clients send again.
        """
        answers = await self._nodes.each(
            list(shards),
            lambda shard: shard,
            lambda pipe, shard: pipe.xadd(shard.ops, {_FIELD: encode_submissions(shards[shard])}),
            raise_on_error=False,
        )
        return {
            shard: answer
            for shard, answer in zip(shards, answers, strict=True)
            if isinstance(answer, Exception)
        }

    async def backlog(self, shards: Sequence[Shard]) -> dict[Shard, int]:
        """Return how many entries wait, per shard."""
        lengths = await self._nodes.each(
            shards, lambda shard: shard, lambda pipe, shard: pipe.xlen(shard.ops)
        )
        return dict(zip(shards, lengths, strict=True))


def encode_submissions(submissions: Sequence[Addressed]) -> bytes:
    """Return the value of an entry."""
    packed: bytes = msgpack.packb([_fields(addressed) for addressed in submissions])
    return packed


def decode_entry(entry: Entry) -> list[Addressed]:
    """Return the submissions in an entry.

    Raises:
        CoeditError: it was not written by `encode_submissions`.
    """
    try:
        return [_addressed(fields) for fields in msgpack.unpackb(entry.fields[_FIELD])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidDeltaError(f"not an entry of submissions: {error!r}") from error


def _fields(addressed: Addressed) -> dict[str, Any]:
    submission = addressed.submission
    fields: dict[str, Any] = {
        "document": addressed.document_id,
        "client_id": submission.client_id,
        "client_sequence": submission.client_sequence,
        "author": submission.author,
        "epoch": submission.epoch,
    }
    if isinstance(submission, YjsSubmission):
        return fields | {"root": submission.root, "update": submission.update}
    fields |= {"base_revision": submission.base_revision, "delta": submission.delta.to_json()}
    if submission.caret is not None:
        fields["caret"] = list(submission.caret)
    return fields


def _addressed(fields: dict[str, Any]) -> Addressed:
    return Addressed(
        document_id(fields["document"]),
        _yjs_submission(fields) if "update" in fields else _submission(fields),
    )


def _yjs_submission(fields: dict[str, Any]) -> YjsSubmission:
    root, update = fields["root"], fields["update"]
    if type(root) is not str or type(update) is not bytes:
        raise InvalidDeltaError("a Yjs submission is no update of a text")
    _refuse_no_counts(fields["client_sequence"], fields["epoch"])
    return YjsSubmission(
        ClientId(client_id(fields["client_id"])),
        ClientSequence(fields["client_sequence"]),
        AuthorId(author_id(fields["author"])),
        fields["epoch"],
        root,
        update,
    )


def _refuse_no_counts(*numbers: object) -> None:
    if any(type(number) is not int or number < 0 for number in numbers):
        raise InvalidDeltaError("a number of a submission is not a count")


def _submission(fields: dict[str, Any]) -> Submission:
    caret = fields.get("caret")
    _refuse_no_counts(fields["client_sequence"], fields["epoch"], fields["base_revision"], *(caret or ()))
    return Submission(
        ClientId(client_id(fields["client_id"])),
        ClientSequence(fields["client_sequence"]),
        AuthorId(author_id(fields["author"])),
        fields["epoch"],
        Revision(fields["base_revision"]),
        Delta.from_json(fields["delta"], is_bounded=False),
        None if caret is None else Caret(*caret),
    )
