"""A place in a document counted in bytes of UTF-8, as pycrdt counts; an embed is one byte."""

from collections.abc import Iterator, Sequence

from coedit.ot.parts.attributes import Attributes
from coedit.ot.parts.ops import Insert, Op
from coedit.ot.parts.utf16 import from_units, unit_length, utf8_length

_RUNS_AT_ONCE = 64


def size_bytes(ops: Sequence[Op]) -> int:
    """Return how many bytes runs are together."""
    return utf8_length(_letters(ops))


class ByteCursor:
    """Passes over a document from its beginning; how far is said in bytes, how far that is in units."""

    def __init__(self, ops: Sequence[Op]) -> None:
        self._ops = ops
        self._index = 0
        self._begun = b""
        """The run in which the place is, if it is inside one: encoded once, however often it is cut."""
        self._offset = 0
        self._attributes: Attributes | None = None

    def skip(self, size: int) -> int:
        """Pass over the next ``size`` bytes; return how many units they are."""
        units = 0
        if self._begun:
            begun_size = min(size, len(self._begun) - self._offset)
            units = self._take_begun(begun_size)
            size -= begun_size
        # Many runs at once: to count each by itself is most of what a small change of a text of many runs costs.
        while not self._begun and (runs := self._ops[self._index : self._index + _RUNS_AT_ONCE]):
            letters = _letters(runs)
            passed = utf8_length(letters)
            if passed > size:
                break
            self._index += len(runs)
            units += len(letters)
            size -= passed
        return units + sum([part for part, _ in self.take(size)])

    def take(self, size: int) -> Iterator[tuple[int, Attributes | None]]:
        """Pass over the next ``size`` bytes; yield of each run in them how many units it has there, and its format."""
        while size > 0:
            if not self._begun:
                run = self._ops[self._index]
                self._index += 1
                self._begun = from_units(_letters((run,))).encode("utf-8")
                self._offset = 0
                self._attributes = run.attributes if type(run) is Insert else None
            attributes = self._attributes
            part = min(size, len(self._begun) - self._offset)
            size -= part
            yield self._take_begun(part), attributes

    def _take_begun(self, size: int) -> int:
        start, self._offset = self._offset, self._offset + size
        part = self._begun[start : self._offset]
        if self._offset == len(self._begun):
            self._begun = b""
        return unit_length(part.decode("utf-8"))


def _letters(ops: Sequence[Op]) -> str:
    """Return the text of runs in units, with one letter of ASCII for each embed."""
    return "".join([op.content if type(op) is Insert and isinstance(op.content, str) else "x" for op in ops])
