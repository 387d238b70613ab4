"""Objects of documents that are not erased: what comes late, of one that is, does not stay.

Whoever stores something may have begun before the document was erased: a snapshotter that stood still, a gateway that
names a version. So it is looked for after each object that was stored: the decision to erase stands before anything is
listed to be deleted, so that either whoever erases finds the object, or whoever stored it finds the decision.
"""

from collections.abc import Sequence
from urllib.parse import unquote

from coedit.errors import DeletedError
from coedit.identifiers import DocumentId
from coedit.store.objects.deletions import DeletionRecords
from coedit.store.objects.object_store import ObjectStore


class UnerasedObjects:
    """An `ObjectStore`, of another one."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._records = DeletionRecords(objects)

    async def create(self, key: str, body: bytes) -> bool:
        """Store ``body`` under a free key; see `ObjectStore`.

        Raises:
            DeletedError: it is of a document that is erased, and was not kept.
        """
        created = await self._objects.create(key, body)
        name = key.partition("/")[0]
        if not name.startswith("!"):
            newest = await self._records.newest(DocumentId(unquote(name)))
            if newest is not None and newest.is_final:
                await self._objects.delete(key)
                raise DeletedError("the document was erased")
        return created

    async def read(self, key: str) -> bytes | None:
        """Return an object; see `ObjectStore`."""
        return await self._objects.read(key)

    async def list(self, prefix: str, after: str = "") -> Sequence[str]:
        """Return the keys of a folder; see `ObjectStore`."""
        return await self._objects.list(prefix, after)

    async def folders(self) -> Sequence[str]:
        """Return the first names of all keys; see `ObjectStore`."""
        return await self._objects.folders()

    async def first_keys(self, begin: str, count: int) -> Sequence[str]:
        """Return the first keys of folders; see `ObjectStore`."""
        return await self._objects.first_keys(begin, count)

    async def delete(self, key: str) -> None:
        """Take an object away; see `ObjectStore`."""
        await self._objects.delete(key)

    async def delete_all(self, prefix: str) -> None:
        """Take a whole folder away; see `ObjectStore`."""
        await self._objects.delete_all(prefix)
