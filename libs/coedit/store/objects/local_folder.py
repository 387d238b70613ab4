"""Objects as the files of a folder: the default, for one machine.

Not `obstore`'s own local store, for two reasons, both tried: it never calls fsync, so that after a power cut
a key could stand for an empty file while Redis has trimmed what the file was to keep; and it cannot hold
names above 255 bytes, which an escaped document id reaches.
"""

import asyncio
import os
import shutil
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeVar

from coedit.errors import ObjectStoreError

P = ParamSpec("P")
T = TypeVar("T")

_NAME_LENGTH = 200
"""A longer name becomes several nested folders; file systems stop at 255 bytes."""
_CONTINUED = "+"
"""Ends the name of a folder whose name goes on inside it; no key holds this character."""
_SETTLED_NS = 2_000_000_000
"""A change that long ago is told apart from the next one, by any file system's clock."""
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
        self._sorted = _SortedFolders(self._root)

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

    async def first_keys(self, begin: str, count: int) -> Sequence[str]:
        """Return the first key of each folder from one on; see `ObjectStore`.

        A file system has no order: the names of all folders are read once after each change of their number, and kept.
        """
        return await asyncio.to_thread(_reporting, self._first_keys, begin, count)

    async def delete(self, key: str) -> None:
        """Take an object away; see `ObjectStore`."""
        await asyncio.to_thread(_reporting, self._path(key).unlink, missing_ok=True)

    async def delete_all(self, prefix: str) -> None:
        """Take a whole folder away, with what killed processes left in it; see `ObjectStore`."""
        await asyncio.to_thread(_reporting, self._delete_folder, self._path(prefix.removesuffix("/")))

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

    def _first_keys(self, begin: str, count: int) -> Sequence[str]:
        found: list[str] = []
        for folder in self._sorted.beginning(begin):
            if len(found) >= count:
                break
            names = _names(self._path(folder.removesuffix("/")))
            if (first := min(names, default=None)) is not None:
                found.append(folder + first)
        return found

    def _delete_folder(self, folder: Path) -> None:
        self._refuse_missing()
        if folder.is_dir():
            shutil.rmtree(folder)
            _sync_folder(folder.parent)

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


class _SortedFolders:
    """The names of the folders in a folder, each with its ``/``, in order; about 100 bytes a name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: list[str] = []
        self._changed_ns = 0
        """When the folder was changed last, as it was read; 0: it has to be read."""

    def beginning(self, begin: str) -> Iterator[str]:
        """Yield those that do not sort before ``begin``."""
        names = self._current()
        return islice(names, bisect_left(names, begin), None)

    def _current(self) -> list[str]:
        changed_ns = self._root.stat().st_mtime_ns
        if changed_ns != self._changed_ns:
            entries = [entry for entry in os.scandir(self._root) if entry.is_dir()]
            is_nested = any(entry.name.endswith(_CONTINUED) for entry in entries)
            self._names = sorted(f"{name}/" for name in _folders(self._root))
            # What changes within the same moment as it is told would not show, nor what does in a nested folder.
            is_settled = time.time_ns() - changed_ns > _SETTLED_NS and not is_nested
            self._changed_ns = changed_ns if is_settled else 0
        return self._names


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
