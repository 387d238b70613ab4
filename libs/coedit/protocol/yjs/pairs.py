"""Which characters of a Yjs document are two items, the halves of a surrogate pair.

Yjs makes an item of each UTF-16 unit, and nothing in it keeps the two of one character together. What each
implementation makes of it when something comes between them is another text: U+FFFD twice in JavaScript, and in yrs
the whole character in front and one unit too many behind. So who applies an update asks here first.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from coedit.protocol.yjs.delete_set import by_client
from coedit.protocol.yjs.lib0 import Reader
from coedit.protocol.yjs.update import Block, Id, StringSpan, Update

_LOW = range(0xDC, 0xE0)
"""The high byte of the second half of a pair."""


@dataclass(slots=True)
class _Strings:
    """What one client wrote that has pairs in it, in the order of clocks: UTF-16, and its first clock."""

    first: list[int] = field(default_factory=list)
    text: list[bytes] = field(default_factory=list)

    def end(self, index: int) -> int:
        """Return where a string ends."""
        return self.first[index] + len(self.text[index]) // 2

    def put(self, first: int, text: bytes) -> None:
        """Add a string."""
        index = bisect_left(self.first, first)
        self.first.insert(index, first)
        self.text.insert(index, text)

    def character(self, clock: int) -> str | None:
        """Return the character of which the second half is at ``clock``."""
        index = bisect_right(self.first, clock) - 1
        if index < 0:
            return None
        text, at = self.text[index], 2 * (clock - self.first[index])
        if not 0 < at < len(text) or text[at + 1] not in _LOW:
            return None
        return text[at - 2 : at + 2].decode("utf-16-le")

    def remove(self, ranges: Sequence[Block]) -> None:
        """Forget what is in ``ranges``, which are in order and apart from each other."""
        begin = max(0, bisect_right(self.first, ranges[0].first) - 1)
        stop = bisect_left(self.first, ranges[-1].end)
        kept = list(self._without(ranges, begin, stop))
        self.first[begin:stop] = [at for at, _ in kept]
        self.text[begin:stop] = [text for _, text in kept]

    def _without(self, ranges: Sequence[Block], begin: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Yield what ``ranges`` leave of the strings from ``begin`` up to ``stop``."""
        number = 0
        for index in range(begin, stop):
            at, text, end = self.first[index], self.text[index], self.end(index)
            while number < len(ranges) and ranges[number].end <= at:
                number += 1
            place = at
            while number < len(ranges) and ranges[number].first < end:
                gone = ranges[number]
                if place < gone.first:
                    yield place, text[2 * (place - at) : 2 * (gone.first - at)]
                place = gone.end
                if place >= end:
                    break  # it may reach into the next string
                number += 1
            if place < end:
                yield place, text[2 * (place - at) :]


class Pairs:
    """The characters of two items that a document shows; empty at first."""

    def __init__(self) -> None:
        self._of: dict[int, _Strings] = {}

    def __bool__(self) -> bool:
        return any(strings.first for strings in self._of.values())

    def add(self, data: bytes, update: Update, known: Mapping[int, int]) -> None:
        """Take note of an update that was applied, and of what its ``data`` says; ``known``: what was there before.

        What an update deletes that cuts no character are whole ones.
        """
        self.write(data, update, known)
        self.remove(update.deleted)

    def write(self, data: bytes, update: Update, known: Mapping[int, int]) -> None:
        """Take note of the new strings of an update."""
        for span in update.strings:
            if span.has_pairs:
                self._write(data, span, known.get(span.at.client, 0))

    def remove(self, deleted: Iterable[Block]) -> None:
        """Take note that ranges are deleted."""
        for client, ranges in by_client(deleted).items():
            if client in self._of:
                self._of[client].remove(ranges)

    def character(self, item: Id) -> str | None:
        """Return the character of which ``item`` is the second half; None if it is none."""
        strings = self._of.get(item.client)
        return strings.character(item.clock) if strings is not None else None

    def _write(self, data: bytes, span: StringSpan, known: int) -> None:
        client, first = span.at
        new = max(first, known)
        if new < first + span.units:
            text = Reader(data, span.start).text().encode("utf-16-le")
            self._of.setdefault(client, _Strings()).put(new, text[2 * (new - first) :])
