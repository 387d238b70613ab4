"""Named versions: revisions that somebody gave a name to. Immutable, and kept for ever.

The version of a name is the object ``{document id, escaped}/version/{name, escaped}``: a MessagePack map of ``format``
(int, 1), ``checksum`` (bin, BLAKE2b, 16 bytes, of ``version``) and ``version`` (bin): a MessagePack map of ``name``,
``revision``, ``epoch``, ``mac`` (hex, of that revision), ``author`` and ``at`` (ms since 1970, when it was named).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from urllib.parse import unquote

import msgpack

from coedit.errors import DamagedError, TooLargeError, UnknownVersionError, VersionExistsError
from coedit.identifiers import AuthorId, DocumentId, Revision, VersionName, escape
from coedit.protocol.log_entry import refuse_newer
from coedit.store.objects.object_store import ObjectStore

FORMAT = 1
MAX_VERSIONS = 1000
"""Of one document."""
_READ_AT_ONCE = 16
_BROKEN = (KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Version:
    """A revision with a name; (epoch, revision, mac) is exactly one history."""

    name: VersionName
    revision: Revision
    epoch: int
    mac: str
    author: AuthorId
    """Who named it."""
    at: int


class Versions:
    """The versions of all documents, in an object store."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def create(self, document_id: DocumentId, version: Version) -> Version:
        """Store a version; return what is stored, which is an earlier one if somebody gave the same name to the same.

        Raises:
            VersionExistsError: the name stands for something else.
            TooLargeError: the document has as many versions as it can have.
            ObjectStoreError: it may or may not be stored.
        """
        if len(await self.names(document_id)) >= MAX_VERSIONS:
            raise TooLargeError(f"a document has at most {MAX_VERSIONS} versions")
        if await self._objects.create(_key(document_id, version.name), encode_version(version)):
            return version
        known = await self.read(document_id, version.name)
        if (known.epoch, known.revision, known.mac) != (version.epoch, version.revision, version.mac):
            raise VersionExistsError(f"{version.name!r} is revision {known.revision} already")
        return known

    async def read(self, document_id: DocumentId, name: VersionName) -> Version:
        """Return the version of a name.

        Raises:
            UnknownVersionError: there is none.
            DamagedError: it is not what was written.
            ObjectStoreError: the store cannot answer.
        """
        body = await self._objects.read(_key(document_id, name))
        if body is None:
            raise UnknownVersionError(f"no version is named {name!r}")
        return decode_version(body)

    async def read_all(self, document_id: DocumentId, names: Sequence[VersionName]) -> list[Version]:
        """Return the versions of names, in the same order, some read at a time; raises as `read` does."""
        found: list[Version] = []
        for first in range(0, len(names), _READ_AT_ONCE):
            some = names[first : first + _READ_AT_ONCE]
            found += await asyncio.gather(*(self.read(document_id, name) for name in some))
        return found

    async def names(self, document_id: DocumentId, after: str = "") -> Sequence[VersionName]:
        """Return the names of a document's versions, as their escaped forms sort, from behind ``after`` on.

        Raises:
            ObjectStoreError: the store cannot answer.
        """
        folder = _folder(document_id)
        keys = await self._objects.list(folder, folder + escape(after) if after else "")
        return [VersionName(unquote(key.removeprefix(folder))) for key in keys]


def encode_version(version: Version) -> bytes:
    """Return the object of a version."""
    packed: bytes = msgpack.packb(asdict(version))
    body: bytes = msgpack.packb({"format": FORMAT, "checksum": _checksum(packed), "version": packed})
    return body


def decode_version(body: bytes) -> Version:
    """Return the version that an object holds.

    Raises:
        DamagedError: it is not what `encode_version` wrote, or of a format that is not ours.
        NewerFormatError: a newer version wrote it.
    """
    try:
        parts = msgpack.unpackb(body)
        refuse_newer("a version", parts["format"], FORMAT)
        if parts["format"] != FORMAT or _checksum(parts["version"]) != parts["checksum"]:
            raise DamagedError("a version is not what was written", "object")
        return Version(**msgpack.unpackb(parts["version"]))
    except _BROKEN as error:
        raise DamagedError(f"not a version: {error!r}", "object") from error


def _checksum(part: bytes) -> bytes:
    return blake2b(part, digest_size=16).digest()


def _folder(document_id: DocumentId) -> str:
    return f"{escape(document_id)}/version/"


def _key(document_id: DocumentId, name: VersionName) -> str:
    return _folder(document_id) + escape(name)
