"""The primitives that all Yjs formats are made of, read within bounds.

Unsigned integers have 7 bits a byte, the least significant first, up to 53 bits; bytes, text (UTF-8) and JSON
carry their length in bytes before them.

Source: the npm package lib0, ``encoding.js`` and ``decoding.js``.
"""

from coedit.errors import InvalidUpdateError
from coedit.identifiers import MAX_SAFE_INTEGER


class Reader:
    """Reads one value after the other; ``position`` is where the next one begins."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position
        self.end = len(data)

    @property
    def is_at_end(self) -> bool:
        """Whether everything was read."""
        return self.position == self.end

    def byte(self) -> int:
        """Return the next byte.

        Raises:
            InvalidUpdateError: there is none.
        """
        position = self.position
        if position >= self.end:
            raise InvalidUpdateError("the data ends too early")
        self.position = position + 1
        return self.data[position]

    def uint(self) -> int:
        """Return an unsigned integer.

        Raises:
            InvalidUpdateError: it is beyond 2^53 - 1, or not all there.
        """
        number = self.byte()
        if number < 0x80:
            return number
        number &= 0x7F
        shift = 7
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 49:
                raise InvalidUpdateError("an integer has more than 53 bits")
        if number > MAX_SAFE_INTEGER:
            raise InvalidUpdateError("an integer has more than 53 bits")
        return number

    def skip_int(self) -> None:
        """Pass over a signed integer, whose first byte has 6 bits beside its sign.

        Raises:
            InvalidUpdateError: it is too long, or not all there.
        """
        for _ in range(8):
            if self.byte() < 0x80:
                return
        raise InvalidUpdateError("an integer has more than 53 bits")

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes.

        Raises:
            InvalidUpdateError: there are fewer.
        """
        if count > self.end - self.position:
            raise InvalidUpdateError("a length reaches beyond the end")
        self.position += count

    def bytes(self) -> bytes:
        """Return bytes that carry their length.

        Raises:
            InvalidUpdateError: they are not all there.
        """
        start = self.skip_bytes()
        return self.data[start : self.position]

    def skip_bytes(self) -> int:
        """Pass over bytes that carry their length; return where they begin.

        Raises:
            InvalidUpdateError: they are not all there.
        """
        count = self.uint()
        start = self.position
        self.skip(count)
        return start

    def text(self) -> str:
        """Return text that carries its length.

        Raises:
            InvalidUpdateError: it is not all there, or not UTF-8.
        """
        try:
            return self.bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidUpdateError("a text is not UTF-8") from error


def write_uint(number: int) -> bytes:
    """Return an unsigned integer of up to 53 bits."""
    if number < 0x80:
        return bytes((number,))
    parts = bytearray()
    while number > 0x7F:
        parts.append(0x80 | number & 0x7F)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def write_bytes(data: bytes) -> bytes:
    """Return bytes behind their length."""
    return write_uint(len(data)) + data


def write_text(text: str) -> bytes:
    """Return text, which holds no half of a surrogate pair, behind its length."""
    return write_bytes(text.encode("utf-8"))
