"""The tag of the image that this folder makes: the version, and what is in it. Needs nothing but Python.

The same files have the same tag, in any clone; what is changed has another one, so that an image is never overwritten
and there is a way back.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

_NOT_COPIED = {"node_modules", "dist", "__pycache__"}
"""As in .dockerignore."""


def image_tag(root: Path) -> str:
    """Return the tag of the image that is built from ``root``: ``0.1.0-3f2a91c04b7d``."""
    digest = sha256()
    for path in sorted(_files(root), key=lambda file: file.relative_to(root).as_posix()):
        content = path.read_bytes()
        head = f"{path.relative_to(root).as_posix()}\0{path.stat().st_mode & 0o111:o}\0{len(content)}\0"
        digest.update(head.encode())
        digest.update(content)
    return f"{_version(root)}-{digest.hexdigest()[:12]}"


def _files(root: Path) -> Iterator[Path]:
    """Yield what the Dockerfile may copy, and itself."""
    allowed = [line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in ("Dockerfile", ".dockerignore", *allowed):
        path = root / name
        if path.is_file():
            yield path
        for file in path.rglob("*") if path.is_dir() else ():
            if file.is_file() and not _NOT_COPIED.intersection(file.relative_to(root).parts):
                yield file


def _version(root: Path) -> str:
    found = re.search(r'^version = "([^"]+)"$', (root / "pyproject.toml").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError("pyproject.toml names no version")
    return found[1]
