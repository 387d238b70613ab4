"""Objects as the files of a folder: the default, for one machine.

Not `obstore`'s own local store, for two reasons, both tried: it never calls fsync, so that after a power cut
a key could stand for an empty file while Redis has trimmed what the file was to keep; and it cannot hold
names above 255 bytes, which an escaped document id reaches.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

from coedit.errors import ObjectStoreError

P = ParamSpec("P")
T = TypeVar("T")

_NAME_LENGTH = 200
"""A longer name becomes several nested folders; file systems stop at 255 bytes."""
_CONTINUED = "+"
"""Ends the name of a folder whose name goes on inside it; no key holds this character."""
_STAGED = ".staged-"
"""Begins the name of a file that is being written; no key holds a dot."""


class LocalFolder:
    """An `ObjectStore` in a local folder.

    A file is written and synced under another name and then linked to its own: the link is what makes it
    visible, is atomic, and fails where the name is taken. Then the folder is synced, for the link to last.
    """

    def __init__(self, folder: str) -> None:
        self._root = Path(folder)
        self._root.mkdir(parents=True, exist_ok=True)

    async def create(self, key: str, body: bytes) -> bool:
        """Store ``body`` under a free key; see `ObjectStore`."""
        return await asyncio.to_thread(_reporting, self._create_file, key, body)

    async def read(self, key: str) -> bytes | None:
        """Return an object; see `ObjectStore`."""
        return await asyncio.to_thread(_reporting, self._read_file, key)

    async def list(self, prefix: str, after: str = "") -> Sequence[str]:
        """Return the keys of a folder; see `ObjectStore`."""
        return await asyncio.to_thread(_reporting, self._keys, prefix, after)

    async def folders(self) -> Sequence[str]:
        """Return the first names of all keys; see `ObjectStore`."""
        return await asyncio.to_thread(_reporting, lambda: sorted(_folders(self._root)))

    async def delete(self, key: str) -> None:
        """Take an object away; see `ObjectStore`."""
        await asyncio.to_thread(_reporting, self._path(key).unlink, missing_ok=True)

    def _create_file(self, key: str, body: bytes) -> bool:
        path = self._path(key)
        if path.exists():
            return False
        self._make_folder(path.parent)
        staged, name = tempfile.mkstemp(prefix=_STAGED, dir=path.parent)
        try:
            with os.fdopen(staged, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            os.link(name, path)
        except FileExistsError:
            return False
        finally:
            Path(name).unlink()
        _sync_folder(path.parent)
        if path.read_bytes() != body:
            raise ObjectStoreError(f"the folder gives back another {key} than it took")
        return True

    def _read_file(self, key: str) -> bytes | None:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            self._refuse_missing()
            return None

    def _keys(self, prefix: str, after: str) -> Sequence[str]:
        self._refuse_missing()
        folder = self._path(prefix.removesuffix("/"))
        keys = (prefix + name for name in _names(folder))
        return sorted(key for key in keys if key > after)

    def _refuse_missing(self) -> None:
        """A folder that is away, such as a disk that is not mounted, is not an empty one."""
        if not self._root.is_dir():
            raise FileNotFoundError(f"there is no folder {self._root}")

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*(piece for name in key.split("/") for piece in _pieces(name)))

    def _make_folder(self, folder: Path) -> None:
        """Make ``folder`` and sync every folder that got a new name in it."""
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _pieces(name: str) -> Iterator[str]:
    while len(name) > _NAME_LENGTH:
        yield name[:_NAME_LENGTH] + _CONTINUED
        name = name[_NAME_LENGTH:]
    yield name


def _names(folder: Path) -> Iterator[str]:
    """Yield the names of the objects below ``folder``, with the folders in between, in no order."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir():
            joint = (
                entry.name.removesuffix(_CONTINUED) if entry.name.endswith(_CONTINUED) else f"{entry.name}/"
            )
            yield from (joint + name for name in _names(Path(entry.path)))
        elif not entry.name.startswith(_STAGED):
            yield entry.name


def _folders(folder: Path) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_dir() and entry.name.endswith(_CONTINUED):
            joint = entry.name.removesuffix(_CONTINUED)
            yield from (joint + name for name in _folders(Path(entry.path)))
        elif entry.is_dir():
            yield entry.name


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reporting(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return work(*args, **kwargs)
    except OSError as error:
        raise ObjectStoreError(f"the folder of objects failed: {error!r}") from error
