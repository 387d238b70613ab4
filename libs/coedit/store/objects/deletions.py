"""What was decided about documents that were deleted: the truth about it, whatever Redis has lost.

The decision of number ``n`` about a document is the object ``!deleted/{document id, escaped}/{n, 12 digits}``: a
MessagePack map of ``format`` (int, 1), ``checksum`` (bin, BLAKE2b, 16 bytes, of ``deletion``) and ``deletion`` (bin): a
MessagePack map of the fields of `Deletion`. Numbers count from 1 without a gap; of several who decide at once one wins,
and the newest counts. An erased document keeps its last decision for ever: by it nobody brings the document back, who
still holds some of it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Literal
from urllib.parse import unquote

import msgpack

from coedit.errors import DamagedError, DeletedError
from coedit.identifiers import AuthorId, DocumentId, escape
from coedit.protocol.log_entry import refuse_newer
from coedit.store.objects.object_store import ObjectStore

FOLDER = "!deleted/"
"""No document's key begins like this: in an escaped document id there is no exclamation mark."""
FORMAT = 1
_BROKEN = (KeyError, TypeError, ValueError)

State = Literal["trash", "restored", "erasing", "erased"]


@dataclass(frozen=True, slots=True)
class Deletion:
    """A decision about a document: to the trash, back from it, or to be erased; ``erased`` is that this was done."""

    number: int
    state: State
    author: AuthorId
    """Who decided; nobody, where its time in the trash was over."""
    at: int
    """When (ms since 1970, by Redis's clock)."""
    until: int = 0
    """Until when it can be taken out of the trash (ms since 1970)."""

    @property
    def is_deleted(self) -> bool:
        """Whether nobody may have the document."""
        return self.state != "restored"

    @property
    def is_final(self) -> bool:
        """Whether the document is gone, or going, for good."""
        return self.state in ("erasing", "erased")

    def refuse(self) -> None:
        """Refuse whoever wants the document.

        Raises:
            DeletedError: nobody may have it.
        """
        if self.is_final:
            raise DeletedError("the document was erased, and no other one gets its id")
        if self.is_deleted:
            raise DeletedError("the document is in the trash")

    def noted(self) -> str:
        """Return it as Redis has it, in ``deleted:{s}``."""
        return f"{self.number} {self.state} {self.at} {self.until}"

    @classmethod
    def of_note(cls, note: bytes) -> "Deletion":
        """Return what is noted in Redis, but for who decided."""
        number, state, at, until = note.decode().split(" ")
        assert state in ("trash", "restored", "erasing", "erased")  # noqa: S101 - only `noted` writes there
        return cls(int(number), state, AuthorId(""), int(at), int(until))  # type: ignore[arg-type]


class DeletionRecords:
    """The decisions about all documents, in an object store."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def newest(self, document_id: DocumentId) -> Deletion | None:
        """Return what was decided last about a document; None: nothing ever was.

        Raises:
            DamagedError: it is not what was written.
            ObjectStoreError: the store cannot answer.
        """
        keys = await self._objects.list(_folder(document_id))
        if not keys:
            return None
        body = await self._objects.read(keys[-1])
        if body is None:
            raise DamagedError(f"the object store listed {keys[-1]} and does not have it", "object")
        return _decoded(body)

    async def refuse(self, document_id: DocumentId) -> None:
        """Refuse whoever wants a document that was deleted; raises as `newest` does, and DeletedError."""
        newest = await self.newest(document_id)
        if newest is not None:
            newest.refuse()

    async def add(self, document_id: DocumentId, deletion: Deletion) -> bool:
        """Decide; return False where somebody else did, under the same number.

        Raises:
            ObjectStoreError: it may or may not be decided.
        """
        packed: bytes = msgpack.packb(asdict(deletion))
        body = msgpack.packb({"format": FORMAT, "checksum": _checksum(packed), "deletion": packed})
        return await self._objects.create(f"{_folder(document_id)}{deletion.number:012d}", body)

    async def documents(self) -> Sequence[DocumentId]:
        """Return every document about which something was decided, in order.

        Raises:
            ObjectStoreError: the store cannot answer.
        """
        keys = await self._objects.list(FOLDER)
        names = {key.removeprefix(FOLDER).rpartition("/")[0] for key in keys}
        return sorted(DocumentId(unquote(name)) for name in names)


def _decoded(body: bytes) -> Deletion:
    try:
        parts = msgpack.unpackb(body)
        refuse_newer("a deletion", parts["format"], FORMAT)
        if parts["format"] != FORMAT or _checksum(parts["deletion"]) != parts["checksum"]:
            raise DamagedError("a deletion is not what was written", "object")
        return Deletion(**msgpack.unpackb(parts["deletion"]))
    except _BROKEN as error:
        raise DamagedError(f"not a deletion: {error!r}", "object") from error


def _checksum(part: bytes) -> bytes:
    return blake2b(part, digest_size=16).digest()


def _folder(document_id: DocumentId) -> str:
    return f"{FOLDER}{escape(document_id)}/"
