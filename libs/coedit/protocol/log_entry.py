"""The log's format: a commit as MessagePack, and the MAC chain over commits.

The mac of a commit is keyed BLAKE2b (16 bytes, hex) over the canonical JSON of the document id, the commit without
its mac, and the mac before it; the mac before the first one is the empty string. Source: RFC 7693.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgpack
import orjson

from coedit.errors import InvalidDeltaError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Caret, Commit
from coedit.ot.delta import Delta

_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class ChainKey:
    """The secret of the MAC chain, and the public id by which a commit names it."""

    key_id: str
    secret: bytes

    @classmethod
    def derive(cls, secret: bytes) -> "ChainKey":
        """Return the chain's key of a deployment's secret (of any length)."""
        key = blake2b(secret, digest_size=32, person=b"coedit-chain-key").digest()
        return cls(blake2b(key, digest_size=4, person=b"coedit-chain-id").hexdigest(), key)

    def seal(self, document_id: DocumentId, commit: Commit, before: str) -> Commit:
        """Return ``commit`` with the mac that chains it to ``before``, the mac of the revision below."""
        return commit.sealed(self._mac(document_id, commit, before), self.key_id)

    def holds(self, document_id: DocumentId, commit: Commit, before: str) -> bool:
        """Return whether ``commit`` continues the history named by ``before``, unaltered."""
        return commit.key_id == self.key_id and commit.mac == self._mac(document_id, commit, before)

    def _mac(self, document_id: DocumentId, commit: Commit, before: str) -> str:
        content = commit_fields(commit)
        del content["mac"]
        content["key_id"] = self.key_id
        canonical = orjson.dumps([document_id, content, before], option=orjson.OPT_SORT_KEYS)
        return blake2b(canonical, digest_size=16, key=self.secret).hexdigest()


def commit_fields(commit: Commit) -> dict[str, Any]:
    """Return the commit as plain values, as it stands in the log and goes over the wire."""
    fields: dict[str, Any] = {
        "revision": commit.revision,
        "delta": commit.delta.to_json(),
        "author": commit.author,
        "client_id": commit.client_id,
        "client_sequence": commit.client_sequence,
        "at": commit.at,
        "epoch": commit.epoch,
        "mac": commit.mac,
        "key_id": commit.key_id,
    }
    if commit.caret is not None:
        fields["caret"] = {"anchor": commit.caret.anchor, "head": commit.caret.head}
    return fields


def encode_commit(commit: Commit) -> bytes:
    """Return the commit as it stands in the log."""
    packed: bytes = msgpack.packb(commit_fields(commit))
    return packed


def decode_commit(packed: bytes) -> Commit:
    """Return the commit that `encode_commit` wrote.

    Raises:
        InvalidDeltaError: the bytes are not a commit.
    """
    try:
        return commit_from_fields(msgpack.unpackb(packed))
    except _MALFORMED as error:
        raise InvalidDeltaError(f"not a commit: {error!r}") from error


def commit_from_fields(fields: dict[str, Any]) -> Commit:
    """Return the commit whose `commit_fields` these are; unknown fields are passed over.

    Raises:
        InvalidDeltaError: the delta is not one.
        KeyError, TypeError: a field is missing or of a wrong shape.
    """
    caret = fields.get("caret")
    return Commit(
        revision=Revision(fields["revision"]),
        delta=Delta.from_json(fields["delta"], is_bounded=False),
        author=AuthorId(fields["author"]),
        client_id=ClientId(fields["client_id"]),
        client_sequence=ClientSequence(fields["client_sequence"]),
        at=fields["at"],
        epoch=fields["epoch"],
        mac=fields["mac"],
        key_id=fields["key_id"],
        caret=None if caret is None else Caret(caret["anchor"], caret["head"]),
    )
