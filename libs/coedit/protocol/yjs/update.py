"""What a Yjs update (version 1) holds: who made which items, what they rest on, and of what kind they are.

Nothing is applied here, and what is not needed for deciding about an update is passed over. The work is in
proportion to the size of the update, whatever it says.

Source: the npm package yjs, ``utils/encoding.js`` and ``structs/*.js``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from coedit.errors import InvalidUpdateError
from coedit.ot.parts.utf16 import unit_length
from coedit.protocol.yjs.any_value import skip_any
from coedit.protocol.yjs.lib0 import Reader, write_uint

COLLECTED, DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, DOCUMENT, SKIP = range(11)
"""The kinds of content."""

REPLACED = "\ufffd"
"""What stands in an update for half of a surrogate pair, which UTF-8 cannot say."""

_COPIED = {JSON, STRING, ANY}

_MAX_CLOCK = 2**32 - 1
"""yrs counts in 32 bits."""
_NAMED_TYPES = {3, 5}
"""XML elements and hooks, which carry a name."""
_LAST_TYPE = 6

_HAS_ORIGIN, _HAS_RIGHT_ORIGIN, _HAS_KEY = 0x80, 0x40, 0x20


class Id(NamedTuple):
    """One item: the ``clock``-th unit that ``client`` made."""

    client: int
    clock: int


class Block(NamedTuple):
    """What ``client`` made from clock ``first`` up to, not including, ``end``: no hole is in it."""

    client: int
    first: int
    end: int


class Dependency(NamedTuple):
    """The struct that begins at ``at`` needs the item ``on``."""

    at: Id
    on: Id


class Placed(NamedTuple):
    """Where the author of a struct put it: behind ``left``, before ``right``; None: at an end of its parent.

    Of its units the first is behind ``left``, each other one behind the one before it, and all are before ``right``.
    """

    at: Id
    end: int
    left: Id | None
    right: Id | None

    def left_of(self, clock: int) -> Id | None:
        """Return behind which item its unit at ``clock`` is."""
        return self.left if clock == self.at.clock else Id(self.at.client, clock - 1)


class Mark(NamedTuple):
    """A formatting mark: from here on ``key`` is ``value``; None ends it."""

    key: str
    value: Any


class StringSpan(NamedTuple):
    """Where in the update a string stands, its length included, and how many UTF-16 units it has."""

    start: int
    end: int
    units: int
    at: Id
    """Its first unit."""
    right: Id | None
    """Before which item it was written."""
    has_pairs: bool
    """Whether a character of it takes two units."""
    has_replaced: bool
    """Whether it holds U+FFFD, which is also what half of a pair is written as."""


@dataclass(frozen=True, slots=True)
class Update:
    """What one update says, in the order in which it says it."""

    blocks: tuple[Block, ...]
    dependencies: tuple[Dependency, ...]
    deleted: tuple[Block, ...]
    """The ranges that it deletes; of whoever made them."""
    roots: frozenset[str]
    """The shared types at the top that it names; an item that has a neighbour names none."""
    kinds: frozenset[int]
    is_nested: bool
    """Whether something in it belongs to another type than one at the top, or is a named member of one."""
    embeds: tuple[Any, ...]
    marks: tuple[Mark, ...]
    strings: tuple[StringSpan, ...]
    placed: tuple[Placed, ...]
    """Its structs that have a place among others; those of each client in the order of clocks."""
    runs: tuple[Block, ...]
    """The structs of more than one unit that are copied when they are split."""
    deletes_at: int
    """Where in the update begins what it deletes."""

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return not self.blocks and not self.deleted

    @property
    def cuts(self) -> Iterator[Id]:
        """Before which items one has to begin, so that an item of the update finds its place beside it."""
        for _, _, left, right in self.placed:
            if left is not None:
                yield Id(left.client, left.clock + 1)
            if right is not None:
                yield right


def decode_update(data: bytes) -> Update:
    """Return what an update holds.

    Raises:
        InvalidUpdateError: it is none, or no Yjs client would write it.
    """
    return _Decoder(data).decode()


def first_placed(data: bytes) -> Placed | None:
    """Return where the first struct of an update was put, whatever follows; None: it is none that has a place.

    Raises:
        InvalidUpdateError: ``data`` begins as no update does.
    """
    reader = Reader(data)
    if not reader.uint() or not reader.uint():
        return None
    decoder = _Decoder(data)
    decoder.read_struct(reader, Id(reader.uint(), reader.uint()))
    return decoder.placed[0] if decoder.placed else None


def parts_of(data: bytes, most: int) -> int:
    """Return of how many structs and deleted ranges an update is made; more than ``most`` as soon as that is known.

    Lists of values count as too many, for each value of one is a part. The work is in proportion to ``most``.

    Raises:
        InvalidUpdateError: ``data`` is no update.
    """
    reader, decoder, count = Reader(data), _Decoder(data), 0
    for _ in range(reader.uint()):
        structs, client, clock = reader.uint(), reader.uint(), reader.uint()
        count += structs + 1
        if count > most:
            return count
        for _ in range(structs):
            if not reader.is_at_end and data[reader.position] & 0x1F in (JSON, ANY):
                return most + 1
            clock += decoder.read_struct(reader, Id(client, clock))[1]
    for _ in range(reader.uint()):
        _, ranges = reader.uint(), reader.uint()
        count += ranges + 1
        if count > most:
            return count
        for _ in range(2 * ranges):
            reader.uint()
    return count


def decode_state_vector(data: bytes) -> dict[int, int]:
    """Return how far somebody has the items of each client.

    Raises:
        InvalidUpdateError: ``data`` is no state vector.
    """
    reader = Reader(data)
    known = {reader.uint(): reader.uint() for _ in range(reader.uint())}
    _check_end(reader)
    return known


def encode_state_vector(known: dict[int, int]) -> bytes:
    """Return a state vector, the greatest ids first, as Yjs writes it."""
    parts = [write_uint(len(known))]
    for client in sorted(known, reverse=True):
        parts += (write_uint(client), write_uint(known[client]))
    return b"".join(parts)


@dataclass(slots=True)
class _Decoder:
    data: bytes
    blocks: list[Block] = field(default_factory=list)
    dependencies: list[Dependency] = field(default_factory=list)
    deleted: list[Block] = field(default_factory=list)
    roots: set[str] = field(default_factory=set)
    kinds: set[int] = field(default_factory=set)
    is_nested: bool = False
    embeds: list[Any] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    strings: list[StringSpan] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    runs: list[Block] = field(default_factory=list)

    def decode(self) -> Update:
        reader = Reader(self.data)
        clients: set[int] = set()
        for _ in range(reader.uint()):
            self._read_block(reader, clients)
        deletes_at = reader.position
        for _ in range(reader.uint()):
            client = reader.uint()
            for _ in range(reader.uint()):
                clock = reader.uint()
                self.deleted.append(Block(client, clock, _checked_clock(clock + reader.uint())))
        _check_end(reader)
        return Update(
            tuple(self.blocks),
            tuple(self.dependencies),
            tuple(self.deleted),
            frozenset(self.roots),
            frozenset(self.kinds),
            self.is_nested,
            tuple(self.embeds),
            tuple(self.marks),
            tuple(self.strings),
            tuple(self.placed),
            tuple(self.runs),
            deletes_at,
        )

    def _read_block(self, reader: Reader, clients: set[int]) -> None:
        count, client, clock = reader.uint(), reader.uint(), reader.uint()
        if client in clients:
            # Yjs would keep the last of them alone.
            raise InvalidUpdateError("an update has one block for each client")
        clients.add(client)
        first = clock
        for _ in range(count):
            kind, length = self.read_struct(reader, Id(client, clock))
            if length == 0:
                raise InvalidUpdateError("an item has a length")
            if kind == SKIP:
                self._add_block(Block(client, first, clock))
                first = clock + length
            elif length > 1 and kind in _COPIED:
                self.runs.append(Block(client, clock, clock + length))
            clock = _checked_clock(clock + length)
        self._add_block(Block(client, first, clock))

    def _add_block(self, block: Block) -> None:
        if block.first < block.end:
            self.blocks.append(block)

    def read_struct(self, reader: Reader, at: Id) -> tuple[int, int]:
        """Read one struct; return its kind and its length in clocks."""
        info = reader.byte()
        kind = info & 0x1F
        self.kinds.add(kind)
        if kind in (COLLECTED, SKIP):
            if info != kind:
                raise InvalidUpdateError("a struct without content has no neighbours")
            return kind, reader.uint()
        left: Id | None = None
        right: Id | None = None
        if info & (_HAS_ORIGIN | _HAS_RIGHT_ORIGIN):
            if info & _HAS_ORIGIN:
                left = self._depend(at, reader)
            if info & _HAS_RIGHT_ORIGIN:
                right = self._depend(at, reader)
        elif reader.uint() == 1:
            self.roots.add(reader.text())
            if info & _HAS_KEY:
                reader.text()
        else:
            self.is_nested = True
            self._depend(at, reader)
            if info & _HAS_KEY:
                reader.text()
        if info & _HAS_KEY:
            self.is_nested = True
        length = self._read_string(reader, at, right) if kind == STRING else self._read_content(reader, kind)
        self.placed.append(Placed(at, at.clock + length, left, right))
        return kind, length

    def _depend(self, at: Id, reader: Reader) -> Id:
        on = Id(reader.uint(), _checked_clock(reader.uint()))
        if on.client == at.client and on.clock >= at.clock:
            raise InvalidUpdateError("an item rests on one that its author made later")
        self.dependencies.append(Dependency(at, on))
        return on

    def _read_content(self, reader: Reader, kind: int) -> int:
        """Read the content; return its length in clocks."""
        if kind == DELETED:
            return reader.uint()
        if kind == FORMAT:
            self.marks.append(Mark(reader.text(), _parsed(reader.text())))
        elif kind == EMBED:
            self.embeds.append(_parsed(reader.text()))
        else:
            return _skip_other(reader, kind)
        return 1

    def _read_string(self, reader: Reader, at: Id, right: Id | None) -> int:
        start = reader.position
        text = reader.text()
        units = unit_length(text)
        self.strings.append(
            StringSpan(start, reader.position, units, at, right, units > len(text), REPLACED in text)
        )
        return units


def _skip_other(reader: Reader, kind: int) -> int:
    """Pass over content that no text has; return its length in clocks."""
    if kind in (JSON, ANY):
        count = reader.uint()
        for _ in range(count):
            _skip_json(reader) if kind == JSON else skip_any(reader)
        return count
    if kind == BINARY:
        reader.skip_bytes()
    elif kind == TYPE:
        _skip_type(reader)
    elif kind == DOCUMENT:
        reader.text()
        skip_any(reader)
    else:
        raise InvalidUpdateError(f"content of kind {kind} is not known")
    return 1


def _skip_json(reader: Reader) -> None:
    text = reader.text()
    if text != "undefined":
        _parsed(text)


def _skip_type(reader: Reader) -> None:
    type_ref = reader.uint()
    if type_ref > _LAST_TYPE:
        raise InvalidUpdateError(f"a shared type of kind {type_ref} is not known")
    if type_ref in _NAMED_TYPES:
        reader.text()


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidUpdateError("a value is not JSON") from error


def _checked_clock(clock: int) -> int:
    if clock > _MAX_CLOCK:
        raise InvalidUpdateError("a clock has more than 32 bits")
    return clock


def _check_end(reader: Reader) -> None:
    if not reader.is_at_end:
        raise InvalidUpdateError("bytes follow behind the end")
