"""Snapshots: a document at a revision, from which it can be opened and its log be cut off.

The snapshot of number ``n`` is the object ``{document id, escaped}/snapshot/{n, 12 digits}``. Numbers count
from 1 without a gap per document, and of several who make number ``n`` one wins. Old ones are pruned: the
archive keeps every revision. An object is a MessagePack map:

============  ======  ================================================================================
format        int     1
header        bin     a MessagePack map, see below
checksum      bin     BLAKE2b (16 bytes) of ``header``
update        bin     the document as one plain Yjs v1 update, text root ``content``: any Yjs tool opens it
document      bin     the document as Delta, UTF-8 JSON, zlib
============  ======  ================================================================================

The header: ``document_id``, ``kind``, ``number``, ``revision``, ``epoch``, ``mac`` (hex), ``state_vector``
(bin), ``last_sequences`` (client id -> sequence), ``bridge`` (as `Bridge.stored`; may be absent), ``update_checksum``
and ``document_checksum`` (BLAKE2b, 16 bytes, of the fields as they stand). The text root is another than ``content``
where a Yjs client asked for that. Why one object: ``docs/adr/0002-one-object-per-snapshot.md``.
"""

import asyncio
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgpack

from coedit.crdt.document import ROOT
from coedit.errors import DamagedError, InvalidDeltaError, ObjectStoreError
from coedit.identifiers import ClientId, ClientSequence, DocumentId, Revision, escape
from coedit.ot.bridge import Bridge
from coedit.ot.delta import Delta
from coedit.protocol.log_entry import refuse_newer
from coedit.store.objects.deletions import DeletionRecords
from coedit.store.objects.object_store import ObjectStore
from coedit.store.objects.rendered import Rendered

