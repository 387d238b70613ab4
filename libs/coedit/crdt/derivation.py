"""The Yjs update that a delta is, written in one walk over the items of a text.

pycrdt finds every place from the beginning of the text, so that a delta of many ops costs their number times the
number of items. Here it costs their sum. What is written is what an editor with Yjs would write: text beside its
neighbours, and a formatting mark wherever the format of what is shown changes; a mark that came to say nothing is
deleted. It depends on the items and the delta alone, so that whoever derives it makes the same.
"""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from coedit.crdt.sequence import Item, Kind
from coedit.errors import LengthMismatchError
from coedit.ot.parts.attributes import Attributes, compose_attributes
from coedit.ot.parts.ops import Delete, Embed, Insert, Op
from coedit.ot.parts.utf16 import from_units
from coedit.ot.parts.values import JsonValue, same
from coedit.protocol.yjs.delete_set import write_delete_set
from coedit.protocol.yjs.lib0 import write_bytes, write_text, write_uint
from coedit.protocol.yjs.update import EMBED, FORMAT, STRING, Block, Id

_HAS_ORIGIN, _HAS_RIGHT_ORIGIN = 0x80, 0x40


def derived_update(items: Sequence[Item], ops: Sequence[Op], root: str, first: Id) -> bytes:
    """Return the update that ``ops``, in normal form, are to the text ``root`` with these ``items``.

    ``first`` is the id of the first item that it makes.

    Raises:
        LengthMismatchError: the ops reach beyond the end of the text.
    """
    derivation = _Derivation(items, root, first)
    for op in ops:
        derivation.add(op)
    return derivation.finish()


class _Mark(NamedTuple):
    """A formatting mark that was passed, and of which it is not decided yet whether it stays."""

    at: Id
    key: str
    value: JsonValue


class _Derivation:
    """A place in a text, between its items or inside one, and the update up to there."""

    def __init__(self, items: Sequence[Item], root: str, first: Id) -> None:
        self._items = items
        self._index = 0
        self._offset = 0
        self._left: Id | None = None
        self._old: Attributes = {}
        """The format at the place as it was."""
        self._new: Attributes = {}
        """The format at the place as it is after the update, up to the last item that is shown."""
        self._passed: list[_Mark] = []
        self._is_touched = False
        """Whether something was inserted or deleted since the last item that is shown and stays."""
        self._next_mark = -1
        self._writer = _UpdateWriter(root, first)

    def add(self, op: Op) -> None:
        """Do one op."""
        if type(op) is Insert:
            self._insert(op)
        elif type(op) is Delete:
            self._delete(op.length)
        else:
            self._retain(op.length, op.attributes)

    def finish(self) -> bytes:
        """Return the update; what follows keeps its format."""
        if self._is_touched or not same(self._new, self._old):
            self._pass_hidden(decides=True)
            self._settle(self._old)
        return self._writer.finish()

    def _insert(self, op: Insert) -> None:
        wanted = op.attributes or {}
        self._pass_useful_marks(wanted)
        self._write_marks(wanted)
        self._left = self._writer.insert(op.content, self._left, self._right())
        self._is_touched = True

    def _delete(self, length: int) -> None:
        self._is_touched = True
        while length:
            self._pass_hidden(decides=True)
            item, start = self._here(), self._offset
            taken = self._step(length)
            self._writer.delete(Id(item.client, item.clock + start), taken)
            length -= taken

    def _retain(self, length: int, attributes: Attributes | None) -> None:
        decides = attributes is not None or self._is_touched or not same(self._new, self._old)
        while length:
            self._pass_hidden(decides=decides)
            if decides:
                self._settle(compose_attributes(self._old, attributes, keep_null=False) or {})
                self._is_touched = False
                decides = attributes is not None
            length -= self._step(length)

    def _step(self, most: int) -> int:
        """Go on in an item that is shown, by at most so many units; return by how many."""
        item = self._here()
        taken = min(most, item.length - self._offset)
        self._offset += taken
        self._left = Id(item.client, item.clock + self._offset - 1)
        if self._offset == item.length:
            self._index += 1
            self._offset = 0
        return taken

    def _here(self) -> Item:
        if self._index == len(self._items):
            raise LengthMismatchError("the delta reaches beyond the end of the Yjs text")
        return self._items[self._index]

    def _pass_hidden(self, *, decides: bool) -> None:
        """Go on to the next item that is shown; ``decides``: which of the marks on the way stay is decided there."""
        if self._offset:
            return
        while self._index < len(self._items):
            item = self._items[self._index]
            if item.kind is Kind.SHOWN:
                return
            if item.kind is Kind.MARK:
                _set(self._old, item.key, item.value)
                if decides:
                    self._passed.append(_Mark(Id(item.client, item.clock), item.key, item.value))
                else:
                    _set(self._new, item.key, item.value)
            self._go_behind(item)

    def _go_behind(self, item: Item) -> None:
        self._left = Id(item.client, item.clock + item.length - 1)
        self._index += 1

    def _settle(self, wanted: Attributes) -> None:
        """Have what comes next formatted as ``wanted``: keep of the marks passed what serves."""
        for mark in reversed(self._passed):
            value = wanted.get(mark.key)
            if not same(self._new.get(mark.key), value) and same(mark.value, value):
                _set(self._new, mark.key, value)
            else:
                self._writer.delete(mark.at, 1)
        self._passed.clear()
        self._write_marks(wanted)

    def _write_marks(self, wanted: Attributes) -> None:
        if same(self._new, wanted):
            return
        for key in sorted(self._new.keys() | wanted.keys()):
            value = wanted.get(key)
            if not same(self._new.get(key), value):
                self._left = self._writer.mark(key, value, self._left, self._right())
        self._new = dict(wanted)

    def _pass_useful_marks(self, wanted: Attributes) -> None:
        """Go on behind the marks right here that make the format what is wanted, instead of writing the same again."""
        while not self._offset and not same(self._new, wanted):
            mark = self._next_mark_here()
            if mark is None:
                return
            value = wanted.get(mark.key)
            if same(self._new.get(mark.key), value) or not same(mark.value, value):
                return
            while self._index <= self._next_mark:
                self._go_behind(self._items[self._index])
            _set(self._old, mark.key, mark.value)
            _set(self._new, mark.key, mark.value)

    def _next_mark_here(self) -> Item | None:
        """Return the next mark, if nothing that is shown stands before it; looked for once for each place."""
        if self._next_mark < self._index:
            self._next_mark = self._index
            while self._next_mark < len(self._items) and self._items[self._next_mark].kind is Kind.GONE:
                self._next_mark += 1
        if self._next_mark == len(self._items):
            return None
        item = self._items[self._next_mark]
        return item if item.kind is Kind.MARK else None

    def _right(self) -> Id | None:
        if self._index == len(self._items):
            return None
        item = self._items[self._index]
        return Id(item.client, item.clock + self._offset)


