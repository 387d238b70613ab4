"""What was deleted of a document, so kept that what of it concerns somebody is told without going through all of it."""

from array import array
from bisect import bisect_left
from collections.abc import Mapping

from coedit.errors import InvalidUpdateError
from coedit.protocol.yjs.lib0 import Reader, write_uint


class _Ranges:
    """The deleted ranges of one client, in the order of clocks, as they stand in an update one behind the other."""

    def __init__(self) -> None:
        self.first = array("Q")
        self.end = array("Q")
        self._starts = array("Q")
        self._data = b""

    @classmethod
    def read(cls, reader: Reader) -> "_Ranges":
        """Read them, up to the last."""
        ranges = cls()
        reached = 0
        for _ in range(reader.uint()):
            ranges._starts.append(reader.position)
            first, length = reader.uint(), reader.uint()
            if first < reached:
                raise InvalidUpdateError("deleted ranges are not in the order of clocks")
            reached = first + length
            ranges.first.append(first)
            ranges.end.append(reached)
        ranges._data = reader.data
        ranges._starts.append(reader.position)
        return ranges

    def below(self, clock: int) -> bytes:
        """Return those that begin below ``clock``, and reach up to there, as an update has them; nothing if none do."""
        count = bisect_left(self.first, clock)
        if count == 0:
            return b""
        whole = count if self.end[count - 1] <= clock else count - 1
        cut = b""
        if whole < count:
            first = self.first[whole]
            cut = write_uint(first) + write_uint(clock - first)
        return write_uint(count) + self._data[self._starts[0] : self._starts[whole]] + cut


class Deleted:
    """All that was ever deleted of a document.

    Raises:
        InvalidUpdateError: ``data`` is no update without items, with each client's ranges in order and once.
    """

    def __init__(self, data: bytes) -> None:
        reader = Reader(data)
        if reader.uint():
            raise InvalidUpdateError("an update of what was deleted has no items")
        self._of: dict[int, _Ranges] = {}
        for _ in range(reader.uint()):
            client = reader.uint()
            if client in self._of:
                raise InvalidUpdateError("a client's deleted ranges stand in one place")
            self._of[client] = _Ranges.read(reader)

    def within(self, known: Mapping[int, int]) -> bytes | None:
        """Return the update that deletes what was deleted of the items that somebody knows; None: none of them.

        It is applied before what somebody lacks by who may still have characters that others have seen cut, and put
        right: an update is applied items first.
        """
        parts: list[bytes] = []
        for client, ranges in self._of.items():
            if below := ranges.below(known.get(client, 0)):
                parts += (write_uint(client), below)
        return b"".join((b"\x00", write_uint(len(parts) // 2), *parts)) if parts else None