FORMAT = 1
_LONG_BYTES = 256 * 1024
"""An object that takes milliseconds to decode, which whoever else the loop serves would wait for."""
_BROKEN = (AttributeError, InvalidDeltaError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document at a revision, and what it takes to go on from there."""

    document_id: DocumentId
    number: int
    """From 1; the snapshots of a document are a chain, each folded on the one before."""
    revision: Revision
    epoch: int
    mac: str
    """Of the commit ``revision``."""
    state_vector: bytes
    update: bytes
    """The whole document as a plain Yjs v1 update."""
    rendered: Rendered
    """The same document, as OT clients open it."""
    last_sequences: dict[ClientId, ClientSequence] = field(default_factory=dict)
    """The last committed sequence of the clients that were seen last; a cache, bounded by whoever folds."""
    bridge: Bridge | None = None
    """As what Yjs clients open it, if they do."""

    @property
    def document(self) -> Delta:
        """The document.

        Raises:
            DamagedError: the object holds none.
        """
        return self.rendered.delta

    @property
    def text_root(self) -> str | None:
        """The name of the shared text in ``update`` that is the document; None: it is no text."""
        return self.bridge.text_root if self.bridge else ROOT


class Snapshots:
    """The snapshots of all documents, in an object store."""

    def __init__(self, objects: ObjectStore) -> None:
        self.deletions = DeletionRecords(objects)
        """What was decided about the same documents, where they were deleted."""
        self._objects = objects

    async def newest(self, document_id: DocumentId, known_number: int = 0) -> Snapshot | None:
        """Return the newest snapshot of a document, found by listing; None if there is none.

        ``known_number`` is a number that is known to exist, so that the listing can begin there.

        Raises:
            DamagedError: the newest one is damaged.
            ObjectStoreError: the store cannot answer.
        """
        after = snapshot_key(document_id, known_number - 1) if known_number > 1 else ""
        keys = await self._objects.list(_folder(document_id), after)
        if not keys:
            return None
        snapshot = await self.read(document_id, _number(keys[-1]))
        if snapshot is None:
            raise ObjectStoreError(f"the object store listed {keys[-1]} and does not have it")
        return snapshot

    async def numbers(self, document_id: DocumentId) -> list[int]:
        """Return the numbers of a document's snapshots, in order.

        Raises:
            ObjectStoreError: the store cannot answer.
        """
        return [_number(key) for key in await self._objects.list(_folder(document_id))]

    async def read(self, document_id: DocumentId, number: int) -> Snapshot | None:
        """Return one snapshot of a document; None if there is no such number.

        Raises:
            DamagedError: it is not what was written, or belongs elsewhere.
            ObjectStoreError: the store cannot answer.
        """
        body = await self._objects.read(snapshot_key(document_id, number))
        if body is None:
            return None
        if len(body) < _LONG_BYTES:
            snapshot = decode_snapshot(body)
        else:
            snapshot = await asyncio.to_thread(decode_snapshot, body)
        if (snapshot.document_id, snapshot.number) != (document_id, number):
            raise DamagedError(f"the object of snapshot {number} holds another snapshot", "object")
        return snapshot

    async def create(self, snapshot: Snapshot) -> bool:
        """Store a snapshot; return False where its number is taken, which says nothing about what is there.

        Raises:
            ObjectStoreError: it may or may not be stored.
        """
        body = await asyncio.to_thread(encode_snapshot, snapshot)
        return await self._objects.create(snapshot_key(snapshot.document_id, snapshot.number), body)

    async def prune(self, document_id: DocumentId, keep: int) -> int:
        """Delete all but the newest ``keep`` > 0 snapshots of a document; return how many.

        Only the newest is ever built upon. A straggler that creates a number that was pruned does no harm: its
        snapshot is not the newest.

        Raises:
            ObjectStoreError: some may be left.
        """
        keys = await self._objects.list(_folder(document_id))
        for key in keys[:-keep]:
            await self._objects.delete(key)
        return len(keys[:-keep])


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Return the object of a snapshot."""
    document = snapshot.rendered.packed
    header: bytes = msgpack.packb(
        {
            "document_id": snapshot.document_id,
            "kind": snapshot.bridge.kind if snapshot.bridge else "text",
            "bridge": snapshot.bridge.stored() if snapshot.bridge else "",
            "number": snapshot.number,
            "revision": snapshot.revision,
            "epoch": snapshot.epoch,
            "mac": snapshot.mac,
            "state_vector": snapshot.state_vector,
            "last_sequences": snapshot.last_sequences,
            "update_checksum": _checksum(snapshot.update),
            "document_checksum": _checksum(document),
        }
    )
    body: bytes = msgpack.packb(
        {
            "format": FORMAT,
            "header": header,
            "checksum": _checksum(header),
            "update": snapshot.update,
            "document": document,
        }
    )
    return body


def decode_snapshot(body: bytes) -> Snapshot:
    """Return the snapshot that an object holds.

    Raises:
        DamagedError: it is not what `encode_snapshot` wrote, or of a format that is not ours.
        NewerFormatError: a newer version wrote it.
    """
    try:
        return _decode(msgpack.unpackb(body))
    except _BROKEN as error:
        raise DamagedError(f"not a snapshot: {error!r}", "object") from error


def _decode(parts: dict[str, Any]) -> Snapshot:
    refuse_newer("a snapshot", parts["format"], FORMAT)
    if parts["format"] != FORMAT:
        raise DamagedError(f"a snapshot of format {parts['format']!r}; known is {FORMAT}", "object")
    _refuse_altered(parts["header"], parts["checksum"], "header")
    header = msgpack.unpackb(parts["header"])
    _refuse_altered(parts["update"], header.pop("update_checksum"), "update")
    _refuse_altered(parts["document"], header.pop("document_checksum"), "document")
    bridge = Bridge.read(header.pop("bridge", ""))
    if header.pop("kind") != (bridge.kind if bridge else "text"):
        raise DamagedError("a snapshot of one kind says that it is of another", "object")
    return Snapshot(
        **header, bridge=bridge, update=parts["update"], rendered=Rendered(packed=parts["document"])
    )


def _refuse_altered(part: bytes, checksum: bytes, name: str) -> None:
    if _checksum(part) != checksum:
        raise DamagedError(f"the {name} of a snapshot is not what was written", "object")


def _checksum(part: bytes) -> bytes:
    return blake2b(part, digest_size=16).digest()


def _folder(document_id: DocumentId) -> str:
    return f"{escape(document_id)}/snapshot/"


def snapshot_key(document_id: DocumentId, number: int) -> str:
    """Return the key of a snapshot's object."""
    return f"{_folder(document_id)}{number:012d}"


def _number(key: str) -> int:
    return int(key.rpartition("/")[2])