class _UpdateWriter:
    """Writes items of one client, each beside the items that it is put between, and what is deleted."""

    def __init__(self, root: str, first: Id) -> None:
        self._parent = b"\x01" + write_text(root)
        self._first = first
        self._clock = first.clock
        self._structs: list[bytes] = []
        self._deleted: list[Block] = []

    def insert(self, content: str | Embed, left: Id | None, right: Id | None) -> Id:
        """Write text or an embed; return the id of its end."""
        if isinstance(content, str):
            return self._write(STRING, write_text(from_units(content)), len(content), left, right)
        return self._write(EMBED, _json(content), 1, left, right)

    def mark(self, key: str, value: JsonValue, left: Id | None, right: Id | None) -> Id:
        """Write a formatting mark; return its id."""
        return self._write(FORMAT, write_text(key) + _json(value), 1, left, right)

    def delete(self, first: Id, length: int) -> None:
        """Delete ``length`` units from ``first`` on."""
        self._deleted.append(Block(first.client, first.clock, first.clock + length))

    def finish(self) -> bytes:
        """Return the update."""
        parts = [b"\x00"]
        if self._structs:
            parts = [b"\x01", *map(write_uint, (len(self._structs), *self._first)), *self._structs]
        parts.append(write_delete_set(self._deleted))
        return b"".join(parts)

    def _write(self, kind: int, content: bytes, length: int, left: Id | None, right: Id | None) -> Id:
        info, neighbours = kind, b""
        if left is not None:
            info |= _HAS_ORIGIN
            neighbours += write_uint(left.client) + write_uint(left.clock)
        if right is not None:
            info |= _HAS_RIGHT_ORIGIN
            neighbours += write_uint(right.client) + write_uint(right.clock)
        self._structs.append(bytes((info,)) + (neighbours or self._parent) + content)
        self._clock += length
        return Id(self._first.client, self._clock - 1)


def _set(attributes: Attributes, key: str, value: JsonValue) -> None:
    if value is None:
        attributes.pop(key, None)
    else:
        attributes[key] = value


def _json(value: JsonValue) -> bytes:
    return write_bytes(orjson.dumps(value))
