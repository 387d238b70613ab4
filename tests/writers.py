"""Random writers whose every inserted character is the only one of its kind, so that each can be accounted for."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from coedit.client import Document
from coedit.ot import Delete, Delta, Insert
from coedit.ot.parts.utf16 import from_units

# CJK, then CJK outside the BMP (two code units each), emoji, private use: enough for any test.
_IDENTITIES = [
    *range(0x4E00, 0x9FA0),
    *range(0x20000, 0x2A6D0),
    *range(0x1F300, 0x1F5FF),
    *range(0xF0000, 0xFFFFE),
    *range(0x100000, 0x10FFFE),
]
_LONG_UNITS = 1500
"""A longer document is cut down in larger pieces, so that it stays about that long."""


class Made(NamedTuple):
    """What an edit does to the characters of a document."""

    inserted: str = ""
    deleted: str = ""
    restored: str = ""
    """Characters that an undo brings back, which somebody else's undo may bring back once more."""


Note = Callable[[Made], None]


class Ledger:
    """Which characters were inserted, and which were covered by a delete."""

    def __init__(self, seed: int) -> None:
        shuffled = list(_IDENTITIES)
        random.Random(seed).shuffle(shuffled)
        self._fresh: Iterator[str] = map(chr, itertools.chain(shuffled))
        self.inserted: set[str] = set()
        self.deleted: set[str] = set()

    def take(self, count: int) -> str:
        """Return characters that were never used."""
        text = "".join(itertools.islice(self._fresh, count))
        assert len(text) == count, "the test needs more characters than there are"
        self.inserted |= set(text)
        return text

    def check(self, text: str) -> None:
        """Check that every character is there exactly once, unless it was deleted."""
        counts = Counter(character for character in text if character in self.inserted)
        repeated = [character for character, count in counts.items() if count > 1]
        lost = self.inserted - self.deleted - counts.keys()
        returned = self.deleted & counts.keys()
        assert (repeated, lost, returned) == ([], set(), set())


class Writer:
    """One author who edits a document at random; ``ledger`` is the document's, ``note`` is told of every edit."""

    def __init__(
        self, document: Document, ledger: Ledger, rng: random.Random, note: Note = lambda _: None
    ) -> None:
        self.document = document
        self.ledger = ledger
        self._rng = rng
        self._note = note
        self.edits = 0

    async def step(self, *, undoes: bool = False) -> None:
        """Make one edit: mostly an insert, sometimes a delete, formatting, an embed, or, if wanted, an undo."""
        kinds = ["insert", "delete", "format", "embed", "undo"]
        kind = self._rng.choices(kinds, [6, 2, 1, 1, 1 if undoes else 0])[0]
        is_long = self.document.content.document_length > _LONG_UNITS
        start, end = self._range(3 if not is_long else 20)
        if kind == "delete" and end > start:
            self._made(Made(deleted=_between(self.document.content, start, end)))
            await self.document.delete(start, end - start)
        elif kind == "format" and end > start:
            await self.document.format(start, end - start, self._rng.choice(_FORMATS))
        elif kind == "embed":
            await self.document.insert(start, {"image": f"https://example.org/{self.edits}.png"})
        elif kind == "undo":
            await self._undo()
        else:
            await self.insert()
        self.edits += 1

    async def insert(self) -> None:
        """Insert one to three characters somewhere."""
        start, _ = self._range(0)
        attributes = self._rng.choice([None, None, {"bold": True}, {"size": 2}])
        text = self.ledger.take(self._rng.randint(1, 3))
        self._made(Made(inserted=text))
        await self.document.insert(start, text, attributes)

    async def _undo(self) -> None:
        before = self.document.content
        step = self.document.redo if self._rng.random() < 0.2 else self.document.undo
        delta = await step()
        if delta is not None:
            self._made(_effect(before, delta))

    def _made(self, made: Made) -> None:
        self.ledger.deleted |= set(made.deleted)
        self._note(made)

    def _range(self, length: int) -> tuple[int, int]:
        """Return a range of the document that cuts no surrogate pair."""
        content = self.document.content
        start = self._rng.randint(0, content.document_length)
        end = min(content.document_length, start + self._rng.randint(0, length) if length else start)
        return _off_pairs(content, start), _off_pairs(content, end)


_FORMATS: list[dict[str, Any]] = [
    {"bold": True},
    {"bold": None},
    {"size": 2, "italic": True},
    {"italic": None},
]


def _off_pairs(content: Delta, position: int) -> int:
    at = 0
    for op in content.ops:
        assert isinstance(op, Insert)
        size = len(op.content) if isinstance(op.content, str) else 1
        if isinstance(op.content, str) and at < position < at + size:
            is_low = "\udc00" <= op.content[position - at] <= "\udfff"
            return position - 1 if is_low else position
        at += size
    return position


def _between(content: Delta, start: int, end: int) -> str:
    units = []
    for op in content.ops:
        assert isinstance(op, Insert)
        units.append(op.content if isinstance(op.content, str) else "\ufffc")
    return from_units("".join(units)[start:end])


def _effect(before: Delta, delta: Delta) -> Made:
    """Return what an undo's ``delta`` does to the characters of ``before``."""
    at, deleted, restored = 0, "", ""
    for op in delta.ops:
        if isinstance(op, Insert):
            restored += from_units(op.content) if isinstance(op.content, str) else ""
            continue
        if isinstance(op, Delete):
            deleted += _between(before, at, at + op.length)
        at += op.length
    return Made(deleted=deleted, restored=restored)


async def settle_all(documents: list[Document], seconds: float = 30) -> None:
    """Wait until everything is acknowledged and everybody has everything."""
    try:
        async with asyncio.timeout(seconds):
            for document in documents:
                await document.settle()
            for document in documents:
                others = [
                    other for other in documents if other.state.document_id == document.state.document_id
                ]
                newest = max(other.revision for other in others)
                await document.until(lambda document=document, newest=newest: document.revision >= newest)  # type: ignore[misc]
    except TimeoutError:
        stuck = [(d.state.document_id, d.revision, d.saved, d.state.is_open) for d in documents]
        raise AssertionError(f"not settled within {seconds} s: {stuck}") from None
