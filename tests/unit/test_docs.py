"""What the docs name is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imports import ROOT

_DOCS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "libs/**/*.md", "clients/js/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
"""But for what changed: that names what was."""
_ROOTS = (ROOT, ROOT / "docs", ROOT / "libs", ROOT / "libs/coedit", ROOT / "clients/js")
_FILE = re.compile(r"(?<![\w/.:])[\w.-]+(?:/[\w.-]+)+\.(?:py|lua|sh|ts|mjs|md)\b")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("path", _DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_docs_name_are_there(path: Path) -> None:
    assert not [
        name for name in _named(path) if not any((root / name).exists() for root in (*_ROOTS, path.parent))
    ]


def _named(path: Path) -> Iterator[str]:
    text = path.read_text()
    yield from _FILE.findall(text)
    yield from _LINK.findall(text)
