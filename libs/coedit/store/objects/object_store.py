"""What must last: objects that are written once, never changed, and deleted only when others replace them.

A key is some names joined by ``/``, each escaped by `coedit.identifiers.escape`. Creating an object is
atomic: nobody ever sees half of one, and of several creators of one key exactly one wins.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import MemoryStore, from_url

from coedit.errors import ObjectStoreError
from coedit.identifiers import BEHIND
from coedit.store.objects.local_folder import LocalFolder

__all__ = ["ObjectStore", "ObjectStoreError", "RemoteObjects", "open_object_store"]

_REQUEST_SECONDS = timedelta(seconds=20)
_RETRY_SECONDS = timedelta(seconds=40)
_TROUBLE = (BaseError, OSError)
_PAGE_KEYS = 1000
"""What S3 answers at once."""
_BEFORE_SLASH = "."
"""Is in no key, and sorts right before the slash."""


class ObjectStore(Protocol):
    """The port; every implementation passes ``tests/unit/store/objects/test_object_store.py``."""

    async def create(self, key: str, body: bytes) -> bool:
        """Store ``body`` under a key that is free, and read it back; return False where the key is taken.

        When this returns True the object outlives a crash of the machine, as far as the store itself does.

        Raises:
            ObjectStoreError: it may or may not be stored, or it came back as something else.
        """
        ...

    async def read(self, key: str) -> bytes | None:
        """Return an object, or None where there is none.

        Raises:
            ObjectStoreError: the store cannot answer.
        """
        ...

    async def list(self, prefix: str, after: str = "") -> Sequence[str]:
        """Return the keys in the folder ``prefix`` (ends with ``/``) that sort behind ``after``, in order.

        Raises:
            ObjectStoreError: the store cannot answer.
        """
        ...

    async def folders(self) -> Sequence[str]:
        """Return the first names of all keys, in order; an empty folder may be among them.

        Raises:
            ObjectStoreError: the store cannot answer.
        """
        ...

    async def first_keys(self, begin: str, count: int) -> Sequence[str]:
        """Return the first key of each folder that does not sort before ``begin``, in order, at most ``count`` of them.

        Folders sort as their keys do: by the name with its ``/``. ``BEHIND`` sorts behind all that may follow. What is
        not asked for is not gone through.

        Raises:
            ObjectStoreError: the store cannot answer.
        """
        ...

    async def delete(self, key: str) -> None:
        """Take an object away; one that is not there is no error.

        Raises:
            ObjectStoreError: it may or may not be gone.
        """
        ...

    async def delete_all(self, prefix: str) -> None:
        """Take all objects in the folder ``prefix`` (ends with ``/``) away, and what was left of creating others there.

        Raises:
            ObjectStoreError: some may be left.
        """
        ...


def open_object_store(url: str, endpoint: str = "", region: str = "") -> ObjectStore:
    """Return the store at ``url``: ``file://`` (made if need be), ``memory://``, ``s3://``, ``gs://``, ``az://``.

    What follows the bucket's name is a folder in it. ``endpoint`` is the address of a compatible server, http or
    https; S3 buckets are then part of the path. ``region`` is that of S3. Credentials come from the environment, as
    the provider's own tools read them.

    Raises:
        ValueError: no such kind of store, or an option that it does not have.
        OSError: the folder cannot be made.
    """
    parts = urlsplit(url)
    try:
        match parts.scheme:
            case "file":
                return LocalFolder(unquote(parts.path))
            case "memory":
                return RemoteObjects(MemoryStore())
            case "s3" | "gs" | "az":
                return RemoteObjects(from_url(url, **_options(parts.scheme, endpoint, region)))
    except BaseError as error:
        raise ValueError(f"the object store {url} cannot be opened: {error}") from error
    raise ValueError(f"no object store of kind {parts.scheme!r}: use file, memory, s3, gs or az")


def _options(scheme: str, endpoint: str, region: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "client_options": {"timeout": _REQUEST_SECONDS, "allow_http": endpoint.startswith("http:")},
        "retry_config": {"max_retries": 3, "retry_timeout": _RETRY_SECONDS},
    }
    if endpoint and scheme == "gs":
        raise ValueError("Google's store takes no endpoint")
    if endpoint:
        options["endpoint"] = endpoint
    if endpoint and scheme == "s3":
        options["virtual_hosted_style_request"] = False
    if region and scheme == "s3":
        options["region"] = region
    return options


def folder_of(key: str) -> str:
    """Return the folder that a key begins with, and its ``/``."""
    return key[: key.index("/") + 1]


class RemoteObjects:
    """Objects in whatever `obstore` speaks to; relies on its conditional put (``If-None-Match: *``)."""

    def __init__(self, store: obstore.store.ObjectStore) -> None:
        self._store = store

    async def create(self, key: str, body: bytes) -> bool:
        """Store ``body`` under a free key; see `ObjectStore`."""
        try:
            await obstore.put_async(self._store, key, body, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        except _TROUBLE as error:
            raise ObjectStoreError(f"the object store did not take {key}: {error!r}") from error
        if await self.read(key) != body:
            raise ObjectStoreError(f"the object store gives back another {key} than it took")
        return True

    async def read(self, key: str) -> bytes | None:
        """Return an object; see `ObjectStore`."""
        try:
            answer = await obstore.get_async(self._store, key)
            return bytes(await answer.bytes_async())
        except FileNotFoundError:  # what obstore calls not-found
            return None
        except _TROUBLE as error:
            raise ObjectStoreError(f"the object store did not give {key}: {error!r}") from error

    async def list(self, prefix: str, after: str = "") -> Sequence[str]:
        """Return the keys of a folder; see `ObjectStore`."""
        try:
            found = await obstore.list(self._store, prefix, offset=after or None).collect_async()
        except _TROUBLE as error:
            raise ObjectStoreError(f"the object store did not list {prefix}: {error!r}") from error
        return sorted(str(item["path"]) for item in found)

    async def folders(self) -> Sequence[str]:
        """Return the first names of all keys; see `ObjectStore`."""
        try:
            found = await obstore.list_with_delimiter_async(self._store)
        except _TROUBLE as error:
            raise ObjectStoreError(f"the object store did not list its folders: {error!r}") from error
        return sorted(prefix.rstrip("/") for prefix in found["common_prefixes"])

    async def first_keys(self, begin: str, count: int) -> Sequence[str]:
        """Return the first key of each folder from one on; see `ObjectStore`."""
        found: list[str] = []
        try:
            while await _read_on(self._store, found, begin, count):
                begin = folder_of(found[-1]) + BEHIND
        except _TROUBLE as error:
            raise ObjectStoreError(
                f"the object store did not list folders from {begin} on: {error!r}"
            ) from error
        return found

    async def delete(self, key: str) -> None:
        """Take an object away; see `ObjectStore`."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return
        except _TROUBLE as error:
            raise ObjectStoreError(f"the object store did not delete {key}: {error!r}") from error

    async def delete_all(self, prefix: str) -> None:
        """Take a whole folder away; see `ObjectStore`."""
        for key in await self.list(prefix):
            await self.delete(key)


async def _read_on(store: obstore.store.ObjectStore, found: list[str], begin: str, count: int) -> bool:
    """Add first keys of folders; return whether the last of them is so large that it is to be passed over."""
    # An offset is exclusive, and loses a slash at its end.
    offset = begin[:-1] + _BEFORE_SLASH if begin.endswith("/") else begin
    async for page in obstore.list(store, offset=offset or None, chunk_size=_PAGE_KEYS):
        is_new = False
        for key in [str(item["path"]) for item in page]:
            if not found or folder_of(key) != folder_of(found[-1]):
                if len(found) >= count:
                    return False
                found.append(key)
                is_new = True
        if not is_new:
            return True
    return False
