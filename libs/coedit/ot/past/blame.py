"""Who wrote which part of a document.

The document is kept as runs, each of one commit, and without its text. They stand in blocks of bounded size, so that a
commit costs the square root of their number and not all of it: a long history is read once, from its beginning.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from coedit.errors import LengthMismatchError
from coedit.identifiers import AuthorId, Revision
from coedit.ot.commit import Metadata
from coedit.ot.delta import Delta
from coedit.ot.parts.cursor import target_length
from coedit.ot.parts.ops import Insert, Retain

_MAX_RUNS = 512
"""A block with more is cut in two."""


class Run(NamedTuple):
    """Units in a row that one commit inserted."""

    author: AuthorId
    revision: Revision
    length: int
    """UTF-16 code units; an embed is one."""
    metadata: Metadata = ()
    """What a program says of the commit."""

    def told(self) -> dict[str, Any]:
        """Return it as plain values; metadata only where there is some."""
        fields: dict[str, Any] = {"author": self.author, "revision": self.revision, "length": self.length}
        return fields | ({"metadata": dict(self.metadata)} if self.metadata else {})


class Blame:
    """The runs of a document that begins empty, after each commit that was taken in."""

    def __init__(self) -> None:
        self._blocks: list[list[Run]] = []
        self._lengths: list[int] = []
        """Units in each block."""

    def take(self, delta: Delta, author: AuthorId, revision: Revision, metadata: Metadata = ()) -> None:
        """Take in a commit. Formatting makes nobody the author of a text.

        Raises:
            LengthMismatchError: it reaches past the end of the document.
        """
        position = 0
        for op in delta.ops:
            if type(op) is Insert:
                length = target_length(op)
                self._insert(position, Run(author, revision, length, metadata))
                position += length
            elif type(op) is Retain:
                position += op.length
            else:
                self._delete(position, op.length)
        if position > sum(self._lengths):
            raise LengthMismatchError("a delta reaches past the end of the document")

    def runs(self) -> list[Run]:
        """Return the document's runs; neighbours are of two commits."""
        runs: list[Run] = []
        for run in self._all():
            if runs and runs[-1][:2] == run[:2]:
                runs[-1] = run._replace(length=runs[-1].length + run.length)
            else:
                runs.append(run)
        return runs

    def _all(self) -> Iterator[Run]:
        for block in self._blocks:
            yield from block

    def _insert(self, position: int, run: Run) -> None:
        if not self._blocks:
            self._blocks, self._lengths = [[]], [0]
        number, offset = self._find(position, is_end=True)
        block = self._blocks[number]
        index, inside = _place(block, offset)
        if inside:
            cut = block[index]
            left, right = cut._replace(length=inside), cut._replace(length=cut.length - inside)
            block[index : index + 1] = [left, run, right]
        elif index and block[index - 1][:2] == run[:2]:
            block[index - 1] = run._replace(length=block[index - 1].length + run.length)
        else:
            block.insert(index, run)
        self._lengths[number] += run.length
        if len(block) > _MAX_RUNS:
            self._cut(number)

    def _delete(self, position: int, length: int) -> None:
        while length:
            number, offset = self._find(position, is_end=False)
            taken = min(length, self._lengths[number] - offset)
            _take_out(self._blocks[number], offset, taken)
            self._lengths[number] -= taken
            length -= taken
            if not self._lengths[number]:
                del self._blocks[number], self._lengths[number]

    def _find(self, position: int, *, is_end: bool) -> tuple[int, int]:
        """Return the block of a position, and how far inside that is; ``is_end``: it may be a block's end."""
        left = position
        for number, length in enumerate(self._lengths):
            if left < length or (is_end and left == length):
                return number, left
            left -= length
        raise LengthMismatchError("a delta reaches past the end of the document")

    def _cut(self, number: int) -> None:
        block = self._blocks[number]
        half = len(block) // 2
        parts = [block[:half], block[half:]]
        self._blocks[number : number + 1] = parts
        self._lengths[number : number + 1] = [sum([run.length for run in part]) for part in parts]


def _place(block: list[Run], offset: int) -> tuple[int, int]:
    """Return the index of the run that an offset falls in or before, and how far inside of it that is."""
    for index, run in enumerate(block):
        if offset < run.length:
            return index, offset
        offset -= run.length
    return len(block), 0


def _take_out(block: list[Run], offset: int, length: int) -> None:
    index, inside = _place(block, offset)
    end, beyond = _place(block, offset + length)
    kept: list[Run] = []
    if inside:
        kept.append(block[index]._replace(length=inside))
    if beyond:
        kept.append(block[end]._replace(length=block[end].length - beyond))
        end += 1
    block[index:end] = kept
