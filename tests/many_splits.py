"""Updates that split one long string in many places, written by hand: of client 5 the string, of 7 what comes in it."""

from collections.abc import Iterable

from coedit.protocol.yjs.lib0 import write_text, write_uint

AUTHOR, OTHER = 5, 7


def typed(text: str) -> bytes:
    """Return the update of a text in one piece."""
    return _blocks(_typed(text)) + b"\0"


def deleting(ranges: Iterable[tuple[int, int]]) -> bytes:
    """Return the update that deletes some units of the text, each range by its first clock and its length."""
    written = [write_uint(first) + write_uint(length) for first, length in ranges]
    return b"\0\1" + write_uint(AUTHOR) + write_uint(len(written)) + b"".join(written)


def inserting(clocks: Iterable[int]) -> bytes:
    """Return the update of one letter behind each of some units of the text."""
    return _blocks(_between(clocks, [b"\4\1Z"])) + b"\0"


def formatting(clocks: Iterable[int]) -> bytes:
    """Return the update of a mark behind each of some units of the text."""
    marks = [b"\6" + write_text("bold") + write_text(value) for value in ("true", "null")]
    return _blocks(_between(clocks, marks)) + b"\0"


def typed_with_letters_in_it(text: str, clocks: Iterable[int]) -> bytes:
    """Return both a text, in one piece, and letters in the middle of it."""
    return _blocks(_between(clocks, [b"\4\1Z"]), _typed(text)) + b"\0"


def _typed(text: str) -> bytes:
    return b"\1" + write_uint(AUTHOR) + b"\0\4\1" + write_text("content") + write_text(text)


def _between(clocks: Iterable[int], contents: list[bytes]) -> bytes:
    structs = []
    for number, clock in enumerate(clocks):
        content = contents[number % len(contents)]
        neighbours = b"".join(map(write_uint, (AUTHOR, clock, AUTHOR, clock + 1)))
        structs.append(bytes((0xC0 | content[0],)) + neighbours + content[1:])
    return write_uint(len(structs)) + write_uint(OTHER) + b"\0" + b"".join(structs)


def _blocks(*blocks: bytes) -> bytes:
    return write_uint(len(blocks)) + b"".join(blocks)
