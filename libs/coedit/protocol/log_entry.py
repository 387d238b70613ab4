"""The log's format: a commit as MessagePack, and the MAC chain over commits.

The mac of a commit is keyed BLAKE2b (16 bytes, hex) over the canonical JSON of the document id, the commit without
its mac, and the mac before it; the mac before the first one is the empty string. Source: RFC 7693.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import msgpack
import orjson

from coedit.errors import InvalidDeltaError, NewerFormatError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Caret, Commit
from coedit.ot.delta import Delta
from coedit.protocol.metadata import named_metadata

FORMAT = 1
"""Of a commit in the log. One of this format does not say so; a later one has a field ``format``, under its mac."""
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class ChainKey:
    """The secret of the MAC chain, and the public id by which a commit names it."""

    key_id: str
    secret: bytes
    old: tuple["ChainKey", ...] = ()
    """Of earlier secrets: they vouch for what they sealed, and seal nothing more."""

    @classmethod
    def derive(cls, secret: bytes, old_secrets: Sequence[bytes] = ()) -> "ChainKey":
        """Return the chain's key of a deployment's secret (of any length), and of those that it had before."""
        key = blake2b(secret, digest_size=32, person=b"coedit-chain-key").digest()
        key_id = blake2b(key, digest_size=4, person=b"coedit-chain-id").hexdigest()
        return cls(key_id, key, tuple(cls.derive(old) for old in old_secrets))

    def seal(self, document_id: DocumentId, commit: Commit, before: str) -> Commit:
        """Return ``commit`` with the mac that chains it to ``before``, the mac of the revision below."""
        return commit.sealed(_mac(self, document_id, commit, before), self.key_id)

    def seal_entry(self, document_id: DocumentId, commit: Commit, before: str) -> tuple[Commit, bytes]:
        """Return the same, and as it stands in the log: both at once take little more than one."""
        fields = commit_fields(commit)
        mac = _mac_of_fields(self, document_id, fields, before)
        fields["mac"], fields["key_id"] = mac, self.key_id
        return commit.sealed(mac, self.key_id), _packed(fields, commit)

    def holds(self, document_id: DocumentId, commit: Commit, before: str) -> bool:
        """Return whether ``commit`` continues the history named by ``before``, unaltered."""
        key = self._named(commit.key_id)
        return key is not None and commit.mac == _mac(key, document_id, commit, before)

    def knows(self, key_id: str) -> bool:
        """Return whether a mac of this key can be checked."""
        return self._named(key_id) is not None

    def _named(self, key_id: str) -> "ChainKey | None":
        return next((key for key in (self, *self.old) if key.key_id == key_id), None)


def _mac(key: ChainKey, document_id: DocumentId, commit: Commit, before: str) -> str:
    return _mac_of_fields(key, document_id, commit_fields(commit), before)


def _mac_of_fields(key: ChainKey, document_id: DocumentId, fields: dict[str, Any], before: str) -> str:
    content = fields | {"key_id": key.key_id}
    del content["mac"]
    canonical = orjson.dumps([document_id, content, before], option=orjson.OPT_SORT_KEYS)
    return blake2b(canonical, digest_size=16, key=key.secret).hexdigest()


def commit_fields(commit: Commit) -> dict[str, Any]:
    """Return the commit as plain values, as it goes over the wire, and but for its update stands in the log."""
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
    if commit.yjs:
        fields["yjs"] = commit.yjs
    if commit.bridge:
        fields["bridge"] = commit.bridge
    return fields


def with_update(commit: Commit, update: bytes) -> Commit:
    """Return a commit that is not sealed yet with the Yjs update that it is."""
    return replace(commit, update=update, yjs=update_digest(update))


def update_digest(update: bytes) -> str:
    """Return what a commit says of its Yjs update, in its fields and under its mac; of no update nothing."""
    return blake2b(update, digest_size=16).hexdigest() if update else ""


def encode_commit(commit: Commit) -> bytes:
    """Return the commit as it stands in the log, with its Yjs update and its metadata, which its fields only name."""
    return _packed(commit_fields(commit), commit)


def _packed(fields: dict[str, Any], commit: Commit) -> bytes:
    if commit.update:
        fields = fields | {"update": commit.update}
    if commit.metadata:
        fields = fields | {"metadata": dict(commit.metadata)}
    packed: bytes = msgpack.packb(fields)
    return packed


def author_of(packed: bytes) -> str | None:
    """Return who wrote a commit, of an entry that nobody checks; None: it is none."""
    try:
        author = msgpack.unpackb(packed)["author"]
    except Exception:  # noqa: BLE001 - msgpack raises whatever its content provokes
        return None
    return author if isinstance(author, str) else None


def decode_commit(packed: bytes, *, may_lack_update: bool = False) -> Commit:
    """Return the commit that `encode_commit` wrote; ``may_lack_update`` takes one that an OT client kept as well.

    Raises:
        InvalidDeltaError: the bytes are not a commit, or its Yjs update or metadata is not what it names.
        NewerFormatError: a newer version wrote it.
    """
    try:
        fields = msgpack.unpackb(packed)
        refuse_newer("a commit", fields.get("format"), FORMAT)
        commit = commit_from_fields(fields)
        if not commit.yjs or (may_lack_update and "update" not in fields):
            return commit
        if update_digest(update := fields["update"]) != commit.yjs:
            raise InvalidDeltaError("the Yjs update is not the one that the commit names")
        return replace(commit, update=update)
    except _MALFORMED as error:
        raise InvalidDeltaError(f"not a commit: {error!r}") from error


_FORMATS_TO_COME = 16
"""What is further above is no format that will be met in a roll-out, but a byte that was altered: damage."""


def refuse_newer(what: str, found: object, known: int) -> None:
    """Refuse ``what`` is stored where its format was ``found`` to be above the newest that is ``known`` here.

    Raises:
        NewerFormatError: it is for a newer version to read.
    """
    if type(found) is int and known < found <= known + _FORMATS_TO_COME:
        raise NewerFormatError(
            f"{what} is stored in format {found}, and this version of coedit knows formats up to {known}: "
            "run the version that the other services run"
        )


def commit_from_fields(fields: dict[str, Any]) -> Commit:
    """Return the commit whose `commit_fields` these are; unknown fields are passed over.

    Raises:
        InvalidDeltaError: the delta is not one, or the metadata is not that of the commit.
        KeyError, TypeError: a field is missing or of a wrong shape.
    """
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
        caret=caret_from_fields(fields.get("caret")),
        yjs=fields.get("yjs", ""),
        bridge=fields.get("bridge", ""),
        metadata=named_metadata(fields["client_id"], fields.get("metadata")),
    )


def caret_from_fields(fields: dict[str, Any] | None) -> Caret | None:
    """Return the caret of a commit or an ack."""
    return None if fields is None else Caret(fields["anchor"], fields["head"])
