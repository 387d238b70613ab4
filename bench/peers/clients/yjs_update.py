"""Yjs updates (v1) that insert text, made and read by hand, since a raw client has no document."""

from collections.abc import Iterator
from typing import NamedTuple

from coedit.protocol.yjs.lib0 import Reader, write_text, write_uint

ROOT = "content"
_STRING, _SKIP, _COLLECTED = 4, 10, 0
_HAS_ORIGIN, _HAS_RIGHT_ORIGIN = 0x80, 0x40


class Typed(NamedTuple):
    """One character, by its id."""

    client_id: int
    sequence: int


class Span(NamedTuple):
    """Characters of one client with consecutive clocks, ``end`` not included."""

    client: int
    first: int
    end: int


def write_insertion(client: int, clock: int, text: str) -> bytes:
    """Return the update that types ``text`` behind what the client typed last; at clock 0, into an empty root."""
    name = write_uint(client)
    head = b"\x01\x01" + name + write_uint(clock)
    if clock:
        place = bytes((_STRING | _HAS_ORIGIN,)) + name + write_uint(clock - 1)
    else:
        place = bytes((_STRING, 1)) + write_text(ROOT)
    return head + place + write_text(text) + b"\x00"


def read_spans(update: bytes) -> list[Span]:
    """Return what an update inserts; the delete set is not looked at."""
    return list(_spans(Reader(update)))


def _spans(reader: Reader) -> Iterator[Span]:
    for _ in range(reader.uint()):
        count, client, clock = reader.uint(), reader.uint(), reader.uint()
        for _ in range(count):
            kind = reader.byte()
            end = clock + _length(reader, kind)
            if kind & 0x1F == _STRING:
                yield Span(client, clock, end)
            clock = end


def _length(reader: Reader, kind: int) -> int:
    """Return how many clocks a struct takes.

    Raises:
        ValueError: it is not of the kinds that these loads make.
    """
    if kind & 0x1F in (_SKIP, _COLLECTED):
        return reader.uint()
    if kind & 0x1F != _STRING:
        raise ValueError(f"a struct of kind {kind & 0x1F}")
    origins = bool(kind & _HAS_ORIGIN) + bool(kind & _HAS_RIGHT_ORIGIN)
    for _ in range(2 * origins):
        reader.uint()
    if not origins:
        reader.uint()
        reader.text()
    return len(reader.text())
