"""All items of a shared text in their order: also what was deleted, and the formatting marks.

pycrdt does not show its items, so they are read from the document's own update; their order is asked of yrs, too, by a
second document in which every item can be seen and says which one it is. So whatever rule puts items in order, there is
one who knows it. The work is in proportion to the items.
"""

from bisect import bisect_right
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

import orjson
from pycrdt import Doc, Text

from coedit.errors import DamagedError, InvalidUpdateError
from coedit.ot.parts.utf16 import unit_length
from coedit.ot.parts.values import JsonValue, canonical
from coedit.protocol.yjs.lib0 import Reader, write_text
from coedit.protocol.yjs.update import COLLECTED, DELETED, EMBED, FORMAT, STRING, Id

_INDEX_BITS = 14
_FIRST_HIGH, _FIRST_LOW = 0x100, 0x4200
"""Letters that say which item it is: none is a surrogate, whatever their 14 bits are."""
_NOTHING_DELETED = b"\x00"
_KIND = 0x1F
_HAS_ORIGIN, _HAS_RIGHT_ORIGIN, _HAS_KEY = 0x80, 0x40, 0x20


class Kind(Enum):
    """What an item is to a text."""

    SHOWN = "shown"
    MARK = "mark"
    GONE = "gone"


class Item(NamedTuple):
    """The units from ``clock`` on that ``client`` made and that stand together; of a mark what it says."""

    client: int
    clock: int
    length: int
    kind: Kind
    key: str = ""
    value: JsonValue = None
    left: Id | None = None
    """Behind which item its first unit was written."""


def items_in_order(update: bytes, root: str) -> list[Item]:
    """Return the items of the shared text ``root``, which is all that the document of this full update has.

    Raises:
        InvalidUpdateError: the update is none, or of a document that is not one of text.
        DamagedError: items come between others than in the document of which this is the update.
    """
    items, shadow = _Items(update).read()
    doc: Doc[Any] = Doc()
    text = doc.get(root, type=Text)
    doc.apply_update(shadow)
    try:
        order = list(_indexes(text, items))
    except IndexError:
        order = []
    if sorted(order) != list(range(len(items))):
        raise DamagedError("a Yjs document loads in another order", "fold")
    return [items[index] for index in order]


def _indexes(text: Text, items: list[Item]) -> Iterator[int]:
    for content, _ in text.diff():
        if not isinstance(content, str):
            yield int(content)
            continue
        place = 0
        while place < len(content):
            high, low = ord(content[place]) - _FIRST_HIGH, ord(content[place + 1]) - _FIRST_LOW
            index = high << _INDEX_BITS | low
            yield index
            place += items[index].length


class _Items:
    """Reads an update, and writes its double, in which each item shows which one it is."""

    def __init__(self, update: bytes) -> None:
        self._update = update
        self._reader = Reader(update)
        self._items: list[Item] = []
        self._parts: list[bytes] = []
        self._copied = 0
        """Up to where the update stands in the double."""

    def read(self) -> tuple[list[Item], bytes]:
        """Return the items in the order of the update, and the double."""
        reader = self._reader
        for _ in range(reader.uint()):
            count, client, clock = reader.uint(), reader.uint(), reader.uint()
            for _ in range(count):
                clock += self._read_struct(client, clock)
        self._parts += (self._update[self._copied : reader.position], _NOTHING_DELETED)
        is_deleted = _Deleted(reader).holds
        items = [
            item._replace(kind=Kind.GONE) if is_deleted(item.client, item.clock) else item
            for item in self._items
        ]
        return items, b"".join(self._parts)

    def _read_struct(self, client: int, clock: int) -> int:
        """Read one struct; return its length."""
        reader, start = self._reader, self._reader.position
        info = reader.byte()
        if info == COLLECTED:
            return reader.uint()
        left = Id(reader.uint(), reader.uint()) if info & _HAS_ORIGIN else None
        if info & _HAS_RIGHT_ORIGIN:
            reader.uint(), reader.uint()
        if not info & (_HAS_ORIGIN | _HAS_RIGHT_ORIGIN):
            if info & _HAS_KEY or reader.uint() != 1:
                raise InvalidUpdateError("an item belongs to no shared text at the top")
            reader.skip_bytes()
        content_start = reader.position
        item = self._read_content(info & _KIND, client, clock)
        double_kind, content = _seen(len(self._items), item.length)
        self._parts += (
            self._update[self._copied : start],
            bytes((info & ~_KIND | double_kind,)),
            self._update[start + 1 : content_start],
            content,
        )
        self._copied = reader.position
        self._items.append(item._replace(left=left) if left is not None else item)
        return item.length

    def _read_content(self, kind: int, client: int, clock: int) -> Item:
        reader = self._reader
        if kind == STRING:
            return Item(client, clock, unit_length(reader.text()), Kind.SHOWN)
        if kind == DELETED:
            return Item(client, clock, reader.uint(), Kind.GONE)
        if kind == EMBED:
            reader.skip_bytes()
            return Item(client, clock, 1, Kind.SHOWN)
        if kind == FORMAT:
            return Item(client, clock, 1, Kind.MARK, reader.text(), canonical(orjson.loads(reader.bytes())))
        raise InvalidUpdateError(f"a text has no content of kind {kind}")


class _Deleted:
    """What a delete set, which is read here, takes away."""

    def __init__(self, reader: Reader) -> None:
        self._starts: dict[int, list[int]] = {}
        self._ends: dict[int, list[int]] = {}
        for _ in range(reader.uint()):
            client = reader.uint()
            ranges = sorted((reader.uint(), reader.uint()) for _ in range(reader.uint()))
            self._starts[client] = [clock for clock, _ in ranges]
            self._ends[client] = [clock + length for clock, length in ranges]

    def holds(self, client: int, clock: int) -> bool:
        """Tell whether an item is deleted."""
        index = bisect_right(self._starts.get(client, ()), clock) - 1
        return index >= 0 and clock < self._ends[client][index]


def _seen(index: int, length: int) -> tuple[int, bytes]:
    """Return the kind and the content of an item in the double: as long as it is, and it says ``index``."""
    if length == 1:
        return EMBED, write_text(str(index))
    high, low = chr(_FIRST_HIGH + (index >> _INDEX_BITS)), chr(_FIRST_LOW + (index & (1 << _INDEX_BITS) - 1))
    return STRING, write_text(high + low + "x" * (length - 2))
